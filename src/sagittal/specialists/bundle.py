"""MONAI bundles: networks of volumes with a config of the published layout, run without their code.

    configs/metadata.json     names of the channels that go in and come out
    configs/inference.json    network, preparation, sliding window, what is done at the end; or YAML
    models/model.pt           weights

What is taken of the config, and how, says :mod:`sagittal.specialists.bundle_config`. The card's settings say
what a bundle leaves to its reader: :mod:`sagittal.specialists.bundle_settings`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Invertd
from numpy.typing import NDArray
from torch import Tensor

from sagittal.errors import FileFormatError, InputError, LabelError, StorageError
from sagittal.runtime import autocast, runtime
from sagittal.specialists.bundle_config import BundleConfig, read_config
from sagittal.specialists.bundle_images import as_channels, why_not
from sagittal.specialists.bundle_parts import (
    PROMPTED,
    make_network,
    make_preparation,
    make_window,
    read_finish,
)
from sagittal.specialists.bundle_settings import BundleSettings, read_settings
from sagittal.specialists.card import SpecialistCard, Weights
from sagittal.specialists.needs import weights_path
from sagittal.study import Mask, Study

_CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_METADATA = "configs/metadata.json"
#: Voxels of a prepared image.
_MOST_VOXELS = 1 << 27


class Bundle:
    """A MONAI bundle as a specialist; see :func:`open_bundle`."""

    def __init__(self, card: SpecialistCard, settings: BundleSettings, folder: Path) -> None:
        self._card, self._settings = card, settings
        self._runtime = runtime()
        config = read_config(_file(folder, _CONFIGS))
        metadata = read_config(_file(folder, (_METADATA,)))
        taken = _named(metadata, "inputs", "image")
        if sorted(name.lower() for name in settings.channels) != sorted(taken):
            raise FileFormatError(
                "The bundle takes other images than its card says.", expected=", ".join(settings.channels),
                got=f"{metadata.file}: {', '.join(taken)}",
            )  # fmt: skip
        # The card's image for each channel of the network's.
        self._order = [[name.lower() for name in settings.channels].index(name) for name in taken]
        self._outputs = _named(metadata, "outputs", "pred")
        self._draws = {argument: self._drawn(argument) for argument in card.arguments}
        device, replaces = self._runtime.device, settings.replaces
        self._prepare = make_preparation(config, replaces.get("preprocessing", ()), settings.before())
        own = {**settings.window.model_dump(exclude={"most"}, exclude_none=True), "sw_device": device}
        self._window = make_window(config, replaces.get("inferer", ()), settings.window.most, own)
        self._finish = read_finish(config, replaces.get("postprocessing", ()))
        activation = {"regions": "sigmoid", "classes": "softmax"}.get(settings.output)
        if self._finish.activation not in (None, activation):
            told = self._finish.activation
            raise config.refused("postprocessing", f"the card says {settings.output}", told)
        if (settings.output == "prompts") != (config.part("network_def").name == PROMPTED):
            raise config.refused("network_def", f"the card says {settings.output}", f"{PROMPTED} has prompts")
        named = (w.file for w in card.needs.weights if w.file.startswith("models/"))
        weights = _file(folder, (next(named, "models/model.pt"),))
        self._network = make_network(config, weights).to(device)

    def accepts(self, study: Study) -> str | None:
        """Whether the images are grey, have a spacing, and lie where the first lies."""
        return why_not(study.images, resampled=self._settings.resample)

    def run(self, study: Study, argument: str) -> Mask:
        """A label map of the argument's labels on the first image's grid.

        Raises:
            InputError: the images are empty, or need more memory than there is for them.
            LabelError: the network gives another number of outputs than the bundle says.
        """
        first, draws = study.images[0], self._draws[argument]
        labels = list(dict.fromkeys(label for _, label in draws))
        data = np.zeros(first.shape, np.uint8 if len(labels) < 256 else np.uint16)
        with torch.inference_mode():
            prepared = self._prepared(study)
            wanted = [output for output, _ in draws]
            for (_, label), found in zip(draws, self._found(prepared, wanted), strict=True):
                data[found] = labels.index(label) + 1
        return Mask(data, first.geometry, dict(enumerate(labels, start=1)), session=first.session)

    # -- before --------------------------------------------------------------------------------

    def _prepared(self, study: Study) -> MetaTensor:
        """(C, X, Y, Z) as the network takes it, with what leads back to the first image."""
        first = study.images[0]
        volume = math.prod(first.shape) * math.prod(first.geometry.spacing)
        for spacing in self._prepare.spacings:
            own = [mm if mm > 0 else min(first.geometry.spacing) for mm in spacing]
            if volume / math.prod(own) > _MOST_VOXELS:
                raise InputError(
                    "The scan is too large for this network's voxels.", expected=f"{_MOST_VOXELS} at most",
                    got=f"{volume / math.prod(own):.3g} of {'×'.join(f'{mm:.3g}' for mm in own)} mm",
                )  # fmt: skip
        stacked = as_channels(study.images, self._order)
        affine = torch.from_numpy(first.geometry.affine.copy())
        # As MONAI's own readers say it: the affine leads to right, front and head.
        image = MetaTensor(torch.from_numpy(stacked), affine=affine, meta={"space": "RAS"})
        made = self._prepare.transforms({self._prepare.key: image})[self._prepare.key]
        if not isinstance(made, MetaTensor) or made.shape[0] != len(stacked) or not made.numel():
            raise InputError("Nothing is left of the scan once it is prepared.", got=study.name)
        return made

    # -- the network ---------------------------------------------------------------------------

    def _looked(self, prepared: MetaTensor, **prompts: Any) -> Tensor:
        """(K, x, y, z) float32: the network's output before any activation."""

        def network(x: Tensor, **given: Any) -> Tensor:
            if self._runtime.channels_last:
                x = x.contiguous(memory_format=torch.channels_last_3d)
            kind, lower = self._runtime.device.type, self._settings.precision == "bfloat16"
            with autocast(kind, wanted=lower):
                made: Tensor = self._network(x, **given)
            return made.float()

        x = prepared.as_tensor().float()[None]
        told = self._window(x, network, **prompts)
        if not isinstance(told, Tensor) or told.shape[2:] != x.shape[2:]:
            raise LabelError("The network gave no volume of the image's size.", got=type(told).__name__)
        return told[0]

    def _found(self, prepared: MetaTensor, wanted: Sequence[int]) -> Iterator[NDArray[np.bool_]]:
        """Where each output that is wanted is, on the image's grid."""
        if self._settings.output == "prompts":
            yield from self._by_prompts(prepared, wanted)
            return
        told = self._looked(prepared)
        if len(told) != len(self._outputs):
            raise LabelError(
                "The network gives another number of outputs than the bundle's metadata says.",
                expected=len(self._outputs), got=len(told),
            )  # fmt: skip
        if self._settings.output == "regions":
            yield from self._regions(prepared, told, wanted)
        elif self._finish.labels_first:
            yield from self._of_labels(prepared, told.argmax(dim=0), wanted)
        else:
            best = self._likeliest(prepared, told.softmax(dim=0))
            for number in wanted:
                yield best == number

    def _regions(
        self, prepared: MetaTensor, told: Tensor, wanted: Sequence[int]
    ) -> Iterator[NDArray[np.bool_]]:
        """Each region by its own threshold."""
        for number in wanted:
            chance = told[number].sigmoid()
            if self._finish.labels_first:
                yield self._back(prepared, (chance >= self._finish.threshold).float(), True) > 0.5
            else:
                yield self._back(prepared, chance, False) >= self._finish.threshold

    def _likeliest(self, prepared: MetaTensor, chances: Tensor) -> NDArray[np.intp]:
        """The likeliest class on the image's grid: one class at a time is brought there."""
        best = self._back(prepared, chances[0], False)
        winner = np.zeros(best.shape, np.intp)
        for number in range(1, len(chances)):
            chance = self._back(prepared, chances[number], False)
            winner[chance > best] = number
            np.maximum(best, chance, out=best)
        return winner

    def _by_prompts(self, prepared: MetaTensor, wanted: Sequence[int]) -> Iterator[NDArray[np.bool_]]:
        """VISTA3D: classes are asked for; the likeliest of them that is above 0 (VistaPostTransformd).

        Outputs of all classes of a body need tens of gigabytes: they are asked for in groups, and the best so
        far is kept, which gives the same labels.
        """
        voxels = prepared[0].numel()
        together = max(1, (self._settings.outputs_mb << 20) // (4 * voxels))
        best, winner = torch.zeros(prepared.shape[1:]), torch.zeros(prepared.shape[1:], dtype=torch.int64)
        for begin in range(0, len(wanted), together):
            group = wanted[begin : begin + together]
            classes = torch.tensor(group, device=self._runtime.device)[:, None]
            told = self._looked(prepared, class_vector=classes, transpose=True)
            for number, logits in zip(group, told, strict=True):
                better = logits > best
                winner[better] = number
                best[better] = logits[better]
        yield from self._of_labels(prepared, winner, wanted)

    # -- after ---------------------------------------------------------------------------------

    def _of_labels(
        self, prepared: MetaTensor, winner: Tensor, wanted: Sequence[int]
    ) -> Iterator[NDArray[np.bool_]]:
        back = np.rint(self._back(prepared, winner.float(), True))
        for number in wanted:
            yield back == number

    def _back(self, prepared: MetaTensor, values: Tensor, nearest: bool) -> NDArray[np.float32]:
        """(x, y, z) of the prepared image on the grid of the scan: what prepared it is undone."""
        key = self._prepare.key
        undo = Invertd("pred", self._prepare.transforms, key, nearest_interp=nearest)
        pred = MetaTensor(values[None], meta=prepared.meta)
        done: Tensor = undo({key: prepared, "pred": pred})["pred"]
        return np.asarray(done[0].numpy(), dtype=np.float32)

    def _drawn(self, argument: str) -> list[tuple[int, str]]:
        """Number of each output that an argument draws, and its label."""
        named = self._settings.draws.get(argument)
        pairs = (
            [(d.output, d.label) for d in named]
            if named is not None
            else [(label, label) for label in self._card.masks[argument]]
        )
        strange = [output for output, _ in pairs if output.lower() not in self._outputs]
        strange += [label for _, label in pairs if label not in self._card.masks[argument]]
        if strange:
            raise FileFormatError(
                f"The card's {argument} is not drawn from what the bundle gives.",
                expected=", ".join(self._outputs), got=", ".join(strange),
            )  # fmt: skip
        return [(self._outputs[output.lower()], label) for output, label in pairs]


def open_bundle(card: SpecialistCard, folder: Path) -> Bundle:
    """A MONAI bundle.

    Args:
        card: with :class:`BundleSettings`.
        folder: of the bundle.

    Raises:
        FileFormatError: settings, config, metadata and weights do not belong together, or something in the
            config would have to be executed; says which key.
        StorageError, IntegrityError: a file is missing, or lies elsewhere.
    """
    return Bundle(card, read_settings(card), folder)


def _named(metadata: BundleConfig, way: str, what: str) -> dict[str, int]:
    """Channels that the metadata names, in small letters, in their order."""
    key = f"network_data_format#{way}#{what}#channel_def"
    held = metadata.plain(key)
    pairs = held.items() if isinstance(held, dict) else ()
    names = {int(number): str(name).lower() for number, name in pairs if number.isdecimal()}
    if not names or sorted(names) != list(range(len(names))) or len(set(names.values())) != len(names):
        raise metadata.refused(key, "it does not name every channel", held)
    return {names[number]: number for number in sorted(names)}


def _file(folder: Path, names: Sequence[str]) -> Path:
    """The first of these files that is there.

    Raises:
        StorageError: none is.
        IntegrityError: it lies outside of the folder.
    """
    for name in names:
        if (folder / name).exists():
            return weights_path(Weights(file=name), folder)
    raise StorageError("The bundle is not whole.", expected=" or ".join(names), got=folder)
