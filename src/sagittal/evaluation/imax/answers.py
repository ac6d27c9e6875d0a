"""Entries put to a model in batches: what it says, in the form that scores take."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sagittal.models.film_boxes import out_of_square
from sagittal.models.vlm.model import VLM
from sagittal.score.chest_tasks import Answered
from sagittal.score.strict import read_box, write_box
from sagittal.train.film_set import FilmEntry
from sagittal.train.film_stream import FilmStream

_BATCH = 64
#: Tokens of an answer; reports are the longest.
LONGEST = 220


@torch.no_grad()
def put(model: VLM, stream: FilmStream, entries: Sequence[int] | None = None) -> list[Answered]:
    """A model's answers to entries.

    Args:
        model: in evaluation mode.
        stream: of the films and entries.
        entries: numbers of those that are put; all when ``None``.

    Returns:
        In the order of the entries. A box that can be read is one of the film, not of the square that the
        model saw; what cannot be read stays as it was said.
    """
    held = stream.films.entries
    chosen = list(range(len(held))) if entries is None else list(entries)
    # Those of one task go together, so that no row waits for a long answer of another.
    order = sorted(chosen, key=lambda n: (held[n].task, len(held[n].prompt)))
    found: dict[int, str] = {}
    for start in range(0, len(order), _BATCH):
        own = order[start : start + _BATCH]
        turn = stream.turn(own)
        with torch.autocast("cpu", torch.bfloat16):
            prompt = model.prompt(turn.question, turn.features, turn.header)
            said = model.say(prompt, end=stream.chat.end, most=LONGEST)
        for number, ids in zip(own, said.tokens, strict=True):
            found[number] = " ".join(stream.chat.decode(ids).split())
    return [_answered(held[n], found[n], stream) for n in chosen]


def _answered(entry: FilmEntry, text: str, stream: FilmStream) -> Answered:
    if entry.task == "rec":
        box, _ = read_box(text)
        if box is not None:
            text = write_box(out_of_square(box, stream.films.frames[entry.film]))
    return Answered(entry.id, entry.patient, entry.task, text, entry.truth)
