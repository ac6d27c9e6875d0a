"""Pictures in squares, regions onto them and masks back: by geometry that is worked out here anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.errors import InputError
from sagittal.io.raster import picture_geometry
from sagittal.models.medplib.pictures import Frame, frame_of, squared
from sagittal.study import Image

EDGE = 32


def image_of(pixels: np.ndarray, spacing: tuple[float, float] | None = None) -> Image:
    """(W, H) or (W, H, 3) pixels as a picture."""
    return Image(pixels[:, :, None], picture_geometry(*pixels.shape[:2], spacing), "photo")


def bright(width: int, height: int, spacing: tuple[float, float] | None = None) -> Image:
    return image_of(np.full((width, height), 200, np.uint8), spacing)


def placed(frame: Frame, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture (0 to its width, 0 to its height) lies in the square."""
    return tuple(
        frame.inner[a] + (v - frame.box[a]) * (frame.inner[a + 2] - frame.inner[a])
        / (frame.box[a + 2] - frame.box[a])
        for a, v in enumerate((x, y))
    )  # fmt: skip


def middle(region: np.ndarray) -> tuple[float, float]:
    """Centroid, in pixels from the corner."""
    x, y = np.nonzero(region)
    return float(x.mean()) + 0.5, float(y.mean()) + 0.5


def ellipse(width: int, height: int, at: tuple[float, float], share: float) -> np.ndarray:
    x = (np.arange(width) + 0.5 - at[0] * width) / max(1, share * width)
    y = (np.arange(height) + 0.5 - at[1] * height) / max(1, share * height)
    found: np.ndarray = x[:, None] ** 2 + y[None] ** 2 <= 1
    return found


