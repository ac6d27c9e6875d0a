"""What a single-task U-Net learns from: the studies that have its structure, and soft Dice (§5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sagittal.builders.voxel.structures import Structure, structure_table
from sagittal.errors import InputError
from sagittal.models.voxelprompt.losses import soft_dice_loss
from sagittal.nn.single_task import SingleTaskUNet
from sagittal.runtime import autocast
from sagittal.score.overlap import dice
from sagittal.train.patches import Patch, Patches
from sagittal.train.vision_scores import Case
from sagittal.train.vision_set import PreparedStudy, VisionSet, leaves, pathologies

#: Of the paper's 10 anatomical and 7 pathological targets, both sides together.
TARGETS = ("hippocampus", "lateral ventricle", "whole tumour", "white matter hyperintensities")
# Draws until the images given show the target.
_TRIES = 100


class StudiesWith(VisionSet):
    """Those studies of a set in which a structure is: what "all training images containing it" are.

    Args:
        studies: the whole set.
        structure: a name of the table of structures.

    Raises:
        InputError: no study has it.
    """

    def __init__(self, studies: VisionSet, structure: str) -> None:
        super().__init__(studies.banks, studies.folder, studies.config)
        entry = structure_table()[structure]
        self.chosen = [n for n in range(len(studies)) if _has(entry, studies.banks.load(n).facts)]
        if not self.chosen:
            raise InputError("No study has the structure.", expected=structure)

    def __len__(self) -> int:
        return len(self.chosen)

    def load(self, number: int) -> PreparedStudy:
        """One of them, by its place among them."""
        return super().load(self.chosen[number])


def _has(structure: Structure, facts: Mapping[str, Any]) -> bool:
    """Whether a made study has a structure: anatomy always, a pathology by its lesion map."""
    tables = [session["labels"] for session in facts["sessions"]]
    return not structure.is_pathology or any(
        table.get(label, {}).get("voxels", 0) for table in tables for label in structure.labels
    )


class TargetPatches:
    """Draws patches of studies that have a structure; patch ``number`` of a seed is always the same.

    Args:
        studies, seed, size, levels: as for :class:`~sagittal.train.patches.Patches`.
        structure: the one.
    """

    def __init__(self, studies: VisionSet, structure: str, seed: int, size: int | None, levels: int) -> None:
        self.structure, self.patches = structure, Patches(studies, seed, size, levels, asked=1)

    def __call__(self, number: int) -> tuple[Patch, Tensor]:
        """A patch whose images show the structure, and (X, Y, Z) where it is.

        Raises:
            InputError: the studies' images do not show it.
        """
        for draw in range(number * _TRIES, (number + 1) * _TRIES):
            patch = self.patches(draw)
            target = target_of(patch, self.structure)
            if target is not None:
                return patch, target
        raise InputError("The images of the studies do not show the structure.", expected=self.structure)


def target_of(patch: Patch, structure: str) -> Tensor | None:
    """(X, Y, Z) booleans, where a structure is; ``None`` where the patch's images do not settle it."""
    entry = structure_table()[structure]
    if not entry.is_pathology:
        return torch.from_numpy(np.isin(leaves(), entry.values))[patch.leaf]
    at = pathologies().index(structure)
    return patch.lesions[at] if bool(patch.settled[at]) else None


def target_loss(network: SingleTaskUNet, patch: Patch, target: Tensor) -> dict[str, Tensor]:
    """Soft Dice on the first image; on 100 patches, cross-entropy beside it made no difference.

    Args:
        network: the benchmark.
        patch, target: from :class:`TargetPatches`.
    """
    return {"loss": soft_dice_loss(network.first(patch.volumes, patch.grids)[0], target)}


@torch.no_grad()
def target_scores(network: SingleTaskUNet, cases: Sequence[Case]) -> dict[str, float]:
    """Mean Dice on whole scans by group of cases (the name up to its first dash); ``score`` is over all."""
    found: dict[str, list[float]] = {}
    for case in cases:
        [(_, truth)] = case.truth.items()
        with autocast():
            logits = network(case.patch.volumes, case.patch.grids)[0]
        found.setdefault(case.name.split("-")[0], []).append(dice(logits.float().numpy() > 0, truth))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return {"score": float(np.mean([v for values in found.values() for v in values])), **means}
