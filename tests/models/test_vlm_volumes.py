"""Volumes for an encoder: one box in world space, whatever the order of axes, spacing, grid or unit."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.errors import InputError, SpacingUnknownError
from sagittal.geometry import Geometry
from sagittal.models.vlm.volumes import VolumeConfig, prepare_volumes
from sagittal.study import Image

SIZE = (8, 20, 16)
CONFIG = VolumeConfig(box_mm=(80.0, 100.0, 80.0))


def brain(shape=(50, 60, 48), spacing=2.0, shift=0.0, kind="t1") -> Image:
    """An ellipsoid whose brightness rises to the right, with a bright ball in front."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(shape) - 1) / 2 + shift
    geometry = Geometry(shape, affine)
    world = geometry.to_world(np.moveaxis(np.indices(shape), 0, -1))
    inside = (((world - shift) / (34, 44, 34)) ** 2).sum(-1) < 1
    data = np.where(inside, 500 + 5 * (world[..., 0] - shift), 0)
    data[((world - shift - (0, 25, 0)) ** 2).sum(-1) < 64] = 1000
    return Image(data.astype(np.float32), geometry, kind, kind)


def test_rows_run_to_the_front_columns_to_the_right_slices_up() -> None:
    made = prepare_volumes([brain()], SIZE, CONFIG)
    assert made.data.shape == (1, *SIZE)
    middle = made.data[0, 4]
    assert middle[10, 12] > middle[10, 4] > 0.1
    assert middle[15, 8] > 0.7 > middle[5, 8]
    assert made.grid.spacing == pytest.approx((5, 5, 10))


@pytest.mark.parametrize("orientation", ["LPS", "ASR", "SPL"])
def test_the_order_of_the_axes_changes_nothing(orientation: str) -> None:
    plain = prepare_volumes([brain()], SIZE, CONFIG)
    turned = prepare_volumes([brain().reorient(orientation)], SIZE, CONFIG)
    np.testing.assert_allclose(plain.data, turned.data, atol=2e-3)
    np.testing.assert_allclose(plain.grid.affine, turned.grid.affine, atol=1e-3)


def test_place_unit_and_spacing_hardly_matter() -> None:
    plain = prepare_volumes([brain()], SIZE, CONFIG).data
    moved = prepare_volumes([brain(shift=17.0)], SIZE, CONFIG).data
    fine = prepare_volumes([brain((100, 120, 96), 1.0)], SIZE, CONFIG).data
    scaled = brain()
    scaled = Image(np.where(scaled.data != 0, scaled.data / 7 - 30, 0), scaled.geometry, "t1", "t1")
    np.testing.assert_allclose(plain, moved, atol=0.02)
    assert np.abs(plain - fine).mean() < 0.02
    np.testing.assert_allclose(plain, prepare_volumes([scaled], SIZE, CONFIG).data, atol=0.01)


def test_a_normalised_scan_has_another_background() -> None:
    plain = brain()
    inside = plain.data != 0
    values = plain.data[inside]
    data = np.full(plain.data.shape, -3.5, np.float32)
    data[inside] = (values - values.mean()) / values.std()
    made = prepare_volumes([Image(data, plain.geometry, "t1", "t1")], SIZE, CONFIG)
    np.testing.assert_allclose(made.data, prepare_volumes([plain], SIZE, CONFIG).data, atol=1e-3)


def test_sequences_on_other_grids_stay_registered() -> None:
    other = brain((98, 116, 90), 1.0, kind="flair").reorient("LPS")
    made = prepare_volumes([brain(), other], SIZE, CONFIG)
    assert np.abs(made.data[0] - made.data[1]).mean() < 0.02


def test_what_is_no_brain_is_zero_and_the_darkest_brain_is_not() -> None:
    made = prepare_volumes([brain()], (48, 60, 50), VolumeConfig(box_mm=(100.0, 120.0, 96.0)))
    assert made.data[0, 0].max() == 0
    assert made.data[0, 24, 30, 25] > 0.1


def unknown() -> Image:
    made = brain()
    return Image(made.data, Geometry(made.shape, made.geometry.affine, spacing_known=False), "t1", "t1")


def colour() -> Image:
    made = brain()
    return Image(np.stack([made.data] * 3, -1), made.geometry, "t1", "t1")


def head() -> Image:
    made = brain()
    around = np.indices(made.shape).sum(axis=0)
    return Image((made.data + around + 1).astype(np.float32), made.geometry, "t1", "t1")


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        ([], InputError, "no image"),
        ([head()], InputError, "does not show the brain alone"),
        ([colour()], InputError, "one channel"),
        ([unknown()], SpacingUnknownError, "Preparing a scan"),
        ([brain(), Image(np.zeros((4, 4, 4), np.float32), Geometry((4, 4, 4), np.eye(4)), "t2", "t2")],
         InputError, "empty"),
    ],
    ids=["none", "head", "colour", "unknown", "empty"],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_refused(images, error, words) -> None:
    with pytest.raises(error, match=words):
        prepare_volumes(images, SIZE, CONFIG)
