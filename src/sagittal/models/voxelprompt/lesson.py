"""From images, programs and true masks to a conversation that can be learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from sagittal.errors import InputError
from sagittal.models.voxelprompt.conversation import Conversation, Exchange, Scan
from sagittal.models.voxelprompt.marks import Ledger
from sagittal.models.voxelprompt.preparation import PreparationConfig, prepare
from sagittal.models.voxelprompt.words import acquisition_words
from sagittal.study import Image, Mask


def lesson(
    question: str,
    volumes: Mapping[str, Image],
    steps: Sequence[Exchange],
    masks: Sequence[Mask | None],
    config: PreparationConfig | None = None,
) -> Conversation:
    """Prepare scans and targets as at run time.

    Args:
        question: the prompt.
        volumes: variable → image.
        steps: programs and the feedback of each.
        masks: true mask of each ``segment`` call in the order of the programs' text, on the grid of the
            first volume that its features encode; ``None`` where there is no target.
        config: how scans are prepared; the model's.

    Raises:
        InputError: a program cannot be followed, the masks are not as many as the ``segment`` calls, or a
            scan cannot be prepared.
        GeometryError: a mask lies on another grid than its volume.
    """
    drawn_on = _drawn_on(steps)
    if len(drawn_on) != len(masks):
        raise InputError("Each segment call has a mask, or None.", expected=len(drawn_on), got=len(masks))
    strange = sorted(set(drawn_on) - set(volumes))
    if strange:
        raise InputError("A program encodes a volume that is not there.", expected=list(volumes), got=strange)
    words = acquisition_words(volumes)
    prepared = dict(zip(volumes, prepare(list(volumes.values()), config), strict=True))
    scans = tuple(
        Scan(n, words[n], p.frame.grid, torch.from_numpy(p.data), p.image.kind) for n, p in prepared.items()
    )
    targets = tuple(
        None if mask is None else torch.from_numpy(prepared[name].frame.to_grid(mask))
        for name, mask in zip(drawn_on, masks, strict=True)
    )
    return Conversation(question, scans, tuple(steps), targets)


def unseen_lesson(question: str, volumes: Mapping[str, Image], steps: Sequence[Exchange]) -> Conversation:
    """The same without eyes: trains and tests the language alone, and touches no voxel.

    Args:
        question: the prompt.
        volumes: variable → image; only kind, visit and grid are read.
        steps: programs and the feedback of each.

    Raises:
        InputError: a program cannot be followed.
    """
    words = acquisition_words(volumes)
    scans = tuple(
        Scan(name, words[name], image.geometry, None, image.kind) for name, image in volumes.items()
    )
    return Conversation(question, scans, tuple(steps), (None,) * len(_drawn_on(steps)))


def _drawn_on(steps: Sequence[Exchange]) -> list[str]:
    """The volume that each ``segment`` call draws on, in the order of the programs' text."""
    ledger, found = Ledger(), []
    for step in steps:
        calls = [call for call in ledger.enter(step.program) if call.function == "segment"]
        found += [ledger.volumes[c.features][0] for c in sorted(calls, key=lambda c: c.index)]
    return found
