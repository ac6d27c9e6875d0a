"""What a single-task classifier learns from: whole prepared studies with one true class each (§5.3)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sagittal.builders.voxel.characterised import Characterisation, characterised
from sagittal.errors import InputError
from sagittal.files import atomic_folder, to_json_text, write_text
from sagittal.geometry import Geometry
from sagittal.models.voxelprompt.preparation import PreparationConfig, prepare
from sagittal.nn.grids import StreamGrids
from sagittal.nn.single_task import SingleTaskClassifier
from sagittal.runtime import autocast
from sagittal.train.worlds import Banks

# Spread of the logarithm of the exponent by which an image's exposure is changed.
_GAMMA = 0.2


@dataclass(frozen=True)
class Entry:
    """One case of a task.

    Attributes:
        study: number of the study.
        given: places of the images that are given.
        truth: place of its class.
    """

    study: int
    given: tuple[int, ...]
    truth: int


@dataclass(frozen=True, eq=False)
class Shown:
    """A case as the network takes it.

    Attributes:
        volumes: per image, (1, X, Y, Z) in [0, 1].
        grids: of the images.
        truth: (1,) place of its class.
    """

    volumes: list[Tensor]
    grids: StreamGrids
    truth: Tensor


class CharacterisedCases:
    """Cases of a task among made studies.

    A study is prepared when it is first asked for, and what is true of all of them is found once.

    Args:
        banks: where the studies are.
        folder: where prepared ones are kept.
        task: what is asked.
        config: how scans are prepared.
        levels: of the network.

    Raises:
        InputError: the studies show one class at most.
    """

    def __init__(
        self, banks: Banks, folder: str | Path, task: Characterisation, config: PreparationConfig, levels: int
    ) -> None:
        self.banks, self.folder, self.task = banks, Path(folder), task
        self.config, self.levels = config, levels
        self.entries = self._found()
        classes = [[e for e in self.entries if e.truth == n] for n in range(len(task.classes))]
        self.by_class = [entries for entries in classes if entries]
        if len(self.by_class) < 2:
            raise InputError(
                "A classifier learns from two classes or more.", expected=task.classes, got=len(self.by_class)
            )

    def __len__(self) -> int:
        return len(self.entries)

    def draw(self, seed: int, number: int, size: int | None) -> Shown:
        """Case ``number`` of a seed for training: classes in turn, another exposure, mirrored or not.

        The largest values over space are alike in all heads but for a little: in a step whose classes are not
        balanced, what they share drowns what parts them.

        Args:
            seed, number: what is drawn.
            size: voxels an axis of a patch around the lesion; the whole head when ``None``.
        """
        rng = np.random.default_rng([seed, number])
        entries = self.by_class[number % len(self.by_class)]
        entry = entries[int(rng.integers(len(entries)))]
        images, geometry = self._prepared(entry.study)
        place = self._place(entry.study, size, rng)
        step = -1 if rng.random() < 0.5 else 1
        volumes = [
            np.power(_floats(images[i][place])[::step], np.float32(np.exp(rng.normal(0, _GAMMA))))
            for i in rng.permutation(entry.given)
        ]
        around = geometry.cropped([s.start for s in place], [s.stop for s in place])
        return self._shown(volumes, around, entry)

    def case(self, place: int) -> Shown:
        """A case as it is."""
        entry = self.entries[place]
        images, geometry = self._prepared(entry.study)
        return self._shown([_floats(images[i]) for i in entry.given], geometry, entry)

    def _shown(self, volumes: list[NDArray[np.float32]], geometry: Geometry, entry: Entry) -> Shown:
        grids = StreamGrids.of([geometry] * len(volumes), self.levels)
        tensors = [torch.from_numpy(np.ascontiguousarray(v))[None] for v in volumes]
        return Shown(tensors, grids, torch.tensor([entry.truth]))

    def _place(self, number: int, size: int | None, rng: np.random.Generator) -> tuple[slice, ...]:
        """A box in whose middle half a voxel of the lesion lies, or the whole head."""
        lesion = np.load(self.folder / f"{number:05d}" / "lesion.npy", mmap_mode="r")
        if size is None or not lesion.any():
            return tuple(slice(0, n) for n in lesion.shape)
        found = np.flatnonzero(lesion)
        centre = np.unravel_index(int(rng.choice(found)), lesion.shape)
        first = [
            int(np.clip(at - rng.integers(size // 4, 3 * size // 4), 0, max(0, n - size)))
            for at, n in zip(centre, lesion.shape, strict=True)
        ]
        return tuple(slice(a, min(n, a + size)) for a, n in zip(first, lesion.shape, strict=True))

    def _prepared(self, number: int) -> tuple[NDArray[np.uint8], Geometry]:
        """(S, X, Y, Z), 255 is intensity 1, and their grid."""
        folder = self.folder / f"{number:05d}"
        if not folder.is_dir():
            study = self.banks.load(number).study
            prepared = prepare(study.images, self.config)
            [mask] = [mask for mask in study.masks if mask.name == "lesions"]
            with atomic_folder(folder) as temporary:
                data = np.stack([np.round(p.data * 255).astype(np.uint8) for p in prepared])
                np.save(temporary / "images.npy", data)
                np.save(temporary / "lesion.npy", prepared[0].frame.to_grid(mask) >= 0.5)
                affine = prepared[0].frame.grid.affine.tolist()
                write_text(temporary / "about.json", to_json_text({"affine": affine}))
        data = np.load(folder / "images.npy", mmap_mode="r")
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        return data, Geometry(data.shape[1:], np.asarray(about["affine"]))

    def _found(self) -> list[Entry]:
        name = f"{self.task.name.replace(' ', '_')}-of-{len(self.banks)}.json"
        path = self.folder / name
        if not path.exists():
            made = [entry for n in range(len(self.banks)) for entry in self._of_study(n)]
            write_text(path, to_json_text(made))
        found = json.loads(path.read_text(encoding="utf-8"))
        return [Entry(study, tuple(given), self.task.classes.index(word)) for study, given, word in found]

    def _of_study(self, number: int) -> list[tuple[int, list[int], str]]:
        made = self.banks.load(number)
        places = {id(image): n for n, image in enumerate(made.study.images)}
        cases = characterised(self.task, str(number), made)
        return [(number, [places[id(i)] for i in case.images], case.truth) for case in cases]


def _floats(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32) / np.float32(255)


def classifier_loss(network: SingleTaskClassifier, shown: Shown) -> dict[str, Tensor]:
    """Categorical cross-entropy (§5.3)."""
    logits = network(shown.volumes, shown.grids).float()
    right = (logits.argmax(dim=1) == shown.truth).float().mean()
    return {"right": right, "loss": functional.cross_entropy(logits, shown.truth)}


@torch.no_grad()
def classifier_scores(network: SingleTaskClassifier, cases: CharacterisedCases) -> dict[str, float]:
    """Accuracy over all cases; ``score`` is the mean over classes."""
    right: dict[int, list[bool]] = {}
    for n in range(len(cases)):
        shown = cases.case(n)
        with autocast():
            named = int(network(shown.volumes, shown.grids).argmax())
        truth = int(shown.truth)
        right.setdefault(truth, []).append(named == truth)
    everything = [r for values in right.values() for r in values]
    by_class = float(np.mean([np.mean(values) for values in right.values()]))
    return {"score": by_class, "accuracy": float(np.mean(everything))}
