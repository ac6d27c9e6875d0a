"""Entries put to a model in batches: what it says, how sure it is of it, in the form that scores take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sagittal.models.film_boxes import out_of_square
from sagittal.models.vlm.chat import padded, real_targets
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Turn
from sagittal.runtime import autocast
from sagittal.score.chest_tasks import Answered
from sagittal.score.strict import read_box, write_box
from sagittal.train.film_set import FilmEntry
from sagittal.train.film_stream import FilmStream

_BATCH = 64
#: Tokens of an answer; reports are the longest.
LONGEST = 220


@dataclass(frozen=True)
class Spoken:
    """What a model said.

    Attributes:
        text: words; a box is one of the square that the model saw.
        confidence: exp of the mean log-probability of the answer's tokens, what ends it among them; ``None``
            where it was not asked for.
    """

    text: str
    confidence: float | None = None


@torch.no_grad()
def speak(model: VLM, stream: FilmStream, *, sure: bool = False) -> list[Spoken]:
    """A model's words on all entries of a stream, in their order.

    Args:
        model: in evaluation mode.
        stream: of the films and entries; their answers are not looked at.
        sure: whether confidences are computed: one more pass over what was said.
    """
    held = stream.films.entries
    # Those of one task go together, so that no row waits for a long answer of another.
    order = sorted(range(len(held)), key=lambda n: (held[n].task, len(held[n].prompt)))
    found: dict[int, Spoken] = {}
    for start in range(0, len(order), _BATCH):
        own = order[start : start + _BATCH]
        turn = stream.turn(own)
        with autocast():
            prompt = model.prompt(turn.question, turn.features, turn.header)
            said = model.say(prompt, end=stream.chat.end, most=LONGEST).tokens
        confidences = _confidences(model, turn, said) if sure else [None] * len(own)
        for number, ids, confidence in zip(own, said, confidences, strict=True):
            found[number] = Spoken(" ".join(stream.chat.decode(ids).split()), confidence)
    return [found[n] for n in range(len(held))]


def _confidences(model: VLM, turn: Turn, said: Sequence[Sequence[int]]) -> list[float]:
    answer = padded(said)
    with autocast():
        out = model(Turn(turn.question, turn.features, turn.header, answer))
    losses: Tensor = functional.cross_entropy(
        out.logits.float().transpose(1, 2), real_targets(answer), reduction="none"
    )
    means = losses.sum(dim=1) / answer.real.sum(dim=1).clamp(min=1)
    return [float(value) for value in (-means).exp()]


def put(model: VLM, stream: FilmStream) -> list[Answered]:
    """A model's answers to all entries of a stream, in their order.

    A box that can be read is told of the film; what cannot be read stays as it was said.

    Args:
        model: in evaluation mode.
        stream: of the films and entries.
    """
    spoken = speak(model, stream)
    return [
        Answered(
            entry.id,
            entry.patient,
            entry.task,
            on_film(entry, one.text, stream),
            entry.truth,
            entry.conditions,
        )
        for entry, one in zip(stream.films.entries, spoken, strict=True)
    ]


def on_film(entry: FilmEntry, text: str, stream: FilmStream) -> str:
    """Words with their box, where they are one, on the film."""
    box = read_box(text)[0] if entry.task == "rec" else None
    return text if box is None else write_box(out_of_square(box, stream.films.frames[entry.film]))
