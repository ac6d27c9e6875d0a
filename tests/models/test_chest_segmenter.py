"""Heart and lungs on films: on the film's own grid, and nothing where there is nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sagittal.errors import FileFormatError
from sagittal.io.raster import picture_geometry
from sagittal.measure.chest import Outcome
from sagittal.models.chest.segmenter import (
    LABELS,
    ORGANS,
    ChestSegmenter,
    SegmenterConfig,
    found_organs,
    open_chest_segmenter,
    save_chest_segmenter,
    segmenter_card,
)
from sagittal.nn.flat_unet import FlatUNet, FlatUNetConfig
from sagittal.study import Image

CONFIG = SegmenterConfig(edge=256, network=FlatUNetConfig(channels=(8, 16)))
#: Shades of none, heart, left lung and right lung on the films here.
SHADES = np.array([40, 210, 120, 165])


class ByShade(nn.Module):
    """Knows organs by their shade, as no network does."""

    def forward(self, films: Tensor) -> Tensor:
        shades = torch.tensor(SHADES / 255.0).float()[:, None, None]
        near = (films - shades).abs() < 0.05
        near[:, 0] = ~near[:, 1:].any(dim=1)
        return 20.0 * near


def drawn_film(
    width: int, height: int, *, heart: bool = True, lungs: bool = True
) -> tuple[Image, np.ndarray]:
    """A film of boxes, the right lung on the left, and its codes; (W, H)."""
    codes = np.zeros((width, height), np.uint8)

    def box(value: int, x0: float, x1: float, y0: float, y1: float) -> None:
        codes[int(x0 * width) : int(x1 * width), int(y0 * height) : int(y1 * height)] = value

    if lungs:
        box(3, 0.1, 0.4, 0.2, 0.8)
        box(2, 0.6, 0.9, 0.2, 0.8)
    if heart:
        box(1, 0.4, 0.65, 0.5, 0.8)
    shown = SHADES[codes].astype(np.uint8)
    # So that black and white are what they are.
    shown[int(0.1 * width) : int(0.4 * width), int(0.85 * height) : int(0.98 * height)] = 0
    shown[int(0.6 * width) : int(0.9 * width), int(0.85 * height) : int(0.98 * height)] = 255
    geometry = picture_geometry(width, height, 0.5)
    return Image(shown[:, :, None], geometry, "cxr", "film"), codes


def by_shade() -> ChestSegmenter:
    return ChestSegmenter(ByShade(), CONFIG)


@pytest.mark.parametrize("size", [(256, 256), (300, 200), (150, 260)])
def test_masks_lie_on_the_films_own_pixels(size):
    image, codes = drawn_film(*size)
    found = by_shade().segment(image, "PA")
    assert found.mask.geometry is image.geometry and found.mask.shape == image.shape
    for value, organ in LABELS.items():
        drawn, truth = found.of(organ).data[:, :, 0] > 0, codes == value
        assert 2 * (drawn & truth).sum() / (drawn.sum() + truth.sum()) > 0.9, organ
    assert set(found.certainty) == set(ORGANS) and not found.missing
    made = found.measures()
    assert made.outcome is Outcome.MEASURED
    assert made.ctr == pytest.approx(0.25 / 0.8, abs=0.03)


@pytest.mark.parametrize("codes", ["RIP", "LSA", "ILP", "AIL"])
def test_a_film_stored_otherwise_gives_the_same_masks(codes):
    image, _ = drawn_film(200, 150)
    turned = image.reorient(codes)
    plain, other = by_shade().segment(image), by_shade().segment(turned)
    assert other.mask.geometry is turned.geometry
    assert np.array_equal(other.mask.reorient("LIP").data, plain.mask.data)
    assert {k: r.to_text() for k, r in other.runs().items()} == {
        k: r.to_text() for k, r in plain.runs().items()
    }


def test_a_mirrored_film_gives_mirrored_masks_of_the_shades_it_shows():
    image, _ = drawn_film(200, 200)
    mirrored = Image(image.data[::-1].copy(), image.geometry, "cxr", "film")
    plain, other = by_shade().segment(image), by_shade().segment(mirrored)
    assert np.array_equal(other.mask.data[::-1], plain.mask.data)
    assert any("mirrored" in warning for warning in other.measures().warnings)


def test_deep_and_coloured_films_are_drawn_as_well():
    image, _ = drawn_film(200, 200)
    plain = by_shade().segment(image).mask.data
    colour = Image(np.repeat(image.data[..., None], 3, axis=3), image.geometry, "photo", "film")
    assert np.array_equal(by_shade().segment(colour).mask.data, plain)


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        ({"heart": False}, Outcome.NO_HEART),
        ({"lungs": False}, Outcome.NEITHER),
        ({"heart": False, "lungs": False}, Outcome.NEITHER),
    ],
)
def test_what_is_not_there_is_not_drawn(shown, outcome):
    image, _ = drawn_film(200, 200, **shown)
    found = by_shade().segment(image, "PA")
    assert found.measures().outcome is outcome
    for organ, why in found.missing.items():
        assert why and not found.of(organ).data.any()
    assert set(found.missing) | set(found.certainty) == set(ORGANS)


def test_nothing_is_drawn_on_a_lateral_film():
    image, _ = drawn_film(64, 64)
    found = by_shade().segment(image, "lateral")
    assert not found.mask.data.any() and set(found.missing) == set(ORGANS)
    assert found.measures().outcome is Outcome.NOT_FRONTAL


def chances(codes: np.ndarray, sure: float = 0.97) -> np.ndarray:
    rest = (1 - sure) / 3
    return np.stack([np.where(codes == value, sure, rest) for value in range(4)]).astype(np.float32)


def test_specks_go_and_holes_are_filled():
    codes = np.zeros((64, 64), np.uint8)
    codes[10:40, 5:25] = 3
    codes[20:24, 10:14] = 0
    codes[50:53, 50:53] = 3
    codes[10:40, 40:60] = 2
    drawn, certainty, missing = found_organs(chances(codes), CONFIG)
    assert (drawn[10:40, 5:25] == 3).all() and not drawn[50:53, 50:53].any()
    assert set(certainty) == {"left lung", "right lung"} and set(missing) == {"heart"}


def test_an_organ_in_two_large_pieces_keeps_both():
    codes = np.zeros((64, 64), np.uint8)
    codes[5:25, 5:25], codes[35:50, 5:25] = 3, 3
    drawn, _, _ = found_organs(chances(codes), CONFIG)
    assert np.array_equal(drawn, codes)


def test_what_the_network_is_not_sure_of_was_not_located():
    codes = np.zeros((64, 64), np.uint8)
    codes[10:40, 5:25] = 3
    _, certainty, missing = found_organs(chances(codes, sure=0.6), CONFIG)
    assert not certainty and "60% sure" in missing["right lung"]


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    torch.manual_seed(0)
    network = FlatUNet(CONFIG.network).eval()
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    card = segmenter_card((), "a test")
    folder = save_chest_segmenter(tmp_path / "made", network, CONFIG, card=card)
    again = open_chest_segmenter(folder)
    assert again.config == CONFIG
    film = torch.rand(1, 1, 64, 64)
    assert torch.equal(again.network(film), network(film))


def test_a_damaged_config_is_named(tmp_path):
    folder = save_chest_segmenter(
        tmp_path / "made", FlatUNet(CONFIG.network), CONFIG, card=segmenter_card((), "a test")
    )
    card = json.loads((folder / "card.json").read_text())
    card["config"]["edge"] = -1
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(FileFormatError, match="config is damaged"):
        open_chest_segmenter(folder)
    card["config"]["edge"], card["config"]["network"]["channels"] = 64, [1024, 1024]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(FileFormatError, match="too large"):
        open_chest_segmenter(folder)
