"""The network that tells findings, and what it gives back of a film."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.errors import ConfigError, InputError
from sagittal.io.films.names import FINDINGS
from sagittal.io.raster import picture_geometry
from sagittal.models.chest.findings import (
    ChestFindings,
    FindingsConfig,
    _on_film,
    findings_card,
    open_chest_findings,
    save_chest_findings,
)
from sagittal.models.chest.network import ENCODER, FindingsNetwork
from sagittal.models.medplib.pictures import Frame
from sagittal.nn.vit import ViTConfig
from sagittal.study import Image

TINY = ViTConfig(size=(32, 32), patch=(8, 8), channels=1, width=16, layers=1, heads=2, feed_forward=32)


def tiny() -> FindingsNetwork:
    torch.manual_seed(0)
    network = FindingsNetwork(TINY).eval()
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    return network


def film(width: int = 50, height: int = 40) -> Image:
    data = np.random.default_rng(0).integers(0, 255, (width, height, 1)).astype(np.uint8)
    return Image(data, picture_geometry(width, height), "cxr", "film")


def test_the_shipped_sizes_are_what_a_language_model_takes():
    assert ENCODER.size == (224, 224) and ENCODER.grid == (16, 16) and ENCODER.channels == 1
    assert ENCODER.width == 128 and ENCODER.heads == 4


def test_what_is_told_has_its_shape():
    with torch.no_grad():
        told = tiny()(torch.rand(3, 1, 32, 32))
    shapes = {name: tuple(value.shape) for name, value in vars(told).items()}
    assert shapes == {
        "findings": (3, 10), "oedema": (3, 4), "ap": (3,), "female": (3,), "ctr": (3,), "boxes": (3, 3, 4),
        "organs": (3, 4, 4, 3), "places": (3, 4, 4, 10),
    }  # fmt: skip
    assert float(told.boxes.min()) >= 0 and float(told.boxes.max()) <= 1


def test_boxes_come_back_to_the_films_pixels():
    # A film of 100 × 50 pixels, the lower half of it shown, in the middle of a square of 64.
    frame = Frame((100, 50), (0, 25, 100, 50), 64, (0, 24, 64, 40))
    assert _on_film((0.25, 24 / 64, 0.5, 32 / 64), frame, 64) == pytest.approx((25, 25, 50, 37.5))
    # Beyond the film there is nothing.
    assert _on_film((0.0, 0.0, 1.0, 1.0), frame, 64) == pytest.approx((0, 0, 100, 50))


def test_a_film_is_read():
    model = ChestFindings(tiny(), FindingsConfig(encoder=TINY))
    found = model.read(film())
    assert tuple(found.findings) == FINDINGS and all(0 <= p <= 1 for p in found.findings.values())
    assert sum(found.oedema) == pytest.approx(1, abs=1e-5) and 0 <= found.ap <= 1 and 0 <= found.female <= 1
    for left, top, right, bottom in found.boxes.values():
        assert 0 <= left <= 50 and 0 <= right <= 50 and 0 <= top <= 40 and 0 <= bottom <= 40
    assert model.read(film()) == found
    with pytest.raises(InputError, match="no chest film"):
        model.read(Image(np.zeros((8, 8, 1)), picture_geometry(8, 8), "ct", "slice"))


def test_operating_points_say_yes_and_no():
    points = {"simulated": {"Nodule": 0.0, "Edema": 1.0}, "real": {"Nodule": 0.3}}
    config = FindingsConfig.model_validate({"encoder": TINY, "points": points})
    model = ChestFindings(tiny(), config)
    reading = model.read(film())
    assert model.there(reading) == {"Nodule": True, "Edema": False}
    assert config.point("Nodule", "real") == 0.3
    with pytest.raises(ConfigError, match="no operating point for Fracture"):
        config.point("Fracture", "real")
    assert model.there(reading, "real") == {"Nodule": reading.findings["Nodule"] >= 0.3}


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": TINY.model_copy(update={"channels": 3})},
        {"encoder": ViTConfig(size=(32, 16), patch=(8, 8), width=16, layers=1, heads=2, feed_forward=32)},
        {"points": {"simulated": {"Nodule": 1.5}}},
    ],
)
def test_settings_that_do_not_fit_are_refused(change):
    with pytest.raises(ConfigError):
        FindingsConfig(**change)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    network = tiny()
    config = FindingsConfig.model_validate({"encoder": TINY, "points": {"real": {"Edema": 0.25}}})
    folder = save_chest_findings(tmp_path / "made", network, config, card=findings_card((), "a test"))
    again = open_chest_findings(folder)
    assert again.config == config
    assert again.read(film()) == ChestFindings(network, config).read(film())
    assert again.encoder.config == TINY
