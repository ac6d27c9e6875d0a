"""Simulated studies as the vision networks take them: prepared once, kept small, read by patches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.voxel.structures import structure_table
from sagittal.builders.voxel.truth import Truth
from sagittal.files import atomic_folder, to_json_text
from sagittal.geometry import Geometry
from sagittal.models.voxelprompt.preparation import PreparationConfig, prepare
from sagittal.simulate import SimulatedStudy
from sagittal.train.worlds import Banks

# Cortical parcels have values of their own, which the heads of this project's training do not.
_PARCELS = 1000


@cache
def leaves() -> tuple[int, ...]:
    """The FreeSurfer values that structures are made of; place 0 is everything else."""
    values = {v for s in structure_table().known() for v in s.values if v < _PARCELS}
    return (0, *sorted(values))


@cache
def pathologies() -> tuple[str, ...]:
    """Names of the structures that stand in lesion maps."""
    return tuple(s.name for s in structure_table().known() if s.is_pathology)


@dataclass(frozen=True, eq=False)
class PreparedStudy:
    """One study, prepared.

    Attributes:
        images: (S, X, Y, Z) uint8; 255 is intensity 1.
        leaf: (X, Y, Z) uint8: place in :func:`leaves`.
        lesion: (X, Y, Z) uint8 lesion labels.
        kinds: of the images.
        geometry: grid of all of them.
        known: structure → voxels, of what the study's maps settle.
        labels: lesion label → values that stand for it.
    """

    images: NDArray[np.uint8]
    leaf: NDArray[np.uint8]
    lesion: NDArray[np.uint8]
    kinds: tuple[str, ...]
    geometry: Geometry
    known: dict[str, int]
    labels: dict[str, int]

    def target(self, structure: str, place: tuple[slice, ...]) -> NDArray[np.bool_]:
        """Where a structure is, within a patch."""
        entry = structure_table()[structure]
        if entry.is_pathology:
            chosen = np.isin(np.arange(256), [v for name, v in self.labels.items() if name in entry.labels])
            return chosen[self.lesion[place]]
        return np.isin(leaves(), entry.values)[self.leaf[place]]


class VisionSet:
    """Prepared studies of some banks; a study is prepared when it is first asked for.

    Args:
        banks: where the studies are.
        folder: where prepared ones are kept.
        config: how scans are prepared; the model's.
    """

    def __init__(self, banks: Banks, folder: str | Path, config: PreparationConfig) -> None:
        self.banks, self.folder, self.config = banks, Path(folder), config

    def __len__(self) -> int:
        return len(self.banks)

    def load(self, number: int) -> PreparedStudy:
        """One study; its arrays are memory-mapped."""
        folder = self.folder / f"{number:05d}"
        if not folder.is_dir():
            with atomic_folder(folder) as temporary:
                _save(temporary, self.banks.load(number), self.config)
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        images, leaf, lesion = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "leaf", "lesion")
        )
        geometry = Geometry(leaf.shape, np.asarray(about["affine"]))
        return PreparedStudy(
            images, leaf, lesion, tuple(about["kinds"]), geometry, about["known"], about["labels"]
        )


class VisionSets:
    """Several sets under one numbering, one after the other; a set that is given twice counts twice."""

    def __init__(self, sets: Sequence[VisionSet]) -> None:
        self.places = [(one, n) for one in sets for n in range(len(one))]

    def __len__(self) -> int:
        return len(self.places)

    def load(self, number: int) -> PreparedStudy:
        """One study, from the set that has it."""
        one, n = self.places[number]
        return one.load(n)


def _save(folder: Path, made: SimulatedStudy, config: PreparationConfig) -> None:
    study = made.study
    prepared = prepare(study.images, config)
    grid = prepared[0].frame
    images = np.stack([np.round(p.data * 255).astype(np.uint8) for p in prepared])
    masks = {mask.name: mask for mask in study.masks}
    stop = [a + n for a, n in zip(grid.start, grid.cropped.shape, strict=True)]
    place = tuple(slice(a, b) for a, b in zip(grid.start, stop, strict=True))
    look_up = np.zeros(int(masks["anatomy"].data.max()) + 1, np.uint8)
    for n, value in enumerate(leaves()):
        if value < len(look_up):
            look_up[value] = n
    leaf = look_up[masks["anatomy"].data[place]]
    lesions = masks.get("lesions")
    lesion = np.zeros_like(leaf) if lesions is None else np.asarray(lesions.data[place], np.uint8)
    truth = Truth(study, made.facts)
    known = {s.name: truth.voxels(s, "") for s in truth.table.known() if truth.knows(s, "")}
    about: dict[str, Any] = {
        "kinds": [image.kind for image in study.images],
        "affine": grid.grid.affine.tolist(),
        "known": known,
        "labels": {} if lesions is None else {name: value for value, name in lesions.labels.items()},
    }
    for name, array in (("images", images), ("leaf", leaf), ("lesion", lesion)):
        np.save(folder / f"{name}.npy", array)
    (folder / "about.json").write_text(to_json_text(about), encoding="utf-8")


def structures_of(study: PreparedStudy, kinds: Sequence[str]) -> list[str]:
    """What can be asked of a study when these kinds of image are given."""
    table = structure_table()
    return [n for n in study.known if not table[n].needs or set(table[n].needs) & set(kinds)]
