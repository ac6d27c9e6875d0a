"""Patches of prepared studies, drawn by number: which images are given, from where, and how they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sagittal.builders.voxel.structures import structure_table
from sagittal.nn.grids import StreamGrids
from sagittal.train.vision_set import PreparedStudy, VisionSet, VisionSets, leaves, pathologies, structures_of

# Images given, and how often: one or two as a rule, since each costs as much again.
_GIVEN = {1: 0.55, 2: 0.38, 3: 0.04, 4: 0.03}
# Chances: a patch of a study with a lesion lies around it; tumours are given as FLAIR and T1c alone.
_AROUND_LESION, _FLAIR_T1C = 0.6, 0.5
# Enhancing tumour is the brightest thing of a simulated T1c; in real ones it rises a third to a half as far
# above the brain. How often it is made weaker, and to what share of its rise.
_WEAKENED, _RISE = 0.75, (0.2, 0.9)
# What is asked for: lesions that the patch shows, those that it does not; anatomy likewise.
_ASKED = (0.4, 0.1, 0.42, 0.08)
#: What most questions are about, and how many times as often as the rest it is asked for.
MAIN: Mapping[str, float] = dict.fromkeys((
    "cerebral white matter", "cerebral cortex", "lateral ventricle", "ventricular system", "thalamus",
    "caudate", "putamen", "hippocampus", "cerebellum", "brainstem", "brain",
    "whole tumour", "tumour core", "enhancing tumour",
), 4.0)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a study.

    Attributes:
        volumes: per image, (1, X, Y, Z) in [0, 1].
        kinds: of the images.
        grids: of the images.
        leaf: (X, Y, Z) places in :func:`~sagittal.train.vision_set.leaves`.
        lesions: (L, X, Y, Z) booleans, one channel a pathology.
        settled: (L,) whether the study says where each is, and the images given show it.
        asked: structures, and (K, X, Y, Z) where they are.
    """

    volumes: list[Tensor]
    kinds: tuple[str, ...]
    grids: StreamGrids
    leaf: Tensor
    lesions: Tensor
    settled: Tensor
    asked: tuple[str, ...]
    targets: Tensor


class Patches:
    """Draws patches; patch ``number`` of a seed is always the same.

    Args:
        studies: where from.
        seed: of the draws.
        size: of a patch, voxels an axis; the whole scan when ``None``. Group normalisation takes its means
            over what it sees: networks that learn from small patches see whole heads less well.
        levels: of the networks.
        asked: structures a patch.
        often: how many times as often a structure is asked for as one that is not named.
    """

    def __init__(
        self,
        studies: VisionSet | VisionSets,
        seed: int,
        size: int | None,
        levels: int,
        asked: int,
        often: Mapping[str, float] = MAIN,
    ) -> None:
        self.studies, self.seed, self.size, self.levels, self.asked = studies, seed, size, levels, asked
        self.often = often

    def __call__(self, number: int) -> Patch:
        """Draw a patch."""
        rng = np.random.default_rng([self.seed, number])
        study = self.studies.load(int(rng.choice(len(self.studies))))
        given = _images(study, rng)
        kinds = tuple(study.kinds[i] for i in given)
        place = _place(study, self.size, rng)
        volumes = [torch.from_numpy(_look(_image(study, i, place, rng), rng))[None] for i in given]
        start = [s.start for s in place]
        geometry = study.geometry.cropped(start, [s.stop for s in place])
        names = structures_of(study, kinds)
        asked = _asked(study, names, place, self.asked, self.often, rng)
        lesions = np.stack([study.target(p, place) for p in pathologies()])
        return Patch(
            volumes, kinds, StreamGrids.of([geometry] * len(given), self.levels),
            torch.from_numpy(np.asarray(study.leaf[place]).astype(np.int64)),
            torch.from_numpy(lesions), torch.tensor([p in names for p in pathologies()]),
            asked, torch.from_numpy(np.stack([study.target(a, place) for a in asked])),
        )  # fmt: skip


