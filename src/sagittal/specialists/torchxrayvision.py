"""Findings on chest films by TorchXRayVision's networks, together as VILA-M3 has them (§3.2, supplement 6.3).

Each network tells up to 18 findings; the library moves its own operating points to 0.5, linearly below and
above them (``op_norm``). A finding's probability is the mean over the networks that are asked for it: for
eight findings VILA-M3 chose which, for the others it asks all. A network gives 0.5 for what it was not
trained on: VILA-M3 counts that, too; here it is left out unless settings say otherwise.

The library needs torchvision. Left alone, it fetches weights from the internet, and reads them as pickles,
which may run any program: here they have to lie in the card's folder, and each is looked through before
(:mod:`sagittal.specialists.pickles`).
"""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from sagittal.errors import FileFormatError, InputError, StorageError
from sagittal.models.chest.films import upright
from sagittal.specialists.card import SpecialistCard, Weights
from sagittal.specialists.needs import weights_path
from sagittal.specialists.pickles import check_pickle
from sagittal.study import Study

_LIBRARY = "torchxrayvision"
#: Layers that its files hold, whole networks as they are.
_LAYERS = (
    *(f"{_LIBRARY}.models.{name}" for name in ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition")),
    "torch.nn.modules.activation.ReLU",
    "torch.nn.modules.batchnorm.BatchNorm2d",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.conv.Conv2d",
    "torch.nn.modules.linear.Linear",
    "torch.nn.modules.pooling.AvgPool2d",
    "torch.nn.modules.pooling.MaxPool2d",
)


class TorchXRayVisionSettings(BaseModel):
    """Settings of the card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1, description="networks, as the library calls their weights")
    asked: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="finding → networks that are asked for it; all of them when missing"
    )
    untrained: Literal["left out", "counted as 0.5"] = Field(
        default="left out", description="networks that were not trained on a finding; VILA-M3 counts them"
    )


class Ensemble:
    """Networks of TorchXRayVision as a specialist; see :func:`open_torchxrayvision`."""

    def __init__(
        self, library: Any, networks: dict[str, Any], card: SpecialistCard, settings: TorchXRayVisionSettings
    ) -> None:
        self._library, self._networks, self._settings = library, networks, settings
        self._classes = tuple(card.classes)
        self._known = {name: _known(network) for name, network in networks.items()}
        for finding in self._classes:
            if not self._asked(finding):
                raise FileFormatError(
                    f"No network of the card's knows {finding}.",
                    expected=", ".join(sorted(set().union(*self._known.values()))), got=finding,
                )  # fmt: skip

    def accepts(self, study: Study) -> str | None:
        """Nothing beyond its card."""
        return None

    def run(self, study: Study, argument: str) -> dict[str, float]:
        """Probability of each finding, 0.5 at the operating point.

        Raises:
            InputError: no film: see :func:`sagittal.models.chest.films.upright`.
        """
        [film] = study.images
        # Rows first, and the library's own scaling and square: the middle of the longer side.
        pixels = upright(film).data[:, :, 0].T[None]
        scaled = self._library.datasets.normalize(pixels, 255)
        square = np.ascontiguousarray(self._library.datasets.XRayCenterCrop()(scaled), dtype=np.float32)
        told: dict[str, dict[str, float]] = {}
        with torch.inference_mode():
            for name, network in self._networks.items():
                given: Tensor = network(torch.from_numpy(square)[None])[0]
                told[name] = dict(zip(map(_plain, network.targets), given.tolist(), strict=True))
        return {finding: self._mean(finding, told) for finding in self._classes}

    def _asked(self, finding: str) -> list[str]:
        """Networks whose mean counts for a finding."""
        asked = self._settings.asked.get(finding, self._settings.models)
        if self._settings.untrained == "counted as 0.5":
            return list(asked)
        return [name for name in asked if finding in self._known[name]]

    def _mean(self, finding: str, told: dict[str, dict[str, float]]) -> float:
        asked = self._asked(finding)
        return math.fsum(told[name].get(finding, 0.5) for name in asked) / len(asked)


def open_torchxrayvision(card: SpecialistCard, folder: Path) -> Ensemble:
    """The networks of a card.

    Args:
        card: with :class:`TorchXRayVisionSettings`.
        folder: with the files of weights, as the library names them.

    Raises:
        InputError: the library cannot be imported here.
        StorageError: a file of weights is missing; nothing is fetched.
        FileFormatError: settings do not fit, or a file could run a program.
    """
    try:
        settings = TorchXRayVisionSettings.model_validate(card.settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise FileFormatError(
            "The card's settings do not fit.", expected=", ".join(TorchXRayVisionSettings.model_fields),
            got=f"{card.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
        ) from error  # fmt: skip
    strange = {name for names in settings.asked.values() for name in names} - set(settings.models)
    if strange:
        raise FileFormatError(
            "The card asks networks that it does not name.", expected=", ".join(settings.models),
            got=", ".join(sorted(strange)),
        )  # fmt: skip
    library = _library(card)
    files = {name: _file(library, name, card, folder) for name in settings.models}
    networks = {}
    for name, path in files.items():
        check_pickle(path, _LAYERS)
        networks[name] = library.models.get_model(name, cache_dir=str(path.parent)).eval()
    return Ensemble(library, networks, card, settings)


def _library(card: SpecialistCard) -> Any:
    """The library, or why it cannot be had."""
    try:
        return import_module(_LIBRARY)
    # torchvision raises a RuntimeError where it was built for another torch.
    except (ImportError, RuntimeError, OSError) as error:
        raise InputError(
            "TorchXRayVision cannot be imported.", expected=f"{_LIBRARY} and a torchvision made for torch "
            f"{torch.__version__}", got=f"{type(error).__name__}: {error}", remedy=card.needs.how,
        ) from error  # fmt: skip


def _file(library: Any, name: str, card: SpecialistCard, folder: Path) -> Path:
    """The file of a network's weights; where it is missing the library would fetch it."""
    known = library.models.model_urls
    if name not in known:
        raise FileFormatError("The library has no such network.", expected=", ".join(sorted(known)), got=name)
    file = str(known[name]["weights_url"]).rpartition("/")[2]
    if not (folder / file).exists():
        raise StorageError(
            f"The weights of {name} are not there.", expected=file, got=folder, remedy=card.needs.how
        )
    weights_path(Weights(file=file), folder)
    # Under the name that the library opens, wherever a link leads: it would fetch what it does not find.
    return folder / file


def _known(network: Any) -> set[str]:
    """Findings that a network was trained on: those with a name and an operating point."""
    points = network.op_threshs.tolist()
    pairs = zip(map(_plain, network.targets), points, strict=True)
    return {name for name, point in pairs if name and not math.isnan(point)}


def _plain(target: str) -> str:
    """A finding as the card names it."""
    return target.replace("_", " ")
