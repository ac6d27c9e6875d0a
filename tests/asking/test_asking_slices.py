"""Slices as pictures: pixels to voxels and back, in every orientation; masks onto the image's own grid."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sagittal.asking.slices import Slice, parse_slice, slice_of, whole_picture
from sagittal.builders.pixel_qa.volumes import Cut, slices_of
from sagittal.draw.overlay import NORMAL, PLANES, draw_slice
from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.io.raster import picture_geometry
from sagittal.study import Image, Mask

SHAPE = (7, 9, 11)
CODES = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]


def volume(codes: str = "RAS", step=(1.0, 1.0, 1.0)) -> Image:
    data = np.random.default_rng(0).permutation(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = (-3, -40, 12)
    return Image(data, Geometry(SHAPE, affine), "t1", "t1").reorient(codes)


@pytest.mark.parametrize("codes", CODES)
def test_a_slice_is_the_same_picture_whatever_the_order_of_the_array(codes: str) -> None:
    for plane, index in (("axial", 6), ("coronal", 2), ("sagittal", 5)):
        plain, turned = slice_of(volume(), plane, index), slice_of(volume(codes), plane, index)
        assert np.array_equal(plain.picture.data, turned.picture.data)
        # As overlays show it, too.
        shown = draw_slice(volume(codes), index, plane).pixels[..., 0].T
        assert np.abs(shown.astype(int) - turned.picture.data[:, :, 0]).max() <= 1
        width, height = turned.size
        pixels = np.stack(np.indices((width, height)), axis=-1)
        voxels = turned.voxels_of(pixels)
        assert np.array_equal(turned.pixels_of(voxels)[..., :2].round(), pixels)
        assert (turned.pixels_of(voxels)[..., 2].round() == index).all()
        own, first = volume(codes).data[tuple(np.moveaxis(voxels, -1, 0))], volume().data
        there = np.take(first, index, axis=NORMAL[plane])[::-1, ::-1]
        assert np.array_equal(own, there)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASR", "IRP"])
def test_a_mask_goes_back_where_it_came_from(codes: str) -> None:
    image = volume(codes)
    for plane in PLANES:
        on = slice_of(image, plane, 3)
        inside = np.zeros(on.size, bool)
        inside[1, 2] = inside[4, 5] = True
        mask = on.whole(inside, "thing", "test")
        assert mask.geometry is image.geometry and mask.labels == {1: "thing"}
        assert np.array_equal(on.cut(mask), inside) and int(mask.data.sum()) == 2
        for x, y in ((1, 2), (4, 5)):
            assert mask.data[tuple(on.voxels_of((x, y)))] == 1


def test_a_slice_is_what_training_sets_cut() -> None:
    image = volume("PIR", step=(1.0, 2.0, 0.5))
    mask = Mask(np.ones(image.shape, np.uint8), image.geometry, {1: "all"})
    for plane in PLANES:
        pictures, _ = slices_of(image, mask, Cut((plane,), every=3))
        for number, found in enumerate(pictures):
            own = slice_of(image, plane, 3 * number).picture
            assert np.array_equal(own.data, found.image.data)
            assert own.geometry == found.image.geometry


def test_a_picture_is_shown_as_it_is() -> None:
    data = np.arange(5 * 4, dtype=np.uint8).reshape(5, 4, 1)
    on = whole_picture(Image(data, picture_geometry(5, 4), "photo", "p"))
    assert on is not None and on.size == (5, 4) and not on.is_turned and on.name == ""
    assert np.array_equal(on.picture.data, data) and not on.picture.geometry.spacing_known
    colour = np.stack([data] * 3, axis=-1).astype(np.uint16) * 256
    colour[0, 0, 0, 0] += 256
    on = whole_picture(Image(colour, picture_geometry(5, 4, (0.2, 0.3)), "photo", "p"))
    assert on is not None and np.array_equal(on.picture.data, (colour >> 8).astype(np.uint8))
    assert on.picture.geometry.spacing[:2] == (0.2, 0.3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_of_one_slice_has_one_plane(axis: int) -> None:
    flat = volume().crop(
        [2 if a == axis else 0 for a in range(3)], [3 if a == axis else SHAPE[a] for a in range(3)]
    )
    on = whole_picture(flat)
    assert on is not None and NORMAL[on.plane] == axis and on.is_whole
    assert on.is_turned
    inside = np.zeros(on.size, bool)
    inside[0, 0] = True
    # Right, or front, is on the left, and front, or head, is up.
    [voxel] = np.argwhere(on.whole(inside, "x", "").data)
    assert [int(voxel[a]) for a in range(3) if a != axis] == [SHAPE[a] - 1 for a in range(3) if a != axis]
    assert whole_picture(volume()) is None


@pytest.mark.parametrize(
    "text",
    ["", "axial:", "axial:-1", "axial:1.5", "oblique:3", "axial:9999999", "=axial:3", "axial:3,4", "3"],
)
def test_slices_that_are_not_named_so(text: str) -> None:
    with pytest.raises(InputError, match="not named") as error:
        parse_slice(text)
    assert "--slice axial:90" in str(error.value)


def test_slices_that_are_not_there() -> None:
    assert (parse_slice("t1=coronal:8").image, parse_slice(" sagittal ").index) == ("t1", None)
    with pytest.raises(InputError, match="outside the image") as error:
        slice_of(volume("SPL"), "axial", 11)
    assert "axial:0 to axial:10" in str(error.value)
    assert isinstance(slice_of(volume("SPL"), "axial", 10), Slice)
    colour = Image(np.zeros((*SHAPE, 3), np.uint8), volume().geometry, "photo", "c")
    with pytest.raises(InputError, match="one channel"):
        slice_of(colour, "axial", 3)
