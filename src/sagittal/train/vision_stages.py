"""The vision networks as stages of their training left them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.train.loop import use_mean
from sagittal.train.vision_losses import Eyes


def mean_eyes(folder: str | Path, stages: Sequence[str], sizes: VoxelPromptConfig) -> Eyes:
    """Eyes whose weights are the means of those of some stages of one training.

    Args:
        folder: holds a folder a stage, with the ``last.pt`` of its run.
        stages: which of them.
        sizes: of the model.
    """
    found = []
    for stage in stages:
        eyes = Eyes(sizes.vision, sizes.language.width)
        use_mean(torch.load(Path(folder) / stage / "last.pt", weights_only=True), eyes)
        found.append(eyes.state_dict())
    eyes.load_state_dict({name: sum(s[name] for s in found) / len(found) for name in found[0]})
    return eyes
