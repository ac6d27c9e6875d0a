"""TorchXRayVision's networks together, as VILA-M3 has it; a stand-in has its interface and no torchvision."""

from __future__ import annotations

import os
import pickle
import sys
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from sagittal.errors import FileFormatError, InputError, StorageError
from sagittal.io.raster import picture_geometry
from sagittal.specialists import registry
from sagittal.specialists.card import read_card
from sagittal.specialists.pool import Pool
from sagittal.specialists.protocol import SpecialistError
from sagittal.specialists.torchxrayvision import open_torchxrayvision
from sagittal.study import Image, Study

CARD = read_card(Path(registry.__file__).parent / "cards/TorchXRayVision.yaml")
FINDINGS = [name.replace(" ", "_") if name == "Pleural Thickening" else name for name in CARD.classes]
NAMES = CARD.settings["models"]

# The interface of torchxrayvision 1.5: a table of networks, files beside it, pickles of whole networks.
MODELS = """
import math, os
from collections import OrderedDict
import torch

TARGETS = {targets}
model_urls = {{}}
for _number, (_name, _file) in enumerate({files}.items()):
    # Each network leaves two findings out, another two each.
    _gone = {{(2 * _number) % 18, (2 * _number + 1) % 18}}
    model_urls[_name] = {{
        "weights_url": "https://example.invalid/v1/" + _file,
        "labels": ["" if n in _gone else t for n, t in enumerate(TARGETS)],
        "op_threshs": [math.nan if n in _gone else 0.02 * (n + 1) for n in range(18)],
    }}


class DenseNet(torch.nn.Module):
    def __init__(self, weights=None, cache_dir=None):
        super().__init__()
        self.features = torch.nn.Sequential(OrderedDict(conv0=torch.nn.Conv2d(1, 4, 7, stride=4)))
        self.classifier = torch.nn.Linear(4, 18)
        self.register_buffer("op_threshs", None)
        self.targets = TARGETS
        if weights is not None:
            self.targets = model_urls[weights]["labels"]
            path = os.path.join(cache_dir, os.path.basename(model_urls[weights]["weights_url"]))
            if not os.path.isfile(path):
                raise AssertionError("it would be fetched from the internet")
            saved = torch.load(path, map_location="cpu", weights_only=False)
            self.load_state_dict(saved.state_dict() if isinstance(saved, torch.nn.Module) else saved)
            self.eval()
            self.op_threshs = torch.tensor(model_urls[weights]["op_threshs"])

    def forward(self, x):
        assert x.shape[2] == x.shape[3] and -1024 <= float(x.min()) and float(x.max()) <= 1024
        told = torch.sigmoid(self.classifier(torch.relu(self.features(x / 1024)).mean((2, 3))))
        if self.op_threshs is None:
            return told
        points = self.op_threshs.expand(len(told), -1)
        moved = torch.where(told < points, told / (points * 2), 1 - (1 - told) / ((1 - points) * 2))
        return torch.where(torch.isnan(points), torch.tensor(0.5), moved)


def get_model(weights, **given):
    return DenseNet(weights, **given)
"""
DATASETS = """
import numpy as np


def normalize(img, maxval):
    return (2 * (img.astype(np.float32) / maxval) - 1.0) * 1024


class XRayCenterCrop:
    def __call__(self, img):
        _, y, x = img.shape
        edge = min(y, x)
        left, top = x // 2 - edge // 2, y // 2 - edge // 2
        return img[:, top : top + edge, left : left + edge]
"""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    """A package of that name, as it would be installed."""
    home = tmp_path_factory.mktemp("installed")
    package = home / "torchxrayvision"
    package.mkdir()
    files = dict(zip(NAMES, (w.file for w in CARD.needs.weights), strict=True))
    (package / "__init__.py").write_text("from . import datasets, models\n")
    (package / "models.py").write_text(MODELS.format(targets=FINDINGS, files=files))
    (package / "datasets.py").write_text(DATASETS)
    for name in ("torchxrayvision", "torchvision"):
        info = home / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    return home


