"""Films as the chest networks take them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.io.raster import picture_geometry
from sagittal.models.chest.films import prepared, square, stretched, upright
from sagittal.study import Image


def film(data: np.ndarray, kind: str = "cxr") -> Image:
    return Image(data[:, :, None], picture_geometry(data.shape[0], data.shape[1]), kind, "film")


def test_percentiles_become_black_and_white():
    # 0 to 99 in steps of one hundredth: one value in a hundred lies at or below the first percentile.
    values = torch.arange(100).float().reshape(1, 10, 10) / 100
    found = stretched(values)
    low, high = (round(v * 1023) / 1023 for v in (0.0, 0.98))
    expected = ((values - low) / (high - low)).clamp(0, 1)
    assert torch.allclose(found, expected, atol=1e-6)
    assert float(found.min()) == 0 and float(found.max()) == 1


def test_stretching_is_deaf_to_gain_and_offset():
    rng = np.random.default_rng(0)
    picture = torch.from_numpy(rng.random((1, 40, 40))).float()
    assert torch.allclose(stretched(picture), stretched(0.2 + 0.5 * picture), atol=0.01)


def test_one_shade_becomes_black():
    assert float(stretched(torch.full((2, 8, 8), 0.7)).abs().max()) == 0


def test_a_film_is_padded_and_not_squeezed():
    data = np.full((60, 30), 200, np.uint8)
    pixels, frame = square(film(data), 32)
    assert frame.inner == (0, 8, 32, 24)
    assert pixels.dtype == torch.uint8
    assert bool((pixels[8:24] == 200).all()) and not bool(pixels[:8].any()) and not bool(pixels[24:].any())


def test_colour_and_depth_do_not_matter():
    grey = np.random.default_rng(1).integers(0, 255, (40, 40)).astype(np.uint8)
    plain, _ = prepared(film(grey), 32)
    coloured = np.repeat(grey[:, :, None, None], 3, axis=3)
    colour = Image(coloured, picture_geometry(40, 40), "photo", "film")
    assert torch.equal(prepared(colour, 32)[0], plain)
    deep = film(grey.astype(np.uint16) * 200)
    # 16 bits are windowed before they are reduced: a little is cut off at both ends.
    assert float((prepared(deep, 32)[0] - plain).abs().mean()) < 0.03


def test_a_film_that_lies_otherwise_is_turned_upright():
    data = np.arange(20 * 30, dtype=np.float32).reshape(20, 30)
    own = film(data)
    turned = own.reorient("RIP")
    assert not np.array_equal(turned.data, own.data)
    assert np.array_equal(upright(turned).data, upright(own).data)


def test_what_is_no_film_is_refused():
    with pytest.raises(InputError, match="no chest film"):
        upright(film(np.zeros((8, 8), np.uint8), "t1"))
    volume = Image(np.zeros((8, 8, 4)), Geometry((8, 8, 4), np.eye(4)), "unknown", "volume")
    with pytest.raises(InputError, match="from the front"):
        upright(volume)
    axial = Image(np.zeros((8, 8, 1)), Geometry((8, 8, 1), np.eye(4)), "unknown", "slice")
    with pytest.raises(InputError, match="from the front"):
        upright(axial)
