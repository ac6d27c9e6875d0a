"""Overlays: sides, shapes of voxels, colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sagittal.answer import Line
from sagittal.draw.montage import draw_diameters, draw_montage
from sagittal.draw.overlay import (
    NORMAL,
    PLANES,
    busiest_point,
    colour_of,
    draw_slice,
    label_colours,
    planes_of,
    window,
)
from sagittal.errors import GeometryError, InputError
from sagittal.geometry import Geometry
from sagittal.study import Image, Mask

ORIENTATIONS = [
    "".join(codes)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for codes in itertools.product(*order)
]


def head(shape=(20, 24, 28), spacing=(1, 1, 1)) -> tuple[Image, Mask]:
    """A grey block with one labelled voxel cluster at the right, front and top."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -(np.array(shape) - 1) * spacing / 2
    geometry = Geometry(shape, affine)
    data = np.zeros(shape, np.float32)
    data[2:-2, 2:-2, 2:-2] = np.random.default_rng(0).uniform(50, 60, np.array(shape) - 4)
    labels = np.zeros(shape, np.uint8)
    labels[14:17, 18:21, 22:25] = 3
    return Image(data, geometry, "t1", "block"), Mask(labels, geometry, {3: "ET"}, "seg")


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_pictures_do_not_depend_on_the_order_of_the_array(codes):
    image, mask = head()
    for plane in PLANES:
        index = busiest_point(mask)[plane]
        expected = draw_slice(image, index, plane, mask=mask)
        got = draw_slice(image.reorient(codes), index, plane, mask=mask.reorient(codes))
        np.testing.assert_array_equal(got.pixels, expected.pixels)
        assert got.position_mm == pytest.approx(expected.position_mm)


def test_right_front_and_top_are_where_readers_expect_them():
    image, mask = head()
    colour = np.array(colour_of(3))
    middle = {}
    for plane in PLANES:
        shown = draw_slice(image, busiest_point(mask)[plane], plane, mask=mask, alpha=1.0)
        rows, columns = np.nonzero((shown.pixels == colour).all(axis=-1))
        height, width = shown.pixels.shape[:2]
        middle[plane] = (rows.mean() / height < 0.5, columns.mean() / width < 0.5)
    # Axial: front up, right on the left. Coronal: head up, right on the left. Sagittal: head up, front left.
    assert middle == {"axial": (True, True), "coronal": (True, True), "sagittal": (True, True)}


def test_thick_slices_are_shown_in_their_physical_shape():
    image, mask = head((20, 24, 7), (1, 1, 4))
    shown = draw_slice(image, 10, "coronal", mask=mask)
    assert shown.pixels.shape[:2] == (28, 20)


def test_labels_keep_their_colour_whatever_else_is_there():
    image, mask = head()
    both = mask.data.copy()
    both[3:6, 3:6, 22:25] = 1
    one = draw_slice(image, 23, "axial", mask=mask).pixels
    two = draw_slice(image, 23, "axial", mask=Mask(both, mask.geometry)).pixels
    changed = (one != two).any(axis=-1)
    assert changed.sum() == 9
    assert label_colours(mask) == {"ET": colour_of(3)}
    assert len({colour_of(v) for v in range(1, 8)}) == 7


def test_nothing_is_painted_outside_the_mask():
    image, mask = head()
    bare = draw_slice(image, 23).pixels
    painted = draw_slice(image, 23, mask=mask).pixels
    assert (bare != painted).any(axis=-1).sum() == 9


def test_window_passes_over_the_background_and_flat_images():
    image, _ = head()
    low, high = window(image)
    assert 50 <= low < high <= 60
    flat = Image(np.zeros((3, 3, 3)), Geometry((3, 3, 3), np.eye(4)))
    assert np.isfinite(draw_slice(flat, 1).pixels).all()


def test_bad_requests_are_refused():
    image, _ = head()
    with pytest.raises(InputError, match="outside"):
        draw_slice(image, 28)
    with pytest.raises(InputError, match="plane"):
        draw_slice(image, 0, "diagonal")
    other = Mask(np.zeros((3, 3, 3), np.uint8), Geometry((3, 3, 3), np.eye(4)))
    with pytest.raises(GeometryError):
        draw_slice(image, 0, mask=other)


def test_busiest_point_of_an_empty_mask_is_the_middle():
    image, mask = head()
    empty = Mask(np.zeros_like(mask.data), mask.geometry)
    assert busiest_point(empty) == {p: image.shape[NORMAL[p]] // 2 for p in PLANES}


def picture(colour: bool) -> tuple[Image, Mask]:
    """A picture of 30 × 20 pixels, bright at the top left, with one labelled pixel at x = 25, y = 3."""
    geometry = Geometry(
        (30, 20, 1), np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]), False
    )
    data = np.zeros((30, 20, 1), np.uint8)
    data[:10, :5] = 200
    labels = np.zeros((30, 20, 1), np.uint8)
    labels[25, 3] = 1
    image = np.stack([data, data // 2, data * 0], axis=-1) if colour else data
    return Image(image, geometry, "photo" if colour else "cxr", "film"), Mask(labels, geometry, {1: "spot"})


@pytest.mark.parametrize("colour", [False, True])
def test_a_picture_is_shown_as_it_is(colour):
    image, mask = picture(colour)
    assert planes_of(image.geometry) == ("coronal",)
    shown = draw_slice(image, 0, "coronal", mask=mask, alpha=1.0)
    assert shown.pixels.shape == (20, 30, 3)
    assert shown.pixels[2, 2, 0] >= 200 and shown.pixels[15, 2, 0] == 0
    if colour:
        assert shown.pixels[2, 2].tolist() == [200, 100, 0]
    assert np.argwhere((shown.pixels == colour_of(1)).all(axis=-1)).tolist() == [[3, 25]]


def test_montage_of_a_picture_has_one_column(tmp_path):
    from PIL import Image as Pictures

    image, mask = picture(True)
    draw_montage([image], mask, tmp_path / "p.png")
    with Pictures.open(tmp_path / "p.png") as drawn:
        pixels = np.asarray(drawn)
    # Nothing but background beside the one square.
    assert (pixels[30:300, 330:] == pixels[40, 400]).all()


def test_montage_is_written_whole_and_the_same_each_time(tmp_path):
    from PIL import Image as Pictures

    image, mask = head()
    for name in ("a.png", "b.png"):
        draw_montage([image, image], mask, tmp_path / name, title="case")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Pictures.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 900
    draw_montage([image], None, tmp_path / "c.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR"])
def test_a_diameter_is_drawn_over_the_lesion_that_it_measures(tmp_path, codes):
    from PIL import Image as Pictures

    image, mask = head()
    start, end = mask.geometry.to_world([(14, 19, 23), (16, 19, 23)])
    line = Line("longest", "t1", tuple(start), tuple(end))
    draw_diameters(image.reorient(codes), mask.reorient(codes), [line], tmp_path / "d.png")
    with Pictures.open(tmp_path / "d.png") as opened:
        pixels = np.asarray(opened).astype(int)
    scale = pixels.shape[0] // 24
    rows, columns = np.nonzero((pixels == 255).all(axis=-1))
    on_line = np.abs(rows - (24 - 19.5) * scale) <= 2
    # The writing is white too; the line is the white run at the lesion's own height.
    run = columns[on_line & (columns < (20 - 14) * scale)]
    assert run.min() == pytest.approx((20 - 16.5) * scale, abs=3)