@pytest.fixture
def library(stand_in, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "torchxrayvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(stand_in))
    import torchxrayvision

    yield torchxrayvision
    for name in [name for name in sys.modules if name.split(".")[0] == "torchxrayvision"]:
        del sys.modules[name]


@pytest.fixture
def folder(library, tmp_path):
    """Weights as they are published: networks whole, of the older format and the newer, and one state."""
    torch.manual_seed(0)
    for number, weights in enumerate(CARD.needs.weights):
        network = library.models.DenseNet()
        torch.nn.init.normal_(network.classifier.bias, -1.5, 2.0)
        network.pathologies = np.array(FINDINGS)
        path = tmp_path / weights.file
        if number == len(NAMES) - 1:
            torch.save(network.state_dict(), path)
        else:
            torch.save(network, path, _use_new_zipfile_serialization=number % 2 == 0)
    return tmp_path


def a_film(width=90, height=120, seed=0):
    """Bright at the top left."""
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 100, (width, height, 1))
    data[: width // 2, : height // 2] += 100
    return Image(data.astype(np.uint8), picture_geometry(width, height), "cxr", "film.png")


def study_of(image):
    return Study("study", "patient", (image,))


def with_settings(**settings):
    return CARD.model_copy(update={"settings": {**CARD.settings, **settings}})


def as_published(library, folder, image, *, all_count):
    """VILA-M3's code, written out: (names, groups, means)."""
    few = [
        "densenet121-res224-all",
        "densenet121-res224-chex",
        "densenet121-res224-pc",
        "resnet50-res512-all",
    ]
    groups = {
        "Pneumothorax": ["resnet50-res512-all"],
        "Fracture": ["densenet121-res224-all", "densenet121-res224-nih", "densenet121-res224-chex",
                     "resnet50-res512-all"],
        **dict.fromkeys(("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion"), few),
    }  # fmt: skip
    pixels = library.datasets.normalize(image.data[:, :, 0].T, 255)[None]
    square = torch.from_numpy(np.ascontiguousarray(library.datasets.XRayCenterCrop()(pixels)))[None]
    values = {name: [] for name in FINDINGS}
    for model in NAMES:
        network = library.models.get_model(model, cache_dir=str(folder))
        with torch.no_grad():
            told = network(square)[0].tolist()
        for finding, label, value in zip(FINDINGS, network.targets, told, strict=True):
            if (finding not in groups or model in groups[finding]) and (label or all_count):
                values[finding].append(value)
    return {name.replace("_", " "): sum(v) / len(v) for name, v in values.items()}


@pytest.mark.parametrize("untrained", ["left out", "counted as 0.5"])
def test_the_mean_of_the_networks_that_are_asked(library, folder, untrained):
    image = a_film()
    specialist = open_torchxrayvision(with_settings(untrained=untrained), folder)
    assert specialist.accepts(study_of(image)) is None
    told = specialist.run(study_of(image), "findings")
    expected = as_published(library, folder, image, all_count=untrained != "left out")
    assert list(told) == list(CARD.classes)
    assert told == pytest.approx(expected, abs=1e-6)
    assert min(told.values()) < 0.5 < max(told.values())


def test_a_film_is_turned_upright_by_its_geometry_and_scaled_by_its_bits(library, folder):
    image, specialist = a_film(), open_torchxrayvision(CARD, folder)
    told = specialist.run(study_of(image), "findings")
    assert specialist.run(study_of(image.reorient("SRP")), "findings") == pytest.approx(told, abs=1e-6)
    mirrored = Image(image.data[::-1].copy(), image.geometry, "cxr", "mirrored")
    assert specialist.run(study_of(mirrored), "findings") != pytest.approx(told, abs=1e-6)
    colours = np.repeat(image.data[..., None], 3, axis=3)
    grey = Image(colours, image.geometry, "cxr", "colours")
    assert specialist.run(study_of(grey), "findings") == pytest.approx(told, abs=1e-6)
    with pytest.raises(InputError, match="one picture"):
        specialist.run(study_of(Image(np.zeros((9, 9, 9)), picture_geometry(9, 9).with_spacing((1, 1, 1 / 9)),
                                      "cxr", "volume")), "findings")  # fmt: skip


def test_it_runs_in_its_own_process_once_its_weights_are_named(stand_in, folder, data_folder, monkeypatch):
    source = Path(__file__).resolve().parents[2] / "src"
    monkeypatch.setenv("PYTHONPATH", f"{stand_in}:{source}")
    first = CARD.needs.weights[0].file
    assert f"the file {first}" in registry.specialists().find(CARD.name).lacks()
    registry.enable_specialist(CARD.name, weights=folder)
    pool = Pool()
    call = pool.run(registry.specialists().runnable(CARD.name).program, study_of(a_film()), "findings")
    assert set(call.result.probabilities) == set(CARD.classes)
    pool.close()
    (folder / first).unlink()
    with pytest.raises(SpecialistError, match="not installed whole"):
        registry.specialists().runnable(CARD.name)


def test_what_is_missing_is_said_and_nothing_is_fetched(library, folder):
    (folder / CARD.needs.weights[3].file).unlink()
    with pytest.raises(StorageError, match=r"mimic_nb.* not there") as error:
        open_torchxrayvision(CARD, folder)
    assert "releases/tag/v1" in str(error.value)


@pytest.mark.parametrize("raised", ["ImportError('no torchvision')", "RuntimeError('torchvision::nms')"])
def test_a_library_that_cannot_be_imported_is_told(tmp_path, monkeypatch, raised):
    for name in [name for name in sys.modules if name.split(".")[0] == "torchxrayvision"]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "torchxrayvision").mkdir()
    (tmp_path / "torchxrayvision/__init__.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="cannot be imported") as error:
        open_torchxrayvision(CARD, tmp_path)
    assert "torchvision made for torch" in str(error.value) and "pip install" in str(error.value)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def test_weights_that_are_programs_are_refused_in_every_format(library, folder, tmp_path):
    path, mark = folder / CARD.needs.weights[0].file, tmp_path / "mark"
    network = library.models.DenseNet()
    good, evil = BytesIO(), library.models.DenseNet()
    torch.save(network, good)
    evil.pathologies = Evil(mark)
    called = library.models.DenseNet()
    called.pathologies = _Calls(library.models.DenseNet)
    made = []
    for network in (evil, called):
        for newer in (True, False):
            stream = BytesIO()
            torch.save(network, stream, _use_new_zipfile_serialization=newer)
            made.append(stream.getvalue())
    # Older formats with a newer one behind them: who looks at the end alone sees the harmless one.
    made.append(made[1] + good.getvalue())
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"))
    made.append(stream.getvalue())
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(Evil(mark)))
    made += [stream.getvalue(), b"", b"nonsense", good.getvalue()[:200]]
    for content in made:
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="could run a program"):
            open_torchxrayvision(CARD, folder)
        assert not mark.exists()
    path.write_bytes(good.getvalue())
    open_torchxrayvision(CARD, folder)


class _Calls:
    """Calls a layer's constructor: it could be told to fetch another file."""

    def __init__(self, layer):
        self.layer = layer

    def __reduce__(self):
        return (self.layer, ())


@pytest.mark.parametrize(
    "settings",
    [
        {"models": []}, {"models": ["densenet121-res224-moon"]}, {"untrained": "guessed"}, {"colour": "red"},
        {"asked": {"Edema": ["densenet121-res224-moon"]}}, {"asked": {"Edema": []}},
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(library, folder, settings):
    with pytest.raises(FileFormatError):
        open_torchxrayvision(with_settings(**settings), folder)


def test_the_card_asks_as_vila_m3_does():
    asked = CARD.settings["asked"]
    assert set(asked) == {
        "Fracture", "Pneumothorax", "Lung Opacity", "Atelectasis", "Cardiomegaly", "Consolidation", "Edema",
        "Effusion",
    }  # fmt: skip
    assert set(CARD.classes.values()) == {0.5} and len(CARD.classes) == 18
    text = (Path(registry.__file__).parent / "cards/TorchXRayVision.yaml").read_text()
    assert yaml.safe_load(text)["licence"] == "Apache-2.0"
