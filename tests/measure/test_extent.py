"""Extents and boxes against all corners of all voxels."""

from __future__ import annotations

import numpy as np
import pytest
from literal_measures import CORNERS, extents
from solids import ORIENTATIONS, affine_of, blobs, ellipsoid, mask_of, rotated, stored_as

from sagittal.errors import SpacingUnknownError
from sagittal.measure.block import block_of
from sagittal.measure.extent import extent

AXES = ("left_right", "front_back", "up_down")


def extent_of(inside, affine=None):
    return extent(block_of(mask_of(inside, affine), "l1"))


def test_one_voxel_is_one_voxel_wide():
    one = np.pad(np.ones((1, 1, 1), bool), 2)
    assert extent_of(one).extent_mm == {"left_right": 1, "front_back": 1, "up_down": 1}
    found = extent_of(one, affine_of((0.5, 2, 4), (10, 20, 30)))
    assert found.extent_mm == {"left_right": 0.5, "front_back": 2, "up_down": 4}
    assert found.low_ras_mm.tolist() == [10 + 1 - 0.25, 20 + 4 - 1, 30 + 8 - 2]
    assert (found.start, found.stop) == ((2, 2, 2), (3, 3, 3))


def test_one_voxel_at_45_degrees_measures_its_diagonal():
    found = extent_of(np.ones((1, 1, 1), bool), rotated((1, 1, 1), 45)).extent_mm
    assert found["left_right"] == pytest.approx(np.sqrt(2)) == found["front_back"]
    assert found["up_down"] == pytest.approx(1)


@pytest.mark.parametrize("affine", [rotated((0.7, 1.1, 3), 17, a) for a in range(3)] + [
    rotated((1, 1, 2), 30, 0) @ rotated((1, 1, 1), 50, 2),
    np.array([[1, 0.2, 0, 1], [0, 1, -0.3, 2], [0, 0, 2, 3], [0, 0, 0, 1.0]]),
])  # fmt: skip
def test_oblique_extents_equal_those_of_all_corners(affine):
    inside = blobs(2, shape=(14, 12, 10))
    found = extent_of(inside, affine)
    np.testing.assert_allclose([found.extent_mm[a] for a in AXES], extents(inside, affine), rtol=1e-12)
    corners = (np.argwhere(inside)[:, None] + CORNERS[None]).reshape(-1, 3)
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    np.testing.assert_allclose(found.low_ras_mm, world.min(axis=0))
    np.testing.assert_allclose(found.high_ras_mm, world.max(axis=0))


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.5, 0.8, 2.5)])
def test_solids_are_exact_to_a_voxel_in_all_48_orientations(spacing):
    radii = (6, 9, 11)
    inside, affine = ellipsoid(radii, spacing), affine_of(spacing, (100, -50, 20))
    for codes in ORIENTATIONS:
        found = extent_of(*stored_as(inside, affine, codes)).extent_mm
        for axis, radius, step in zip(AXES, radii, spacing, strict=True):
            assert abs(found[axis] - 2 * radius) <= step + 1e-9
            assert found[axis] / step == pytest.approx(round(found[axis] / step))


def test_voxel_boxes_are_those_of_the_masks_own_array():
    inside = np.zeros((9, 8, 7), bool)
    inside[2:5, 1:3, 6] = True
    for codes in ORIENTATIONS:
        data, affine = stored_as(inside, np.eye(4), codes)
        found = extent_of(data, affine)
        where = np.argwhere(data)
        assert found.start == tuple(where.min(axis=0)) and found.stop == tuple(where.max(axis=0) + 1)


def test_pixels_of_unknown_size_have_no_extent():
    mask = mask_of(np.ones((3, 3, 1), bool), spacing_known=False)
    with pytest.raises(SpacingUnknownError):
        extent(block_of(mask, "l1"))
