"""From the fixed codes that the words learnt to the φ that the eyes came to use: one linear layer, solved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sagittal.errors import InputError
from sagittal.models.voxelprompt.conversation import Script
from sagittal.models.voxelprompt.model import VoxelPrompt
from sagittal.models.voxelprompt.scaffold import slots
from sagittal.train.language_check import read_through

# Added to the states' second moments: what keeps rare directions from deciding.
_RIDGE = 1e-4


@torch.no_grad()
def align(
    model: VoxelPrompt, scripts: Sequence[Script], wanted: Mapping[str, Tensor], *, size: int = 16
) -> float:
    """Solve ``to_phi`` so that the states of each name give its φ, in the least squares before SiLU.

    A name weighs as the root of how often it comes: the rare ones would else be missed.

    Args:
        model: whose language model stays as it is.
        scripts: without voxels; calls whose name is not wanted are left out.
        wanted: name (structure or kind of image) → (phi_channels,) before SiLU.
        size: scripts at a time.

    Returns:
        Mean squared error of φ over these scripts, after SiLU.

    Raises:
        InputError: no script has a call of a wanted name.
    """
    gathered = [_states(model, scripts[n : n + size], wanted) for n in range(0, len(scripts), size)]
    states = torch.cat([s for s, _ in gathered])
    targets = torch.cat([t for _, t in gathered])
    if not len(states):
        raise InputError("No script has a call whose φ is wanted.", got=f"{len(scripts)} scripts")
    _, name, count = torch.unique(targets, dim=0, return_inverse=True, return_counts=True)
    weight = count[name].double().rsqrt()[:, None]
    weight /= weight.sum()
    with_bias = torch.cat([states, torch.ones(len(states), 1)], dim=1).double()
    moments = (weight * with_bias).mT @ with_bias
    moments += _RIDGE * moments.diagonal().mean() * torch.eye(len(moments), dtype=torch.float64)
    solved = torch.linalg.solve(moments, (weight * with_bias).mT @ targets.double()).float()
    layer = model.to_phi.project
    layer.weight.copy_(solved[:-1].T)
    layer.bias.copy_(solved[-1])
    return float(functional.mse_loss(model.to_phi(states), functional.silu(targets)))


def _states(
    model: VoxelPrompt, scripts: Sequence[Script], wanted: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """(n, d) states that give φ, and (n, channels) what is wanted of them."""
    joined = [script.joined() for script in scripts]
    _, states = read_through(model, joined)
    found = [states.new_zeros(0, states.shape[-1])]
    targets = [states.new_zeros(0, model.config.vision.phi_channels)]
    for row, script in enumerate(joined):
        own_slots = slots(script, script.chunks[0], model.config.vision.phi_channels)
        for place, name in zip(own_slots.places, own_slots.names, strict=True):
            if name in wanted:
                found.append(states[row, place][None])
                targets.append(wanted[name][None])
    return torch.cat(found).float(), torch.cat(targets)
