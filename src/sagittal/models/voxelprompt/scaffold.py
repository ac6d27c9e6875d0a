"""The scaffold: fixed φ for the language model to aim at, while eyes and language learn apart.

The paper trains both at once, with Eq. 2 alone (§4.3); gradients of masks teach the language model its φ.
That takes long where a mask costs seconds. Here each part first learns against the fixed φ of
:mod:`sagittal.models.voxelprompt.codebook`: the vision networks are given them, the language model has to
emit them (the mean squared error below joins its loss). The joint training that follows uses Eq. 2 alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.models.voxelprompt.codebook import image_codes, structure_codes
from sagittal.models.voxelprompt.conversation import Chunk, Script


@dataclass(frozen=True, eq=False)
class Slots:
    """The φ of a chunk: where they stand, and what they should be.

    Attributes:
        places: positions in the chunk whose states give φ.
        names: structure or kind of image, one a place.
        codes: (places, channels).
    """

    places: tuple[int, ...]
    names: tuple[str, ...]
    codes: Tensor


def slots(script: Script, chunk: Chunk, channels: int, table: Mapping[str, Tensor] | None = None) -> Slots:
    """The φ that a chunk of a script should emit.

    A ``segment`` call asks every stream for its structure, an ``encode`` call each for its kind of image.
    Calls whose structure the program computes have no code and are left out.

    Args:
        script, chunk: what is emitted.
        channels: of φ.
        table: name → (channels,) φ; the fixed codes when ``None``.
    """
    places: list[int] = []
    names: list[str] = []
    codes: list[Tensor] = []
    scans = script.conversation.scans
    for placed in chunk.calls:
        if placed.call.function == "segment":
            if not placed.call.structure:
                continue
            own = [placed.call.structure] * len(placed.phi)
            codes.append(structure_codes(own, channels) if table is None else _of(table, own))
        else:
            own = [scans[stream].kind for stream in script.streams[placed.call.features]]
            codes.append(image_codes(own, channels) if table is None else _of(table, own))
        places += placed.phi
        names += own
    stacked = torch.cat(codes) if codes else torch.zeros(0, channels)
    return Slots(tuple(places), tuple(names), stacked)


def _of(table: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.stack([table[name] for name in names])


def code_error(to_phi: nn.Module, states: Tensor, wanted: Slots) -> tuple[Tensor, int]:
    """Sum over a chunk's φ of the mean squared error over channels, and how many φ there are.

    Args:
        to_phi: states to φ.
        states: (positions, d) of the chunk.
        wanted: from :func:`slots`.
    """
    if not wanted.places:
        return states.new_zeros((), dtype=torch.float32), 0
    phi = to_phi(states[list(wanted.places)]).float()
    error = functional.mse_loss(phi, wanted.codes.to(phi.device), reduction="none")
    return error.mean(dim=1).sum(), len(wanted.places)
