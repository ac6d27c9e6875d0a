"""Left and right, asymmetry, and change between visits."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from solids import ORIENTATIONS, affine_of, ellipsoid, mask_of, stored_as

from sagittal.answer import Measurement
from sagittal.errors import ConfigError, GeometryError, InputError
from sagittal.io.nifti import read_image
from sagittal.measure.asymmetry import asymmetry_index, brain_plane, sidedness, template_plane
from sagittal.measure.block import block_of
from sagittal.measure.change import change, lesion_change

AFFINE = affine_of((1, 1, 1), (-20, -10, -10))


def bar(*x: int) -> np.ndarray:
    """Voxels at these world x, ten at each."""
    inside = np.zeros((41, 20, 20), bool)
    for value in x:
        inside[value + 20, 5:15, 5] = True
    return inside


def side_of(inside, affine=AFFINE, plane=None):
    return sidedness(block_of(mask_of(inside, affine), "l1"), plane or template_plane())


def test_negative_x_is_left_in_all_48_orientations():
    for codes in ORIENTATIONS:
        assert side_of(*stored_as(bar(-12, -11), AFFINE, codes)).side == "left"
        assert side_of(*stored_as(bar(12), AFFINE, codes)).side == "right"


def test_bilateral_from_five_percent_on():
    inside = bar(*range(-19, 0))
    inside[30, 5:15, 5] = True
    assert side_of(inside).right_share == 0.05 and side_of(inside).side == "bilateral"
    inside[30, 5, 5] = False
    assert side_of(inside).side == "left"


def test_midline_needs_most_voxels_near_the_plane_and_both_sides():
    assert side_of(bar(-2, -1, 0, 1, 2)).side == "midline"
    assert side_of(bar(1, 2, 3)).side == "right"
    assert side_of(bar(-12, -5, 5, 12)).side == "bilateral"  # half is not most
    assert side_of(bar(-12, -5, 4, 5, 12)).side == "midline"
    centre = side_of(bar(0))
    assert (centre.left_share, centre.right_share, centre.near_share) == (0.5, 0.5, 1)


def test_template_spaces_have_their_planes():
    assert template_plane().x_mm == 0
    inside = bar(-10)
    moved = affine_of((1, 1, 1), (-20 - 119, -10, -10))
    assert side_of(inside, moved, template_plane("SRI24")).side == "left"
    assert side_of(bar(10), moved, template_plane("SRI24")).side == "right"
    with pytest.raises(ConfigError):
        template_plane("native")


@pytest.mark.shared_data
def test_the_sri24_plane_halves_the_real_atlas(shared_data):
    image = read_image(shared_data / "sri24_lpba40" / "spgr.nii.gz")
    plane = brain_plane(mask_of(image.data > 0, image.geometry.affine))
    assert plane.x_mm == pytest.approx(template_plane("SRI24").x_mm, abs=0.5)


def test_the_plane_of_a_brain_is_its_centre_of_mass():
    brain = ellipsoid((20, 30, 25))
    affine = affine_of((1, 1, 1), (40, 0, 0))
    plane = brain_plane(mask_of(brain.astype(np.uint8) * 7, affine))
    assert plane.x_mm == pytest.approx(40 + (brain.shape[0] - 1) / 2)
    assert "centre of mass" in plane.source
    left = np.zeros(brain.shape, bool)
    left[3:8, 20:30, 20] = True
    assert side_of(left, affine, plane).side == "left"
    assert side_of(left, affine).side == "right"  # by x = 0 it would lie on the right


@pytest.mark.parametrize(
    ("left", "right", "index"), [(3, 1, 1), (1, 3, -1), (2, 2, 0), (5, 0, 2), (0, 5, -2)]
)
def test_asymmetry_index(left, right, index):
    assert asymmetry_index(left, right) == (index, None)
    assert asymmetry_index(0, 0)[0] is None and asymmetry_index(0, 0)[1]


def volume(value, unit="mL", of="ET", name="volume", undefined=None):
    return Measurement(name, value, unit, of, "test", undefined=undefined)


def test_change_of_a_measurement():
    found = change(volume(8.0), volume(6.0), start=date(2024, 1, 1), end=date(2024, 1, 11))
    assert (found.absolute, found.percent, found.days, found.per_day) == (-2, -25, 10, -0.2)
    named = {m.name: (m.value, m.unit) for m in found.measurements()}
    assert named == {
        "change of volume": (-2, "mL"), "relative change of volume": (-25, "%"),
        "daily change of volume": (-0.2, "mL/day"),
    }  # fmt: skip


def test_what_cannot_be_computed_has_a_reason():
    found = change(volume(0), volume(6.0))
    assert found.percent is None and found.undefined["percent"] == "the earlier value is 0"
    assert found.absolute == 6 and "date" in found.undefined["per_day"]
    same = change(volume(1), volume(6.0), start=date(2024, 1, 1), end=date(2024, 1, 1))
    assert same.per_day is None and "one day" in same.undefined["per_day"]
    gone = change(volume(None, undefined="no voxel"), volume(6.0))
    assert gone.absolute is None and "no voxel" in gone.undefined["absolute"]
    assert all(m.undefined for m in gone.measurements())


@pytest.mark.parametrize(
    ("after", "dates"),
    [
        (volume(1, unit="mm³"), {}), (volume(1, of="NCR"), {}), (volume(1, name="surface"), {}),
        (volume("round"), {}), (volume(2), {"start": date(2024, 1, 2), "end": date(2024, 1, 1)}),
    ],
)  # fmt: skip
def test_things_that_cannot_be_compared_are_refused(after, dates):
    with pytest.raises(InputError):
        change(volume(1), after, **dates)


def test_lesions_are_followed_by_overlap():
    before, after = np.zeros((30, 9, 9), bool), np.zeros((30, 9, 9), bool)
    before[1:3, 2, 2] = after[2:5, 2, 2] = True  # persists
    before[7:9, 2, 2] = True  # vanishes
    after[12:15, 2, 2] = True  # new
    before[18:20, 2, 2] = before[22:24, 2, 2] = after[18:24, 2, 2] = True  # two merge
    before[18:24, 7, 7] = after[18:20, 7, 7] = after[22:24, 7, 7] = True  # one splits
    affine = affine_of((1, 2, 5))
    for codes in ("RAS", "PLI"):
        found = lesion_change(mask_of(before, affine), mask_of(*stored_as(after, affine, codes)), "l1")
        assert (found.before, found.after) == (5, 5)
        assert (found.new, found.vanished, found.merged, found.split) == (1, 1, 1, 1)
        assert found.new_ml == pytest.approx(3 * 10 / 1000) and found.vanished_ml == pytest.approx(
            2 * 10 / 1000
        )


def test_nothing_before_and_nothing_after():
    none, some = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    assert lesion_change(mask_of(none), mask_of(some), "l1").new == 1
    assert lesion_change(mask_of(some), mask_of(none), "l1").vanished == 1
    assert lesion_change(mask_of(none), mask_of(none), "l1").before == 0


def test_lesions_on_different_grids_are_refused():
    with pytest.raises(GeometryError):
        lesion_change(mask_of(bar(1)), mask_of(bar(1), affine_of((1, 1, 2))), "l1")