SIZES = [(60, 40), (40, 60), (61, 33), (1, 50), (50, 1), (7, 5), (301, 127), (128, 128)]
SPACINGS = [None, (1.0, 2.5), (3.0, 0.7)]
PLACES = [((0.4, 0.55), 0.3), ((0.75, 0.3), 0.17), ((0.05, 0.9), 0.2)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("blank", [False, True])
def test_a_region_keeps_its_centroid_there_and_back(size, spacing, blank) -> None:
    width, height = size
    pixels = np.full(size, 200, np.uint8)
    if blank:
        pixels[: width // 3] = 0
        pixels[:, height - height // 4 :] = 0
    for at, share in PLACES:
        for flip in (slice(None), slice(None, None, -1)):
            region = ellipse(width, height, at, share)[flip]
            frame = frame_of(image_of(pixels[flip], spacing), EDGE, [region])
            wanted = placed(frame, *middle(region))
            found = middle(frame.place(region).T.numpy())
            np.testing.assert_allclose(found, wanted, atol=0.5)
            for finer in (1, 4):
                logits = 8 * torch.kron(frame.place(region).float(), torch.ones(finer, finer))
                again = placed(frame, *middle(frame.back(logits - 4) > 0))
                # What is less than a pixel of the square high or wide may come back as a pixel of it.
                np.testing.assert_allclose(again, found, atol=0.5)


@pytest.mark.parametrize("size", [(3_000, 2_600), (900, 4_100), (20, 9_000)])
def test_a_point_of_a_large_picture_is_never_lost(size) -> None:
    frame = frame_of(bright(*size), 192)
    rng = np.random.default_rng(0)
    for _ in range(6):
        region = np.zeros(size, bool)
        region[tuple(int(rng.integers(n)) for n in size)] = True
        found = frame.place(region)
        assert 1 <= int(found.sum()) <= 4
        np.testing.assert_allclose(middle(found.T.numpy()), placed(frame, *middle(region)), atol=0.5 + 1e-3)


def test_the_whole_square_is_itself() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(30, 256, (EDGE, EDGE)).astype(np.uint8)
    region, numbers = rng.random((EDGE, EDGE)) < 0.3, rng.integers(0, 9, (EDGE, EDGE)).astype(np.uint8)
    frame = frame_of(image_of(pixels), EDGE)
    assert frame.box == frame.inner == (0, 0, EDGE, EDGE)
    np.testing.assert_array_equal(squared(image_of(pixels), frame), np.stack([pixels.T] * 3))
    np.testing.assert_array_equal(frame.place(region), region.T)
    np.testing.assert_array_equal(frame.nearest(numbers), numbers.T)
    logits = torch.randn(EDGE, EDGE, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(frame.back(logits), logits.T, atol=1e-5)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("resolution", [8, 32, 128])
def test_a_plane_comes_back_as_a_plane(spacing, resolution) -> None:
    """Bilinear sampling of a linear function is that function: half a pixel would be seen."""
    size = (57, 40)
    frame = frame_of(bright(*size, spacing), EDGE)
    at = (np.arange(resolution) + 0.5) / resolution
    values = torch.tensor(3 * at[None, :] - 2 * at[:, None] + 0.5)
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5, indexing="ij")
    x, y = (np.asarray(own) / EDGE for own in placed(frame, x, y))
    # Beyond the middles of the outermost values there is nothing to interpolate.
    x, y = (np.clip(own, at[0], at[-1]) for own in (x, y))
    np.testing.assert_allclose(frame.back(values), 3 * x - 2 * y + 0.5, atol=1e-4)


def test_where_nothing_is_shown_nothing_is_said() -> None:
    pixels = np.zeros((50, 30), np.uint8)
    pixels[10:40, 5:25] = 90
    frame = frame_of(image_of(pixels), EDGE)
    found = frame.back(torch.ones(EDGE, EDGE))
    left, top, right, bottom = frame.box
    assert frame.box == (9, 4, 41, 26)
    assert (found[left:right, top:bottom] == 1).all()
    assert np.isneginf(found).sum() == found.size - (right - left) * (bottom - top)


def test_a_large_picture_comes_back_in_bands_without_seams() -> None:
    frame = frame_of(bright(3, 5_000_000), EDGE)
    values = torch.arange(EDGE, dtype=torch.float32)[:, None].expand(EDGE, EDGE)
    found = frame.back(values)
    assert found.shape == (3, 5_000_000)
    wanted = np.clip((np.arange(0, 5_000_000, 999) + 0.5) * EDGE / 5e6 - 0.5, 0, EDGE - 1)
    np.testing.assert_allclose(found[:, ::999], np.stack([wanted] * 3), atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_numbers_are_those_of_the_nearest_pixel(size, spacing) -> None:
    numbers = np.random.default_rng(1).integers(0, 250, size).astype(np.uint8)
    frame = frame_of(bright(*size, spacing), EDGE)
    found = frame.nearest(numbers).numpy()
    left, top, right, bottom = frame.inner
    wanted = np.zeros((EDGE, EDGE), np.uint8)
    for row in range(top, bottom):
        for column in range(left, right):
            x = (column - left + 0.5) * size[0] / (right - left)
            y = (row - top + 0.5) * size[1] / (bottom - top)
            wanted[row, column] = numbers[int(x), int(y)]
    np.testing.assert_array_equal(found, wanted)
    if right - left >= size[0] and bottom - top >= size[1]:
        assert set(np.unique(numbers)) <= set(np.unique(found))


def test_greys_lie_where_they_belong() -> None:
    width, height = 120, 80
    ramp = (30 + np.add.outer(np.arange(width), np.arange(height))).astype(np.uint8)
    frame = frame_of(image_of(ramp), EDGE)
    found = squared(image_of(ramp), frame)
    left, top, right, bottom = frame.inner
    assert (right - left, bottom - top) == (EDGE, round(EDGE * height / width))
    for row in range(top + 2, bottom - 2):
        for column in range(left + 2, right - 2):
            x, y = (column - left + 0.5) * width / EDGE, (row - top + 0.5) * height / (bottom - top)
            assert abs(int(found[0, row, column]) - (30 + x + y - 1)) < 1.5
    around = found.clone()
    around[:, top:bottom, left:right] = 0
    assert not around.any()


def test_colours_stay_apart_and_grey_is_three_times_itself() -> None:
    pixels = np.random.default_rng(2).integers(30, 256, (37, 50, 3)).astype(np.uint8)
    frame = frame_of(image_of(pixels), EDGE)
    found = squared(image_of(pixels), frame)
    for channel in range(3):
        grey = squared(image_of(np.ascontiguousarray(pixels[..., channel])), frame)
        assert torch.equal(grey[0], grey[1]) and torch.equal(grey[0], grey[2])
        assert torch.equal(found[channel], grey[0])


def test_a_picture_keeps_its_proportions_in_millimetres() -> None:
    for size, spacing in (((64, 32), None), ((32, 32), (2.0, 1.0)), ((128, 32), (0.5, 1.0))):
        assert frame_of(bright(*size, spacing), EDGE).inner == (0, 8, 32, 24)
    assert frame_of(bright(32, 64), EDGE).inner == (8, 0, 24, 32)
    # A line is still a pixel wide.
    assert frame_of(bright(500, 1), EDGE).inner == (0, 15, 32, 16)


def test_what_counts_as_blank() -> None:
    """Both sides of both thresholds: 20 of 255, and one pixel of a hundred."""
    for grey, cut in ((20, True), (21, False)):
        pixels = np.full((100, 200), grey, np.uint8)
        pixels[40:60, 80:120] = 200
        # 4 % of the longer side stay around it.
        assert frame_of(image_of(pixels), EDGE).box == ((38, 78, 62, 122) if cut else (0, 0, 100, 200))
    for count, left in ((2, 38), (3, 8)):
        pixels = np.zeros((100, 200), np.uint8)
        pixels[40:60, 80:120] = 200
        pixels[10, 80 : 80 + count] = 200
        assert frame_of(image_of(pixels), EDGE).box[0] == left
    assert frame_of(image_of(np.zeros((30, 20), np.uint8)), EDGE).box == (0, 0, 30, 20)
    # Of colours the brightest counts.
    pixels = np.zeros((30, 20, 3), np.uint8)
    pixels[5:20, :, 2] = 90
    assert frame_of(image_of(pixels), EDGE).box == (4, 0, 21, 20)


def test_nothing_of_a_given_region_is_cut_off() -> None:
    rng = np.random.default_rng(3)
    pixels = np.zeros((70, 50), np.uint8)
    pixels[20:50, 15:35] = 150
    for _ in range(40):
        regions = [rng.random(pixels.shape) < 0.002 for _ in range(3)]
        left, top, right, bottom = frame_of(image_of(pixels), EDGE, regions).box
        assert left <= 20 - 1 and top <= 15 - 1 and right >= 51 and bottom >= 36
        for region in regions:
            assert region[left:right, top:bottom].sum() == region.sum()


@pytest.mark.parametrize("size", [(1, 50), (2, 300), (1, 9), (50, 1)])
def test_a_single_column_is_resized_as_any_other(size) -> None:
    """Literally: weights fall off linearly to the next pixel of the coarser of both grids."""
    line = np.random.default_rng(4).integers(30, 256, max(size)).astype(np.uint8)
    pixels = np.broadcast_to(line, size) if size[1] > 1 else line[:, None]
    picture = image_of(np.ascontiguousarray(pixels))
    frame = frame_of(picture, EDGE)
    found = squared(picture, frame)[0]
    found = found[:, frame.inner[0]] if size[1] > 1 else found[frame.inner[1]]
    scale = len(line) / EDGE
    for at, value in enumerate(found.tolist()):
        away = np.abs(np.arange(len(line)) + 0.5 - (at + 0.5) * scale)
        weights = np.clip(1 - away / max(scale, 1), 0, None)
        assert abs(value - (weights * line).sum() / weights.sum()) < 1.5


def test_regions_that_cannot_be_placed_are_refused() -> None:
    pixels = np.zeros((50, 30), np.uint8)
    pixels[10:40, 5:25] = 90
    frame = frame_of(image_of(pixels), EDGE)
    outside = np.zeros((50, 30), bool)
    outside[0, 0] = True
    for region in (np.zeros((50, 30), bool), outside):
        with pytest.raises(InputError, match="empty"):
            frame.place(region)
    for size in ((30, 50), (50, 31), (1, 1)):
        with pytest.raises(InputError, match="as large as its picture"):
            frame.place(np.ones(size, bool))
