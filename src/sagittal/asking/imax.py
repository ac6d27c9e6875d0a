"""IMAX as a model that can be asked: seven kinds of questions about a chest film.

A ratio is measured on masks of heart and lungs where these can be had, with the lines that it was measured
along; the model's own number stands beside it. Where they cannot, its own number is all there is, and the
answer says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch

from sagittal.agent.loop import Outcome
from sagittal.answer import Step
from sagittal.asking.film_drawing import NOT_DRAWN, drawing_outcome, to_be_drawn
from sagittal.asking.film_question import FilmQuestion, read_film_question
from sagittal.asking.imax_outcome import (
    NOTHING,
    RATIOS,
    TURNED,
    outcome_of,
    place_outcome,
    ratio_outcome,
    words_outcome,
)
from sagittal.asking.pointing import View
from sagittal.builders.chest.measuring import thousandths
from sagittal.errors import InputError
from sagittal.models.chest.films import prepared
from sagittal.models.film_boxes import into_square
from sagittal.models.medplib.pictures import Frame
from sagittal.models.vlm.chat import Chat, padded
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import load_vlm
from sagittal.runtime import Runtime, one_thread, runtime
from sagittal.score.strict import Corners, write_box
from sagittal.specialists.chest import ChestOrgans
from sagittal.study import Image

# Tokens of an answer.
_LONGEST = 220


@dataclass(frozen=True, eq=False)
class IMAXAnswerer:
    """A loaded model.

    Attributes:
        name: of the model, for the trace.
        model: in evaluation mode, on the runtime's device.
        chat: the one that it was trained with.
        runtime: device and precision.
        organs: draws heart and lungs.
    """

    name: str
    model: VLM
    chat: Chat
    runtime: Runtime
    organs: ChestOrgans

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a checkpoint onto the best device there is.

        Raises:
            IntegrityError, FileFormatError, StorageError: the checkpoint is damaged.
        """
        chosen = runtime()
        model, chat, card = load_vlm(folder, task="imax")
        return cls(card.name, model.to(chosen.device), chat, chosen, ChestOrgans())

    def check(self, images: Sequence[Image]) -> None:
        """Nothing: what is no film is told when it is looked at."""

    def reply_about(self, question: str, view: View) -> Outcome:
        """Look at a film and answer.

        Raises:
            InputError: a slice of a volume, several places, a film that does not stand upright, or a question
                that its tag cannot ask.
        """
        if not view.slice.is_whole:
            raise InputError(
                "A chest film is one picture.", expected="a film", got=view.slice.words,
                remedy="give the film itself",
            )  # fmt: skip
        turns = self.organs.quarter_turns(view.slice.image)
        if turns:
            # No other model is to guess at it either: an error, not an abstention.
            raise InputError(
                "The film does not stand upright.", expected="head up, the patient's right on the left",
                got=f"a film whose heart and lungs are found when it is turned by {TURNED[turns]}",
                remedy="turn the picture so, and ask again",
            )  # fmt: skip
        wanted = to_be_drawn(question)
        if wanted:
            return drawing_outcome(wanted, self.organs, view.slice.image)
        if wanted is not None:
            return outcome_of(NOT_DRAWN, (), reason=NOT_DRAWN)
        film = view.slice.picture
        asked = read_film_question(question, _pointed(view, film))
        begun = time.perf_counter()
        square, frame = prepared(film, self.model.config.encoder.size[0])
        said = self._say(square, _on_square(asked, frame))
        step = Step(
            "model",
            self.name,
            {"image": film.name, "prompt": asked.prompt},
            said,
            time.perf_counter() - begun,
        )
        outcome = self._outcome(asked, view, frame, said, step)
        others = tuple(one for one in outcome.suggestions if read_film_question(one).task != asked.task)
        return replace(outcome, suggestions=others)

    def _outcome(self, asked: FilmQuestion, view: View, frame: Frame, said: str, step: Step) -> Outcome:
        if not said:
            return outcome_of(NOTHING, (step,), reason=NOTHING)
        if asked.task in RATIOS:
            return ratio_outcome(asked, self.organs, view.slice.image, said, step)
        if asked.task == "rec":
            return place_outcome(asked, view.slice.picture, frame, said, step)
        return words_outcome(asked, said, step)

    def _say(self, square: torch.Tensor, prompt: str) -> str:
        device = self.runtime.device
        with torch.no_grad(), self.runtime.autocast(), one_thread():
            there = torch.ones(1, 1, dtype=torch.bool, device=device)
            features = self.model.look(square[None].to(device), there)
            question = padded([self.chat.question(prompt)]).to(device)
            header = padded([self.chat.header]).to(device)
            read = self.model.prompt(question, features, header)
            [ids] = self.model.say(read, end=self.chat.end, most=_LONGEST).tokens
        return " ".join(self.chat.decode(ids).split())


def _pointed(view: View, film: Image) -> Corners | None:
    """The box around the place that was pointed at, in thousandths of the film."""
    if len(view.regions) > 1:
        raise InputError("One place on a film is asked about.", expected=1, got=len(view.regions))
    if not view.regions:
        return None
    columns, rows = view.regions[0].inside.nonzero()
    width, height = film.shape[:2]
    corners = (int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
    return thousandths(corners, width, height)


def _on_square(asked: FilmQuestion, frame: Frame) -> str:
    if asked.box is None:
        return asked.prompt
    return asked.prompt.replace(write_box(asked.box), write_box(into_square(asked.box, frame)))
