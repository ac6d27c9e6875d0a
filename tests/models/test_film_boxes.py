"""Boxes between a film and the square that a model sees of it."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.io.raster import picture_geometry
from sagittal.models.chest.films import prepared
from sagittal.models.film_boxes import into_square, out_of_square
from sagittal.models.medplib.pictures import Frame
from sagittal.study import Image

SIZES = [(224, 224), (300, 300), (500, 400), (400, 500), (1000, 333), (90, 100)]


def film(width: int, height: int, border: int = 0, box: tuple[int, int, int, int] | None = None) -> Image:
    data = np.full((width, height, 1), 120, np.uint8)
    if border:
        data[:border] = 0
    if box is not None:
        data[box[0] : box[2], box[1] : box[3]] = 255
    return Image(data, picture_geometry(width, height), "cxr", "film")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("border", [0, 40])
def test_a_box_on_the_film_and_on_the_square_show_the_same(size: tuple[int, int], border: int) -> None:
    width, height = size
    box = (round(0.62 * width), round(0.3 * height), round(0.8 * width), round(0.7 * height))
    pixels, frame = prepared(film(width, height, border, box), 224)
    bright = (pixels[0] > 0.9).nonzero()
    (top, left), (bottom, right) = bright.min(0).values.tolist(), bright.max(0).values.tolist()
    seen = [1000 * value / 224 for value in (left, top, right + 1, bottom + 1)]
    told = into_square(
        (round(1000 * box[0] / width), round(1000 * box[1] / height),
         round(1000 * box[2] / width), round(1000 * box[3] / height)), frame
    )  # fmt: skip
    # To within a pixel of the square, and the rounding of the film's box.
    assert np.abs(np.subtract(seen, told)).max() <= 1000 / 224 + 1000 / min(width, height) / 2 + 1


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(size: tuple[int, int]) -> None:
    _, frame = prepared(film(*size), 224)
    rng = np.random.default_rng(0)
    for _ in range(50):
        x1, x2 = sorted(rng.integers(0, 1001, 2).tolist())
        y1, y2 = sorted(rng.integers(0, 1001, 2).tolist())
        back = out_of_square(into_square((x1, y1, x2, y2), frame), frame)
        # A long side in a square costs the short one its digits.
        assert np.abs(np.subtract(back, (x1, y1, x2, y2))).max() <= 0.5 + 0.5 * max(size) / min(size) + 1e-9


def test_a_square_film_keeps_its_numbers() -> None:
    _, frame = prepared(film(300, 300), 224)
    assert into_square((10, 20, 990, 1000), frame) == (10, 20, 990, 1000)


def test_what_lies_beside_the_film_is_cut_off() -> None:
    frame = Frame((100, 200), (0, 0, 100, 200), 224, (56, 0, 168, 224))
    assert into_square((0, 0, 1000, 1000), frame) == (250, 0, 750, 1000)
    assert out_of_square((0, 0, 1000, 1000), frame) == (0, 0, 1000, 1000)
    assert out_of_square((250, 0, 500, 500), frame) == (0, 0, 500, 500)
