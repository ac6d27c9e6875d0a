"""Questions about pictures put to a MedPLIB in batches: words, and masks on each picture's own pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.models.medplib.pictures import frame_of
from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.chat import padded
from sagittal.models.vlm.model import VLM
from sagittal.runtime import autocast
from sagittal.train.picture_questions import Question
from sagittal.train.picture_turns import PictureTurns

_BATCH = 32
#: Tokens of an answer.
LONGEST = 200


@dataclass(frozen=True, eq=False)
class Given:
    """An answer.

    Attributes:
        question: that it answers.
        text: its words.
        masks: (W, H) bool on the picture's own pixels, one a ``<SEG>``, in order.
    """

    question: Question
    text: str
    masks: tuple[NDArray[np.bool_], ...]


@torch.no_grad()
def put(
    model: VLM, turns: PictureTurns, questions: Sequence[Question], *, longest: int = LONGEST
) -> list[Given]:
    """Answers in the order of the questions.

    Args:
        model: in evaluation mode.
        turns: of the pictures that are asked about, with features where masks are to be drawn.
        questions: about its pictures.
        longest: tokens of an answer.
    """
    # Those of about one length go together, so that little is padding.
    order = sorted(range(len(questions)), key=lambda n: len(questions[n].question))
    found: dict[int, Given] = {}
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        for number, given in zip(
            chosen, _answered(model, turns, [questions[n] for n in chosen], longest), strict=True
        ):
            found[number] = given
    return [found[number] for number in range(len(questions))]


def _answered(
    model: VLM, turns: PictureTurns, questions: Sequence[Question], longest: int
) -> Iterator[Given]:
    speech = turns.speech
    turn = turns(questions).turn
    with autocast():
        prompt = model.prompt(
            turn.question, turn.features, padded([speech.header] * len(questions)), turn.regions
        )
        said = model.say(prompt, end=speech.end, most=longest, pixels=turn.pixels)
    for row, (question, ids) in enumerate(zip(questions, said.tokens, strict=True)):
        planes: tuple[NDArray[np.bool_], ...] = ()
        if said.masks is not None:
            picture = turns.pictures[question.picture]
            frame = frame_of(picture.image, turns.edges[1])
            planes = tuple(frame.back(one.float()) > 0 for one in said.masks.logits[said.masks.rows == row])
        yield Given(question, words_of(speech, ids), planes)


def words_of(speech: Speech, ids: Sequence[int]) -> str:
    """The words of an answer without its masks."""
    return " ".join("".join(p for p in speech.pieces(ids) if isinstance(p, str)).split())
