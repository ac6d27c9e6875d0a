"""Geometry against nibabel and against algebra, over all 48 orientations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import (
    aff2axcodes,
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from sagittal.errors import GeometryError, SpacingUnknownError
from sagittal.geometry import Geometry

ORIENTATIONS = [
    "".join(codes)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for codes in itertools.product(*order)
]


def oblique(seed: int, shape=(5, 6, 7)) -> Geometry:
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = q * rng.uniform(0.5, 5, 3)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return Geometry(shape, affine)


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_reorientation_agrees_with_nibabel(codes):
    geometry = oblique(3)
    data = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    got, order, flips = geometry.reoriented(codes)
    moved = np.flip(np.transpose(data, order), flips)

    transform = ornt_transform(io_orientation(geometry.affine), axcodes2ornt(tuple(codes)))
    expected = apply_orientation(data, transform)
    affine = geometry.affine @ inv_ornt_aff(transform, data.shape)
    np.testing.assert_array_equal(moved, expected)
    np.testing.assert_allclose(got.affine, affine, atol=1e-9)
    assert got.orientation == codes == "".join(aff2axcodes(got.affine))


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_reorientation_keeps_every_voxel_where_it_was(codes):
    geometry = oblique(8)
    index = np.argwhere(np.ones(geometry.shape))
    where = {tuple(i): geometry.to_world(i) for i in index}
    numbers = np.arange(index.shape[0]).reshape(geometry.shape)
    new, order, flips = geometry.reoriented(codes)
    moved = np.flip(np.transpose(numbers, order), flips)
    for i in np.argwhere(np.ones(new.shape)):
        old = np.unravel_index(moved[tuple(i)], geometry.shape)
        np.testing.assert_allclose(new.to_world(i), where[tuple(int(v) for v in old)], atol=1e-9)


def test_slice_axis_follows_the_axes():
    thick = Geometry((64, 64, 20), np.diag([1, 1, 5, 1]))
    assert thick.slice_axis == 2
    assert thick.reoriented("SAR")[0].slice_axis == 0
    assert Geometry((4, 4, 4), np.diag([1, 1, 1.19, 1])).slice_axis == 2
    sideways = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    assert Geometry((4, 4, 4), sideways).slice_axis == 1, "isotropic: the axis that runs head to foot"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_world_and_voxel_are_inverse(seed):
    geometry = oblique(seed)
    points = np.random.default_rng(seed).uniform(-50, 50, (20, 3))
    np.testing.assert_allclose(geometry.to_voxel(geometry.to_world(points)), points, atol=1e-8)


def test_spacing_and_voxel_volume():
    geometry = Geometry((3, 3, 3), np.diag([-2, 3, 0.5, 1]))
    assert geometry.spacing == (2, 3, 0.5)
    assert geometry.voxel_volume == pytest.approx(3)
    shear = np.eye(4)
    shear[0, 1] = 0.4
    assert Geometry((3, 3, 3), shear).voxel_volume == pytest.approx(1), "a shear keeps the volume"


def test_axis_towards():
    geometry = Geometry((2, 3, 4), np.array([[0, 0, -1, 0], [2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]]))
    assert geometry.axis_towards(0) == (2, -1)
    assert geometry.axis_towards(1) == (0, 1)
    assert geometry.axis_towards(2) == (1, 1)


def test_corners_are_half_a_voxel_outside():
    corners = Geometry((2, 3, 4), np.diag([1, 2, 3, 1])).corners()
    np.testing.assert_allclose(corners.min(axis=0), [-0.5, -1, -1.5])
    np.testing.assert_allclose(corners.max(axis=0), [1.5, 5, 10.5])


def test_crop_and_pad_are_inverse_on_the_grid():
    geometry = oblique(1)
    inner = geometry.cropped((1, 2, 3), (4, 5, 6))
    np.testing.assert_allclose(inner.to_world((0, 0, 0)), geometry.to_world((1, 2, 3)))
    assert inner.cropped((-1, -2, -3), (4, 4, 4)).same_grid(geometry)


def test_new_spacing_keeps_the_outer_corner():
    geometry = Geometry((240, 240, 155), np.diag([-1, -1, 1, 1]))
    coarse = geometry.with_spacing((2, 2, 2))
    assert coarse.shape == (120, 120, 78)
    np.testing.assert_allclose(coarse.to_world((-0.5,) * 3), geometry.to_world((-0.5,) * 3))
    assert geometry.with_spacing((1, 1, 1)).same_grid(geometry)


def test_another_number_of_voxels_fills_the_same_box():
    old = oblique(3, (10, 12, 8))
    new = old.with_shape((5, 30, 8))
    assert new.shape == (5, 30, 8) and new.slice_axis == old.slice_axis
    np.testing.assert_allclose(new.corners(), old.corners(), atol=1e-9)
    assert new.with_shape(old.shape).same_grid(old, 1e-9)
    assert new.spacing == pytest.approx((2 * old.spacing[0], 0.4 * old.spacing[1], old.spacing[2]))


def test_same_grid_on_both_sides_of_its_tolerance():
    geometry = Geometry((9, 9, 9), np.eye(4))
    for shift, same in ((0.009, True), (0.011, False)):
        moved = np.eye(4)
        moved[0, 3] = shift
        assert geometry.same_grid(Geometry((9, 9, 9), moved)) is same
    with pytest.raises(GeometryError, match="same grid"):
        geometry.require_same_grid(Geometry((9, 9, 8), np.eye(4)), "The mask and the image")


@pytest.mark.parametrize(
    "affine",
    [
        np.zeros((4, 4)),
        np.diag([1, 1, 0, 1]),
        np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
        np.full((4, 4), np.nan),
        np.eye(3),
        np.diag([1, 1, 1, 2]),
    ],
)
def test_bad_affines_are_refused(affine):
    with pytest.raises(GeometryError):
        Geometry((2, 2, 2), affine)


def test_small_voxels_are_not_called_singular():
    assert Geometry((2, 2, 2), np.diag([1e-3, 1e-3, 1e-3, 1])).voxel_volume == pytest.approx(1e-9)


def test_bad_shapes_and_codes_are_refused():
    for shape in ((0, 1, 1), (1, 1), (1, 1, 1, 1)):
        with pytest.raises(GeometryError):
            Geometry(shape, np.eye(4))
    for codes in ("RA", "RRA", "XYZ", "RLA"):
        with pytest.raises(GeometryError):
            Geometry((2, 2, 2), np.eye(4)).reoriented(codes)


def test_unknown_spacing_refuses_millimetres():
    picture = Geometry((10, 10, 1), np.eye(4), spacing_known=False)
    assert picture.is_2d
    with pytest.raises(SpacingUnknownError):
        _ = picture.voxel_volume


def test_json_round_trip_is_exact():
    geometry = oblique(11)
    assert Geometry.from_json(geometry.to_json()) == geometry
    assert geometry != oblique(12)
