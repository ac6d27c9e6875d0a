"""How well the eyes see whole scans, while they learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sagittal.builders.voxel.structures import structure_table
from sagittal.models.voxelprompt.preparation import PreparationConfig, prepare
from sagittal.nn.grids import StreamGrids
from sagittal.runtime import autocast
from sagittal.score.overlap import dice
from sagittal.study import Image, Mask
from sagittal.train.patches import Patch
from sagittal.train.vision_losses import Eyes
from sagittal.train.vision_set import PreparedStudy, leaves, pathologies, structures_of

# Structures a pass: what bounds memory.
_AT_ONCE = 3


@dataclass(frozen=True, eq=False)
class Case:
    """A whole scan with known masks, prepared.

    Attributes:
        name: what scores call it.
        patch: the scan as one patch, which asks for the structures of ``truth``.
        truth: structure → (X, Y, Z) booleans.
    """

    name: str
    patch: Patch
    truth: Mapping[str, NDArray[np.bool_]]


def case(
    name: str,
    volumes: Sequence[Tensor],
    kinds: Sequence[str],
    grids: StreamGrids,
    truth: Mapping[str, NDArray[np.bool_]],
) -> Case:
    """A case from prepared volumes; see :class:`~sagittal.train.patches.Patch`."""
    none = torch.zeros(0)
    patch = Patch([v[None] for v in volumes], tuple(kinds), grids, none, none, none, tuple(truth), none)
    return Case(name, patch, truth)


def simulated_case(name: str, study: PreparedStudy, wanted: Iterable[str], levels: int) -> Case:
    """A case with all images of a simulated study; asks for what of ``wanted`` is there."""
    volumes = [torch.from_numpy(np.asarray(image, np.float32) / 255) for image in study.images]
    everywhere = (slice(None),) * 3
    names = [n for n in wanted if n in structures_of(study, study.kinds) and study.known[n]]
    truth = {n: study.target(n, everywhere) for n in names}
    grids = StreamGrids.of([study.geometry] * len(volumes), levels)
    return case(name, volumes, study.kinds, grids, truth)


def real_case(
    name: str, images: Sequence[Image], masks: Mapping[str, Mask], config: PreparationConfig, levels: int
) -> Case:
    """A case from images and the masks of structures on the first image's grid."""
    prepared = prepare(images, config)
    grids = StreamGrids.of([p.frame.grid for p in prepared], levels)
    truth = {n: prepared[0].frame.to_grid(m) >= 0.5 for n, m in masks.items()}
    volumes = [torch.from_numpy(p.data) for p in prepared]
    return case(name, volumes, [i.kind for i in images], grids, truth)


@torch.no_grad()
def predicted(eyes: Eyes, one: Case, *, prompted: bool) -> dict[str, NDArray[np.bool_]]:
    """Masks of a case, drawn by prompts or read off the map of everything."""
    with autocast():
        if not prompted:
            leaf, lesion = eyes.everything(one.patch)
            return _read_off(one.patch.asked, leaf.argmax(dim=0).numpy(), lesion.numpy())
        found: dict[str, NDArray[np.bool_]] = {}
        for n in range(0, len(one.patch.asked), _AT_ONCE):
            names = one.patch.asked[n : n + _AT_ONCE]
            logits = eyes.masks(replace(one.patch, asked=names)).numpy()
            found |= {name: mask > 0 for name, mask in zip(names, logits, strict=True)}
    return found


def _read_off(
    names: Iterable[str], leaf: NDArray[np.int64], lesion: NDArray[np.float32]
) -> dict[str, NDArray[np.bool_]]:
    found = {}
    for name in names:
        entry = structure_table()[name]
        if entry.is_pathology:
            found[name] = lesion[pathologies().index(name)] > 0
        else:
            found[name] = np.isin(leaves(), entry.values)[leaf]
    return found


def score(eyes: Eyes, cases: Sequence[Case], *, prompted: bool) -> dict[str, float]:
    """Mean Dice by group of cases (the name up to its first dash) and structure."""
    found: dict[str, list[float]] = {}
    for one in cases:
        masks = predicted(eyes, one, prompted=prompted)
        for name, truth in one.truth.items():
            found.setdefault(f"{one.name.split('-')[0]} {name}", []).append(dice(masks[name], truth))
    return {name: float(np.mean(values)) for name, values in found.items()}
