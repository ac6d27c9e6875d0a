"""A third-party package of specialists, built and installed for real into a folder of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml

from sagittal.geometry import Geometry
from sagittal.study import Image, Study

BEHAVIOURS = (
    "bright", "raises", "hangs", "nothing", "shape", "nan", "dies", "label", "negative", "huge", "forks",
    "floods", "prints", "slow", "refuses", "text",
)  # fmt: skip

CODE = """
import os, sys, time
from pathlib import Path
import numpy as np
from sagittal.errors import InputError
from sagittal.study import Mask

# Whoever imports this leaves a trace.
Path(__file__).with_name("imported.txt").write_text("yes")


class Bright:
    calls = 0

    def accepts(self, study):
        return "it is too dark" if float(study.images[0].data.max()) == 0 else None

    def run(self, study, argument):
        image = study.images[0]
        data = (image.data > 0.5).astype(np.uint8)
        if argument == "raises":
            raise ValueError("a fault of theirs \\x1b[31m")
        if argument == "hangs":
            time.sleep(600)
        if argument == "nothing":
            return None
        if argument == "shape":
            return Mask(data[:2], image.geometry.cropped((0, 0, 0), (2, *image.shape[1:])), {1: "bright"})
        if argument == "nan":
            return Mask(np.full(image.shape, np.nan), image.geometry, {1: "bright"})
        if argument == "dies":
            os._exit(7)
        if argument == "label":
            return Mask(data * 3, image.geometry, {3: "<script>"})
        if argument == "negative":
            return Mask(data.astype(np.int16) * -1, image.geometry, {-1: "bright"})
        if argument == "huge":
            return Mask(data.astype(np.int64) << 42, image.geometry, {1 << 42: "bright"})
        if argument == "forks":
            if os.fork() == 0:
                time.sleep(25)
            time.sleep(600)
        if argument == "floods":
            os.write(sys.stdout.fileno(), b"x" * 100_000)
        if argument == "prints":
            print("hello")
        if argument == "slow":
            time.sleep(0.5)
        if argument == "refuses":
            raise InputError("This scan is not theirs.", expected="another")
        if argument == "text":
            return "a mask"
        Bright.calls += 1
        return Mask(data, image.geometry, {1: "bright", 9: "never drawn"})


class Classes:
    def accepts(self, study):
        return None

    def run(self, study, argument):
        value = {"fine": 0.7, "nan": float("nan"), "above": 1.5}[argument]
        return {"fracture": value, "cyst": 0.1}


def open_bright(card, folder):
    return Bright()


def open_classes(card, folder):
    return Classes()
"""


def _bright_card(**changes):
    return {
        "schema": "sagittal.specialist/1", "name": "Bright", "summary": "marks what is bright",
        "images": [["t1"]], "looks_at": "volume", "arguments": {name: name for name in BEHAVIOURS},
        "masks": {name: ["bright"] for name in BEHAVIOURS}, "licence": "MIT", "source": "made for a test",
        "cost": {"seconds": 1, "memory_mb": 300}, **changes,
    }  # fmt: skip


def _classes_card():
    card = _bright_card(name="Classes", arguments={name: name for name in ("fine", "nan", "above")})
    del card["masks"]
    return {**card, "classes": {"fracture": 0.5, "cyst": 0.05}}


def _build_package(
    home: Path,
    *,
    version: str = "1.0",
    cards=None,
    installed: Path | None = None,
    in_place: str | None = None,
) -> Path:
    """A wheel of ``their-specialists``, installed into a folder; or in place, its modules in a folder."""
    source = home / f"source-{version}"
    package = source / (in_place or "") / "their_specialists"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(CODE)
    cards = cards or {"Bright": _bright_card(), "Classes": _classes_card()}
    for name, card in cards.items():
        (package / f"{name}.specialist.yaml").write_text(yaml.safe_dump(card))
    points = "".join(f'{name} = "their_specialists:open_{name.lower()}"\n' for name in cards)
    text = f"""
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "their-specialists"
        version = "{version}"
        [project.entry-points."sagittal.specialists"]
    """
    if in_place is not None:
        # By a path file, for which hatchling needs no further package.
        points += f'[tool.hatch.build.targets.wheel]\ndev-mode-dirs = ["{in_place}"]\n'
    (source / "pyproject.toml").write_text(textwrap.dedent(text) + points)
    target = installed or home / "installed"
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps",
        "--no-build-isolation", "--no-index", "--upgrade", "--target", str(target),
        *([] if in_place is None else ["--editable"]), str(source),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


@pytest.fixture(scope="session")
def bright_card():
    """Makes a card of masks, as YAML holds it."""
    return _bright_card


@pytest.fixture(scope="session")
def classes_card():
    """Makes a card of classes."""
    return _classes_card


@pytest.fixture(scope="session")
def build_package():
    """Builds and installs the package."""
    return _build_package


@pytest.fixture(scope="session")
def installed_once(tmp_path_factory):
    return _build_package(tmp_path_factory.mktemp("theirs"))


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """A data folder of the test's own."""
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def theirs(installed_once, data_folder, monkeypatch):
    """The package as an installed one, for this process and for those that it starts."""
    monkeypatch.syspath_prepend(str(installed_once))
    source = Path(__file__).resolve().parents[2] / "src"
    monkeypatch.setenv("PYTHONPATH", f"{installed_once}:{source}")
    return installed_once


@pytest.fixture
def scan():
    data = np.random.default_rng(5).random((12, 10, 8), dtype=np.float32)
    return Image(data, Geometry(data.shape, np.diag([1.0, 1.0, 2.0, 1.0])), "t1", "scan.nii.gz")


@pytest.fixture
def study(scan):
    return Study("study", "patient", (scan,))