def _images(study: PreparedStudy, rng: np.random.Generator) -> list[int]:
    kinds = list(study.kinds)
    if study.labels and {"flair", "t1c"} <= set(kinds) and rng.random() < _FLAIR_T1C:
        chosen = [kinds.index("flair"), kinds.index("t1c")]
        return [chosen[i] for i in rng.permutation(2)]
    odds = np.array([p for n, p in _GIVEN.items() if n <= len(kinds)])
    count = int(rng.choice(len(odds), p=odds / odds.sum())) + 1
    return [int(i) for i in rng.permutation(len(kinds))[:count]]


def _place(study: PreparedStudy, size: int | None, rng: np.random.Generator) -> tuple[slice, ...]:
    """A box of ``size`` voxels, or the whole of an axis that is shorter."""
    if size is None:
        return tuple(slice(0, n) for n in study.leaf.shape)
    around = study.lesion if study.lesion.any() and rng.random() < _AROUND_LESION else study.leaf
    found = np.flatnonzero(np.asarray(around).reshape(-1))
    centre = np.unravel_index(int(rng.choice(found)) if len(found) else around.size // 2, around.shape)
    place = []
    for at, length in zip(centre, around.shape, strict=True):
        # The voxel that was drawn lies anywhere in the middle half.
        offset = int(rng.integers(size // 4, 3 * size // 4))
        first = int(np.clip(int(at) - offset, 0, max(0, length - size)))
        place.append(slice(first, min(length, first + size)))
    return tuple(place)


def _image(
    study: PreparedStudy, number: int, place: tuple[slice, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """An image in [0, 1], now and then with a weaker enhancement."""
    values = np.asarray(study.images[number][place], np.float32) / np.float32(255)
    if study.kinds[number] != "t1c" or rng.random() > _WEAKENED:
        return values
    return weakened(
        values,
        study.target("enhancing tumour", place),
        np.asarray(study.lesion[place]) == 0,
        rng.uniform(*_RISE),
    )


def weakened(
    values: NDArray[np.float32], enhancing: NDArray[np.bool_], spared: NDArray[np.bool_], rise: float
) -> NDArray[np.float32]:
    """Enhancing tumour brought nearer to the brain's own signal, and the rest to the new range.

    Args:
        values: in [0, 1]; 0 is nothing.
        enhancing: where tumour enhances.
        spared: where there is no lesion.
        rise: what is left of its signal above the median of what is spared.
    """
    around = values[spared & (values > 0)]
    if not enhancing.any() or not len(around):
        return values
    level = np.median(around)
    changed = np.where(enhancing, level + rise * (values - level), values)
    top = np.percentile(changed[changed > 0], 99.5)
    return np.clip(changed / top, 0, 1).astype(np.float32)


def _look(values: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Another exposure of the same image: contrast, gamma and noise; nothing stays nothing."""
    gain, gamma, sd = rng.uniform(0.85, 1.2), np.exp(rng.normal(0, 0.2)), rng.uniform(0, 0.03)
    noise = rng.standard_normal(values.shape, dtype=np.float32) * np.float32(sd)
    changed = np.clip(np.power(values, np.float32(gamma)) * np.float32(gain) + noise, 0, 1)
    return np.where(values > 0, changed, 0).astype(np.float32)


def _asked(
    study: PreparedStudy,
    names: list[str],
    place: tuple[slice, ...],
    count: int,
    often: Mapping[str, float],
    rng: np.random.Generator,
) -> tuple[str, ...]:
    """Different structures to ask for: mostly some that the patch shows, lesions and anatomy."""
    table = structure_table()
    seen = np.bincount(np.asarray(study.leaf[place]).reshape(-1), minlength=len(leaves())) > 0
    values = np.asarray(leaves())[seen]
    shown: list[str] = []
    hidden: list[str] = []
    lesions: list[str] = []
    none: list[str] = []
    for name in names:
        if table[name].is_pathology:
            (lesions if study.target(name, place).any() else none).append(name)
        else:
            (shown if np.isin(table[name].values, values).any() else hidden).append(name)
    chosen: list[str] = []
    while len(chosen) < min(count, len(names)):
        sort = (lesions, none, shown, hidden)[int(rng.choice(4, p=_ASKED))]
        odds = np.array([often.get(name, 1.0) for name in sort])
        name = sort[int(rng.choice(len(sort), p=odds / odds.sum()))] if sort else ""
        if name and name not in chosen:
            chosen.append(name)
    return tuple(chosen)
