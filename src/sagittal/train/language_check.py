"""What a language model makes of conversations with the true past fed in: tokens, abstentions, φ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from sagittal.builders.voxel.structures import structure_table
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.decoding import GrowingContext
from sagittal.models.voxelprompt.codebook import image_codes, structure_codes
from sagittal.models.voxelprompt.conversation import NO_TARGET, Script
from sagittal.models.voxelprompt.model import VoxelPrompt
from sagittal.models.voxelprompt.scaffold import slots
from sagittal.study import KINDS


@dataclass(frozen=True)
class Checked:
    """One conversation.

    Attributes:
        exact: whether greedy decoding writes these very programs, given the true feedback.
        first: tokens that it gets right before its first error.
        abstains: whether an abstention follows the first line, which says what was asked.
        codes: of each φ, whether the nearest code of all is its own.
    """

    exact: bool
    first: int
    abstains: bool
    codes: tuple[bool, ...]


@torch.no_grad()
def check(
    model: VoxelPrompt, tokenizer: Tokenizer, scripts: Sequence[Script], *, size: int = 64
) -> list[Checked]:
    """Check conversations without voxels.

    Args:
        model: in evaluation mode.
        tokenizer: of the scripts.
        scripts: of :func:`~sagittal.models.voxelprompt.lesson.unseen_lesson`.
        size: conversations at a time.
    """
    order = sorted(range(len(scripts)), key=lambda i: sum(len(c.ids) for c in scripts[i].chunks))
    marks = tokenizer.encode("\n")[0], tokenizer.encode("abstain")[0]
    found: dict[int, Checked] = {}
    for start in range(0, len(order), size):
        part = order[start : start + size]
        found |= dict(zip(part, _check(model, [scripts[i].joined() for i in part], marks), strict=True))
    return [found[i] for i in range(len(scripts))]


def _check(model: VoxelPrompt, scripts: Sequence[Script], marks: tuple[int, int]) -> list[Checked]:
    context, states = read_through(model, scripts)
    return [_one(model, context, script, own, marks) for script, own in zip(scripts, states, strict=True)]


def read_through(model: VoxelPrompt, scripts: Sequence[Script]) -> tuple[GrowingContext, Tensor]:
    """Feed joined scripts, without voxels; what is read of images is nothing.

    Returns:
        The context, and (scripts, longest, d) states.
    """
    context = GrowingContext(model.language)
    longest = max(len(s.chunks[0].ids) for s in scripts)
    ids = torch.zeros(len(scripts), longest, dtype=torch.long)
    real = torch.zeros(len(scripts), longest, dtype=torch.bool)
    for row, script in enumerate(scripts):
        own = script.chunks[0].ids
        ids[row, : len(own)] = torch.tensor(own)
        real[row, : len(own)] = True
    embedded = model.embed(ids.to(model.device))
    for row, script in enumerate(scripts):
        embedded[row, list(script.chunks[0].reads)] = 0
    return context, context.append_embeddings(embedded, real.to(model.device))


def _one(
    model: VoxelPrompt, context: GrowingContext, script: Script, states: Tensor, marks: tuple[int, int]
) -> Checked:
    line_end, abstain = marks
    chunk = script.chunks[0]
    places = [i for i, t in enumerate(chunk.targets) if t != NO_TARGET]
    wanted = torch.tensor([chunk.targets[i] for i in places])
    written = context.logits(states[[i - 1 for i in places]]).argmax(dim=-1).cpu()
    right = written == wanted
    wrong = (~right).nonzero()
    return Checked(
        exact=bool(right.all()),
        first=int(wrong[0]) if len(wrong) else len(places),
        abstains=int(written[wanted.tolist().index(line_end) + 1]) == abstain,
        codes=_codes(model, script, states),
    )


def _codes(model: VoxelPrompt, script: Script, states: Tensor) -> tuple[bool, ...]:
    channels = model.config.vision.phi_channels
    wanted = slots(script, script.chunks[0], channels)
    if not wanted.places:
        return ()
    names, table = _all_codes(channels)
    phi = model.to_phi(states[list(wanted.places)]).float().cpu()
    nearest = torch.cdist(phi, table).argmin(dim=1).tolist()
    return tuple(names[n] == name for n, name in zip(nearest, wanted.names, strict=True))


@cache
def _all_codes(channels: int) -> tuple[tuple[str, ...], Tensor]:
    """Every structure that some head's map knows, and every kind of image."""
    structures = tuple(s.name for s in structure_table().structures.values() if s.has_source)
    kinds = tuple(KINDS)
    return structures + kinds, torch.cat(
        [structure_codes(structures, channels), image_codes(kinds, channels)]
    )
