"""The brain: which source is used, and which is refused."""

from __future__ import annotations

import numpy as np
import pytest
from solids import affine_of, ellipsoid, image_of, mask_of, stored_as

from sagittal.geometry import Geometry
from sagittal.measure.brain import BORDER_SHARE, LARGEST_BRAIN_ML, find_brain, not_stripped, percent_of_brain
from sagittal.study import Image

HEAD = ellipsoid((20, 24, 18), margin=4)
AFFINE = affine_of((2, 2, 2))


def brain_image(kind="t1", level=50.0, affine=AFFINE):
    return image_of(HEAD * np.float32(level), affine, kind=kind, name=f"{kind}.nii.gz")


def test_the_brain_is_the_nonzero_voxels_of_the_t1_negative_ones_included():
    image = brain_image()
    data = image.data.copy()
    data[24, 28, 22] = -3
    found = find_brain([brain_image("t2"), image_of(data, AFFINE, kind="t1", name="t1")])
    assert found.voxels == HEAD.sum() and found.ml == pytest.approx(HEAD.sum() * 8 / 1000)
    assert found.source == "t1" and found.warnings == () and found.reason is None
    assert np.array_equal(found.mask.data != 0, HEAD)


def test_nan_is_nothing():
    data = np.where(HEAD, 5.0, np.nan)
    assert find_brain([image_of(data, AFFINE, kind="t1")]).voxels == HEAD.sum()


def test_another_image_stands_in_with_a_warning():
    found = find_brain([brain_image("flair"), brain_image("t1c")])
    assert found.source == "t1c.nii.gz" and "not from a T1" in found.warnings[0]


def test_a_given_mask_goes_first():
    given = mask_of(np.where(HEAD, 7, 0).astype(np.uint8), AFFINE)
    found = find_brain([brain_image(level=1)], given)
    assert found.voxels == HEAD.sum() and found.warnings == ()
    empty = find_brain((), mask_of(np.zeros(HEAD.shape, bool), AFFINE))
    assert empty.mask is None and "no brain voxel" in empty.reason


def test_a_head_with_its_skull_is_not_a_brain():
    noise = image_of(np.random.default_rng(0).random(HEAD.shape) + 0.1, AFFINE, kind="t1", name="head")
    found = find_brain([noise])
    assert found.mask is None and found.ml is None and "skull-stripped" in found.reason
    assert "border" in found.warnings[0] and "head" in found.warnings[0]
    found = find_brain([noise, brain_image("flair")])
    assert found.source == "flair.nii.gz" and len(found.warnings) == 2


def test_without_any_image_there_is_a_reason():
    assert "no brain mask" in find_brain().reason
    colour = image_of(np.ones((4, 4, 4, 3), np.uint8), kind="t1")
    assert find_brain([colour]).mask is None


def test_the_border_rule_on_both_sides_of_its_threshold():
    data = np.zeros((12, 12, 12), np.float32)
    data[4:8, 4:8, 4:8] = 1
    faces = 6 * 144
    # One face from its middle outwards, so that no voxel is counted in two faces.
    order = [(i, j) for i in range(1, 11) for j in range(1, 11)]
    for n, (i, j) in enumerate(order, start=1):
        data[0, i, j] = 1
        refused = not_stripped(image_of(data, kind="t1")) is not None
        assert refused == (n / faces > BORDER_SHARE)


def test_the_size_rule_on_both_sides_of_its_threshold():
    data = np.zeros((12, 12, 12), np.float32)
    data[1:11, 1:11, 1:11] = 1
    for scale, refused in ((0.999, False), (1.001, True)):
        step = (LARGEST_BRAIN_ML * scale) ** (1 / 3)  # 1000 voxels of step³ mm³
        assert (not_stripped(image_of(data, affine_of((step,) * 3), kind="t1")) is not None) == refused


def test_percent_by_voxels_on_one_grid_and_by_volume_on_another():
    label = mask_of(HEAD, AFFINE)
    brain = find_brain([image_of(*stored_as(HEAD * 1.0, AFFINE, "ILA"), kind="t1")])
    assert percent_of_brain(label, int(HEAD.sum()), brain) == (100, None)
    finer = find_brain([image_of(np.repeat(HEAD, 2, axis=2) * 1.0, affine_of((2, 2, 1)), kind="t1")])
    assert percent_of_brain(label, int(HEAD.sum()), finer)[0] == pytest.approx(100)
    assert percent_of_brain(label, 5, find_brain())[1]


def test_pixels_of_unknown_size_give_a_ratio_but_no_volume():
    grid = Geometry(HEAD.shape, np.eye(4), spacing_known=False)
    found = find_brain([Image(HEAD * 1.0, grid, kind="t1")])
    assert found.ml is None and "spacing" in found.reason and found.voxels == HEAD.sum()
    label = mask_of(HEAD, spacing_known=False)
    assert percent_of_brain(label, int(HEAD.sum()), found) == (100, None)
    other = mask_of(np.ones((3, 3, 3), bool), spacing_known=False)
    assert percent_of_brain(other, 27, found)[0] is None


@pytest.mark.parametrize("kind", ["ct", "cxr", "photo", "unknown"])
def test_what_is_not_an_mr_volume_gives_no_brain(kind: str) -> None:
    """A liver must never be given as a share of the brain."""
    found = find_brain([brain_image(kind)])
    assert found.mask is None and found.reason is not None
    one_slice = image_of(HEAD[:, :, 8:9] * 1.0, AFFINE, kind="t1", name="slice")
    assert find_brain([one_slice]).mask is None
