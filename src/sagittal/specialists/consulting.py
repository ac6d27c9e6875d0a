"""A language model that calls specialists when it needs them, as an agent of the one loop (VILA-M3 §3.2).

It replies; triggers in the reply become lines of programs; each result is measured, drawn over the slice that
shows most of it, and told as the next turn of the user; then it replies again. What it says in the end states
numbers that steps computed, and no others. A specialist that gives nothing is named, and where none gave
anything, nothing is answered.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sagittal.agent.budget import Budget
from sagittal.agent.loop import Feedback
from sagittal.agent.text import harmless, loose_number
from sagittal.language.specialist_answers import SIDES, abstention
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.feedback import fault_text, masks_text, shown_slice
from sagittal.specialists.looking import Look
from sagittal.specialists.measuring import Found, facts_program, found_of
from sagittal.specialists.pool import Call
from sagittal.specialists.protocol import Segmented, SpecialistError
from sagittal.specialists.triggers import Trigger, find_triggers, numbers_of, without_triggers
from sagittal.study import Image

#: Replies that may call specialists; the one after must answer.
ROUNDS = 3
_LONGEST = 2_000


@dataclass(frozen=True, eq=False)
class Told:
    """What a language model is told of one call.

    Attributes:
        text: in words.
        picture: (rows, columns, 3) overlay in 8 bits; ``None`` where there is no mask.
        numbers: that were measured, and may be said again.
        found: labels and what was measured on them, of a segmentation.
        classes: class → probability, of a classification.
    """

    text: str
    picture: NDArray[np.uint8] | None = None
    numbers: tuple[str, ...] = ()
    found: Found | None = None
    classes: Mapping[str, float] | None = None


class Voice(Protocol):
    """The language model, which keeps the conversation."""

    def reply(self, told: Sequence[Told], *, last: bool) -> str:
        """The next reply: triggers among words, or an answer.

        Args:
            told: of the calls of the last reply; nothing at first, when the question itself is answered.
            last: whether no call may follow.
        """


class ConsultingPlanner:
    """Writes the programs of a conversation (:class:`sagittal.agent.loop.Planner`).

    Args:
        voice: the language model.
        images: variable → image, of what is looked at.
        cards: specialists that may be called, by name.
        plane: in which overlays of volumes are shown.
    """

    def __init__(
        self,
        voice: Voice,
        images: Mapping[str, Image],
        cards: Mapping[str, SpecialistCard],
        plane: str = "axial",
    ) -> None:
        self._voice, self._images, self._cards, self._plane = voice, images, cards, plane
        self._script = self._conversation()
        self._calls = 0
        #: Expression of a program → how its value is written.
        self._values: dict[str, str] = {}
        self._failed: list[str] = []
        #: What the specialists themselves said of that.
        self._details: list[str] = []
        #: Sides that were measured.
        self._sides: set[str] = set()

    def next_program(self, feedback: Feedback | None) -> str | None:
        """A call, its measuring, or the answer."""
        try:
            return next(self._script) if feedback is None else self._script.send(feedback)
        except StopIteration:
            return None

    def _conversation(self) -> Generator[str, Feedback, None]:
        told: list[Told] = []
        for number in range(ROUNDS + 1):
            last = number == ROUNDS
            reply = self._voice.reply(told, last=last)
            triggers = list(dict.fromkeys(find_triggers(reply)))
            if not triggers or last:
                break
            told = []
            for trigger in triggers:
                told.append((yield from self._consult(trigger)))
            if self._failed and len(self._failed) == self._calls:
                yield _abstain(" ".join([*self._failed, *self._details]))
                return
        feedback = yield self._answer(reply)
        if feedback.error is not None:
            # Nothing of what may not be said is shown.
            stated = feedback.error.code == "unsupported-number"
            what = "stated a number that nothing measured" if stated else "said what cannot be shown"
            yield _abstain(f"the model {what}")

    # -- calls -------------------------------------------------------------------------------

    def _consult(self, trigger: Trigger) -> Generator[str, Feedback, Told]:
        """Call a specialist, measure what it gave, and tell."""
        self._calls += 1
        variable = f"result{self._calls}"
        card = self._cards.get(trigger.name)
        # Classes are read out, and leave nothing to keep.
        keeps = f"{variable} = " if card is None or card.masks else ""
        feedback = yield f'{keeps}{trigger.name}("{_plain(trigger.argument)}")'
        payload = feedback.readings[-1].payload if feedback.readings else None
        if not isinstance(payload, Call):
            return self._told_of_fault(trigger, payload)
        result = payload.result
        if not isinstance(result, Segmented):
            return Told(feedback.readings[-1].text, classes=result.probabilities)
        found = found_of(variable, result, self._images)
        program = facts_program(found)
        if program:
            measured = yield program
            found = found.measured([reading.text for reading in measured.readings])
            self._values |= found.values
            self._sides |= {fact for region in found.regions for fact in region.facts if fact in SIDES}
        look = Look(found.image, *shown_slice(result.mask, self._plane))
        text = masks_text(trigger.name, trigger.argument, found.regions, look.words, found.whole)
        numbers = tuple(number for words in found.values.values() for number in numbers_of(words))
        return Told(text, look.pixels(result.mask), numbers, found)

    def _told_of_fault(self, trigger: Trigger, payload: object) -> Told:
        text = f"{trigger.name}: no result, there is no such specialist."
        if isinstance(payload, SpecialistError):
            text = fault_text(payload)
            detail = _in_full(payload)
            # A number in it was computed by no step, and stands in the trace alone.
            self._details += [detail] if loose_number(detail) is None else []
        self._failed.append(text)
        return Told(text)

    # -- the answer --------------------------------------------------------------------------

    def _answer(self, reply: str) -> str:
        text = _plain(without_triggers(reply))
        if not text:
            return _abstain("the model said nothing")
        text = self._with_sides(text)
        why = abstention(text)
        if why is not None:
            return _abstain(why or "the model does not say why")
        lines = [f'say(f"{self._with_values(text)}")', *(f'say("{_plain(words)}")' for words in self._failed)]
        return "\n".join([*lines, "stop()"])

    def _with_sides(self, text: str) -> str:
        """The text with the side that was measured, where it was one; a model's own side is a guess."""
        if len(self._sides) != 1:
            return text
        [measured] = self._sides
        said = "|".join(words for side, words in SIDES.items() if side != measured)
        return re.sub(rf"\b(?:{said})\b", SIDES[measured], text)

    def _with_values(self, text: str) -> str:
        """The text with each measured value in the place of its words."""
        by_words = {words: expression for expression, words in reversed(self._values.items())}
        if not by_words:
            return text
        longest_first = sorted(by_words, key=len, reverse=True)
        pattern = "|".join(map(re.escape, longest_first))
        return re.sub(rf"(?<![\w.−-])(?:{pattern})(?!\w)", lambda m: f"{{{by_words[m[0]]}}}", text)


def _in_full(error: SpecialistError) -> str:
    """An error's words with what was expected and what came: ``… the tumour core (expected t1c; got t1).``"""
    given = {"expected": error.expected, "got": error.got}
    more = "; ".join(f"{name} {words}" for name, words in given.items() if words)
    return f"{error.message.removesuffix('.')}{f' ({more})' if more else ''}."


def _abstain(reason: str) -> str:
    # A specialist's words are foreign, and can be of any length.
    return f'abstain("{_plain(reason, Budget().text)}")'


def _plain(text: str, longest: int = _LONGEST) -> str:
    """Text that can stand in a program's quotes."""
    return harmless(text, longest).replace('"', "'")
