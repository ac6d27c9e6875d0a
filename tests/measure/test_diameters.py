"""In-plane diameters against all pairs of outline points, and against drawn shapes."""

from __future__ import annotations

import numpy as np
import pytest
from literal_measures import longest_in_plane
from solids import ORIENTATIONS, affine_of, blobs, ellipsoid, mask_of, rotated, stored_as

from sagittal.errors import SpacingUnknownError
from sagittal.measure.block import block_of
from sagittal.measure.diameters import OBLIQUE_DEGREES, diameters

GRIDS = {
    "1 mm": np.eye(4),
    "thick": affine_of((0.8, 1.1, 5.0), (10, -4, 2)),
    "oblique": rotated((0.8, 1.2, 3.0), 25),
    "sheared": np.array([[1.0, 0.4, 0.1, 3], [0, 1.3, -0.3, 4], [0, 0, 3.0, 5], [0, 0, 0, 1]]),
}


def diameters_of(inside, affine=None, **geometry):
    return diameters(block_of(mask_of(inside, affine, **geometry), "l1"))


def widest_across(inside, affine, axis, found) -> float:
    """Longest chord at 90° to the found diameter, by brute force over finely spaced cutting lines."""
    from scipy import ndimage
    from skimage.measure import find_contours

    columns = affine[:3, :3][:, [a for a in range(3) if a != axis]]
    u = np.subtract(*found.longest_ends[::-1])
    u /= np.linalg.norm(u)
    normal = np.cross(columns[:, 0], columns[:, 1])
    v = np.cross(normal / np.linalg.norm(normal), u)
    flat = np.take(inside, found.slice, axis=axis)
    labelled, count = ndimage.label(flat, structure=np.ones((3, 3)))
    best = 0.0
    for piece in range(1, count + 1):
        lines = find_contours(np.pad(labelled == piece, 1).astype(float), 0.5, fully_connected="high")
        world = [(line - 1) @ columns.T for line in lines]
        points = np.concatenate(world)
        apart = np.linalg.norm(points[:, None] - points[None], axis=2).max()
        if abs(apart - found.longest_mm) > 1e-6:
            continue
        t, w = points @ u, points @ v
        for cut in np.unique(t):
            hits = list(w[np.abs(t - cut) < 1e-9])
            for line in world:
                a, b = line[:-1], line[1:]
                ta, tb, wa, wb = a @ u, b @ u, a @ v, b @ v
                through = (np.minimum(ta, tb) < cut) & (cut < np.maximum(ta, tb))
                hits += list(wa[through] + (cut - ta[through]) / (tb - ta)[through] * (wb - wa)[through])
            best = max(best, max(hits) - min(hits))
    return best


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("seed", range(3))
def test_both_diameters_equal_brute_force(seed, grid):
    inside, affine = blobs(seed, shape=(26, 24, 12)), GRIDS[grid]
    found = diameters_of(inside, affine)
    longest, _ = longest_in_plane(inside, affine, axis=2)
    assert found.longest_mm == pytest.approx(longest, rel=1e-9)
    assert found.perpendicular_mm == pytest.approx(widest_across(inside, affine, 2, found), rel=1e-6)
    assert found.product_mm2 == found.longest_mm * found.perpendicular_mm
    one, two = (np.subtract(*ends) for ends in (found.longest_ends, found.perpendicular_ends))
    assert np.linalg.norm(one) == pytest.approx(found.longest_mm)
    assert np.linalg.norm(two) == pytest.approx(found.perpendicular_mm)
    assert one @ two == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_ends_lie_on_the_outline_in_the_named_slice(seed):
    inside, affine = blobs(seed, shape=(20, 18, 9)), GRIDS["oblique"]
    mask = mask_of(inside, affine)
    found = diameters(block_of(mask, "l1"))
    for end in (*found.longest_ends, *found.perpendicular_ends):
        i, j, k = mask.geometry.to_voxel(end)
        assert k == pytest.approx(found.slice, abs=1e-6)
        # An outline point lies between a pixel inside and one outside.
        near = [
            (x, y) for x in (int(np.floor(i)), int(np.ceil(i))) for y in (int(np.floor(j)), int(np.ceil(j)))
        ]
        flags = [0 <= x < 20 and 0 <= y < 18 and bool(inside[x, y, found.slice]) for x, y in near]
        assert any(flags) and not all(flags)


