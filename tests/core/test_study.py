"""Images, masks, regions and studies: geometry travels with pixels."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pytest

from sagittal.errors import ConfigError, GeometryError, InputError, LabelError
from sagittal.geometry import Geometry
from sagittal.study import Image, Mask, Region, Study


def ramp(geometry: Geometry) -> np.ndarray:
    """An image whose value at each voxel is a linear function of its world position."""
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1)
    world = geometry.to_world(index)
    return (world @ np.array([1.0, -2.0, 0.5]) + 3).astype(np.float32)


def tilted(shape=(12, 13, 14), spacing=(1.0, 1.5, 2.0), angle=0.2) -> Geometry:
    affine = np.eye(4)
    c, s = np.cos(angle), np.sin(angle)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) * spacing
    affine[:3, 3] = (-5, 7, 2)
    return Geometry(shape, affine)


def test_linear_resampling_is_exact_on_a_linear_image():
    source = tilted((20, 20, 20))
    centre = source.to_world((8, 8, 8))
    affine = np.diag([1.0, 1.2, 0.9, 1.0])
    affine[:3, 3] = centre
    inside = Geometry((5, 5, 5), affine)
    image = Image(ramp(source), source)
    got = image.resample_to(inside, fill=np.nan)
    np.testing.assert_allclose(got.data, ramp(inside), atol=1e-3)


def test_resampling_onto_the_same_grid_changes_nothing():
    geometry = tilted()
    image = Image(np.random.default_rng(0).normal(size=geometry.shape).astype(np.float32), geometry)
    np.testing.assert_allclose(image.resample_to(geometry).data, image.data, atol=1e-5)


@pytest.mark.parametrize("codes", ["LPS", "SAR", "PIR", "IRA"])
def test_nearest_through_another_orientation_returns_the_same_labels(codes):
    geometry = tilted()
    rng = np.random.default_rng(1)
    mask = Mask(rng.integers(0, 4, geometry.shape).astype(np.uint8), geometry)
    there = mask.resample_to(geometry.reoriented(codes)[0])
    np.testing.assert_array_equal(there.data, mask.reorient(codes).data)
    np.testing.assert_array_equal(there.resample_to(geometry).data, mask.data)


def test_fast_nearest_equals_the_literal_one():
    source = Geometry((9, 8, 7), np.diag([1.0, -1.3, 2.0, 1.0]))
    affine = np.zeros((4, 4))
    affine[0, 2], affine[1, 0], affine[2, 1], affine[3, 3] = 0.7, -0.9, 1.7, 1
    affine[:3, 3] = (-1.05, 1.13, -2.2)
    target = Geometry((14, 9, 15), affine)
    mask = Mask(np.random.default_rng(2).integers(0, 9, source.shape).astype(np.uint8), source)
    got = mask.resample_to(target).data
    for index in np.argwhere(np.ones(target.shape)):
        nearest = np.floor(source.to_voxel(target.to_world(index)) + 0.5 + 1e-6).astype(int)
        inside = ((nearest >= 0) & (nearest < source.shape)).all()
        assert got[tuple(index)] == (mask.data[tuple(nearest)] if inside else 0)


def test_coarser_resampling_does_not_alias():
    """Stripes finer than the new grid average out instead of becoming wide stripes."""
    geometry = Geometry((64, 8, 8), np.eye(4))
    stripes = np.zeros(geometry.shape, np.float32)
    stripes[::2] = 1
    coarse = Image(stripes, geometry).resample_to(geometry.with_spacing((4, 1, 1)))
    assert np.abs(coarse.data[2:-2] - 0.5).max() < 0.05


def test_outside_is_filled_and_the_border_voxel_reaches_to_its_edge():
    geometry = Geometry((4, 4, 4), np.eye(4))
    image = Image(np.ones(geometry.shape, np.float32), geometry)
    wide = Geometry((12, 4, 4), np.array([[0.5, 0, 0, -1.75], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    line = image.resample_to(wide, fill=-1).data[:, 0, 0]
    world = wide.to_world(np.stack([np.arange(12), np.zeros(12), np.zeros(12)], axis=1))[:, 0]
    np.testing.assert_allclose(line, np.where((world >= -0.5) & (world <= 3.5), 1, -1))


def test_colour_channels_are_resampled_alike():
    geometry = Geometry((6, 6, 1), np.eye(4))
    data = np.random.default_rng(3).integers(0, 255, (6, 6, 1, 3)).astype(np.uint8)
    image = Image(data, geometry, "photo")
    finer = image.resample_to(geometry.with_spacing((0.5, 0.5, 1)))
    assert finer.channels == 3
    one = Image(data[..., 1], geometry).resample_to(finer.geometry)
    np.testing.assert_allclose(finer.data[..., 1], one.data)


def test_crop_and_pad_keep_voxels_in_place():
    geometry = tilted()
    image = Image(ramp(geometry), geometry, "t1", "a")
    piece = image.crop((2, 3, 4), (7, 8, 9))
    np.testing.assert_allclose(piece.data, ramp(piece.geometry), atol=1e-4)
    wider = image.pad((1, 0, 2), (0, 3, 0), fill=9)
    assert wider.shape == (13, 16, 16) and wider.kind == "t1" and wider.name == "a"
    np.testing.assert_array_equal(wider.crop((1, 0, 2), (13, 13, 16)).data, image.data)
    with pytest.raises(GeometryError):
        image.crop((0, 0, 0), (13, 1, 1))
    with pytest.raises(GeometryError):
        image.crop((2, 0, 0), (2, 1, 1))


def test_reorient_is_a_view():
    geometry = tilted()
    image = Image(ramp(geometry), geometry)
    assert np.shares_memory(image.reorient("LPS").data, image.data)


def test_images_and_masks_check_what_they_hold():
    geometry = Geometry((2, 2, 2), np.eye(4))
    with pytest.raises(GeometryError):
        Image(np.zeros((2, 2, 3)), geometry)
    with pytest.raises(ConfigError):
        Image(np.zeros((2, 2, 2)), geometry, kind="t3")
    with pytest.raises(InputError):
        Image(np.zeros((2, 2, 2), complex), geometry)
    with pytest.raises(LabelError):
        Mask(np.zeros((2, 2, 2)), geometry)
    with pytest.raises(LabelError):
        Mask(np.zeros((2, 2, 2), int), geometry, {1: "a", 2: "a"})
    with pytest.raises(GeometryError):
        Mask(np.zeros((2, 2, 2, 3), np.uint8), geometry)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint16, np.int64])
def test_mask_values_and_table(dtype):
    data = np.zeros((3, 3, 3), dtype)
    data[0], data[1, 1, 1] = 2, 7
    mask = Mask(data, Geometry((3, 3, 3), np.eye(4)), {2: "ED", 4: "ET"}, "seg")
    assert mask.values() == [2, 7]
    with pytest.raises(LabelError, match="does not name"):
        mask.check_labels()
    assert mask.of("ED").data.sum() == 9 and mask.of("ET").data.sum() == 0
    assert mask.of("ED").labels == {1: "ED"}
    with pytest.raises(LabelError, match="no such label"):
        mask.of("XX")


def test_negative_label_values_are_found():
    data = np.zeros((2, 2, 2), np.int16)
    data[0, 0, 0] = -3
    assert Mask(data, Geometry((2, 2, 2), np.eye(4))).values() == [-3]


def test_sessions_come_in_time_order():
    geometry = Geometry((1, 1, 1), np.eye(4))
    pixel = np.zeros((1, 1, 1), np.uint8)
    late = Image(pixel, geometry, "t1", "late", date(2024, 5, 1), "a")
    early = Image(pixel, geometry, "t1", "early", date(2023, 5, 1), "b")
    undated = Image(pixel, geometry, "t1", "undated", None, "c")
    study = Study("s", "p", (late, early))
    assert [s.name for s in study.sessions] == ["b", "a"]
    assert [s.name for s in Study("s", "p", (undated, late, early)).sessions] == ["a", "b", "c"]
    mask = Mask(pixel, geometry, {}, "seg", "b")
    assert Study("s", "p", (late, early), (mask,)).sessions[0].masks == (mask,)


def test_image_by_kind_wants_exactly_one():
    geometry = Geometry((1, 1, 1), np.eye(4))
    t1 = Image(np.zeros((1, 1, 1)), geometry, "t1")
    assert Study("s", "p", (t1,)).image("t1") is t1
    for study in (Study("s", "p"), Study("s", "p", (t1, t1))):
        with pytest.raises(InputError):
            study.image("t1")


def test_regions():
    with pytest.raises(InputError):
        Region("box", "a", coordinates=((0, 0, 0),))
    with pytest.raises(InputError):
        Region("points", "a")
    with pytest.raises(InputError):
        Region("mask", "a")
    with pytest.raises(InputError):
        Region("points", "a", coordinates=((0, float("nan"), 0),))


def test_json_round_trip_of_everything_but_pixels():
    geometry = tilted((2, 2, 2))
    image = Image(np.ones((2, 2, 2), np.float32), geometry, "flair", "x", date(2020, 1, 2), "v1")
    mask = Mask(np.ones((2, 2, 2), np.uint8), geometry, {1: "ED"}, "seg", "v1")
    study = Study("s", "p", (image,), (mask,))
    wire = json.loads(json.dumps(study.to_json()))
    back = Study.from_json(wire, [image.data], [mask.data])
    assert back.to_json() == study.to_json()
    assert back.images[0].geometry == geometry and back.masks[0].labels == {1: "ED"}
    for region, drawn in (
        (Region("points", "x", "mm", ((1, 2, 3),)), None),
        (Region("box", "x", "voxel", ((0, 0, 0), (1, 1, 1))), None),
        (Region("mask", "x", mask=mask), mask.data),
    ):
        again = Region.from_json(json.loads(json.dumps(region.to_json())), drawn)
        assert again.to_json() == region.to_json()