def test_drawn_shapes():
    one = diameters_of(np.pad(np.ones((1, 1, 1), bool), 1))
    assert (one.longest_mm, one.perpendicular_mm) == (1, 1)
    bar = np.zeros((14, 6, 3), bool)
    bar[2:12, 2, 1] = True
    found = diameters_of(bar)
    assert (found.longest_mm, found.slice, found.plane) == (10, 1, "axial")
    assert found.perpendicular_mm == pytest.approx(1)
    disc = ellipsoid((15, 15, 0.4), margin=1)
    found = diameters_of(disc, slice_axis=2)
    assert found.longest_mm == pytest.approx(30, abs=1.1) and found.perpendicular_mm == pytest.approx(
        30, abs=1.1
    )
    oval = ellipsoid((20, 9, 3))
    found = diameters_of(oval, slice_axis=2)
    assert found.longest_mm == pytest.approx(40, abs=1.1) and found.perpendicular_mm == pytest.approx(
        18, abs=1.1
    )


def test_a_diameter_never_bridges_two_pieces():
    two = np.zeros((30, 10, 3), bool)
    two[1:5, 3:5, 1] = True
    two[20:28, 3:5, 1] = True
    two[1:28, 3, 0] = False
    assert diameters_of(two, slice_axis=2).longest_mm < 9
    # One component that is two pieces in the slice: an arch over them joins the two in 3D.
    two[1:28, 8, 2] = two[1, 3:9, 2] = two[27, 3:9, 2] = True
    assert diameters_of(two, slice_axis=2).slice == 2


def test_in_a_concave_piece_a_line_may_cross_the_outside():
    ring = ellipsoid((9.6, 9.6, 9.6), margin=0)[:, :, 10:11].copy()
    full = diameters_of(ring)
    ring[5:16, 5:16] = False
    assert diameters_of(ring) == full


@pytest.mark.parametrize("grid", ["1 mm", "thick", "oblique"])
def test_the_same_lines_in_all_48_orientations(grid):
    inside, affine = blobs(8, shape=(16, 15, 14)), GRIDS[grid]
    reference = diameters_of(inside, affine, slice_axis=2)
    place = np.array([*reference.longest_ends, *reference.perpendicular_ends])
    for codes in ORIENTATIONS:
        data, turned = stored_as(inside, affine, codes)
        axis = int(np.abs(np.linalg.inv(affine[:3, :3])[2] @ turned[:3, :3]).argmax())
        found = diameters_of(data, turned, slice_axis=axis)
        np.testing.assert_allclose(
            np.array([*found.longest_ends, *found.perpendicular_ends]), place, atol=1e-6
        )
        assert found.plane == reference.plane
        index = np.zeros(3)
        index[axis] = found.slice
        world = turned[:3, :3] @ index + turned[:3, 3]
        own = np.linalg.inv(affine) @ [*world, 1]
        assert own[2] == pytest.approx(reference.slice, abs=1e-6)


@pytest.mark.parametrize(("axis", "plane"), [(0, "sagittal"), (1, "coronal"), (2, "axial")])
def test_planes_have_their_names_up_to_the_stated_tilt(axis, plane):
    inside = np.pad(np.ones((3, 3, 3), bool), 1)
    assert diameters_of(inside, slice_axis=axis).plane == plane
    about = (axis + 1) % 3
    for tilt, name in ((OBLIQUE_DEGREES - 0.1, plane), (OBLIQUE_DEGREES + 0.1, "oblique")):
        assert diameters_of(inside, rotated((1, 1, 1), tilt, about), slice_axis=axis).plane == name


def test_a_picture_is_measured_in_its_own_plane():
    flat = np.zeros((9, 12, 1), bool)
    flat[2:5, 3:9, 0] = True
    # The affine calls the picture's second axis head to foot: it is one slice all the same.
    affine = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    found = diameters_of(flat, affine)
    assert found.slice == 0 and found.longest_mm == pytest.approx(np.hypot(6, 2))
    with pytest.raises(SpacingUnknownError):
        diameters_of(flat, affine, spacing_known=False)
