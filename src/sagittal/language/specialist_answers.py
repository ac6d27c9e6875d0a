"""Answers to what was asked of a specialist's result: the words that a small language model learns to say.

Every number is one that was told, as it was told; a threshold is put into words. What was not measured is not
said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sagittal.language.number_words import with_number_words
from sagittal.language.report_sentences import report_of

#: How a reply begins that answers nothing, and says why.
DECLINED = "No answer:"
# Of what is named before that.
_LONGEST_NAME = 64
#: From here on a heart counts as enlarged on a PA film.
ENLARGED = 0.5
_RATIO = "cardiothoracic ratio "
#: Side as it is told → as it is said.
SIDES: Mapping[str, str] = {
    "left": "on the left",
    "right": "on the right",
    "bilateral": "on both sides",
    "midline": "in the midline",
}


@dataclass(frozen=True)
class Drawn:
    """One label of a mask as it was told.

    Attributes:
        label: its name, numbers in it in words.
        colour: in the overlay.
        size: with its unit.
        side: of the head; empty where it was not told.
        of_picture: whether the size is a share of the picture.
    """

    label: str
    colour: str
    size: str
    side: str = ""
    of_picture: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", with_number_words(self.label))

    @classmethod
    def of(cls, label: str, colour: str, facts: Sequence[str]) -> Self:
        """From what was measured, as it is written: a size and, of few labels of a volume, a side."""
        size = next((fact for fact in facts if fact[0].isdigit()), "")
        side = next((fact for fact in facts if not fact[0].isdigit()), "")
        return cls(label, colour, size, side, of_picture="%" in size)

    @property
    def where(self) -> str:
        """``on the left``; empty where it was not told."""
        return SIDES.get(self.side, "")

    @property
    def measured(self) -> str:
        """``measures 43.9 mL``."""
        if not self.size:
            return "could not be measured"
        return f"takes up {self.size} of the picture" if self.of_picture else f"measures {self.size}"


def mask_answer(intent: str, thing: str, drawn: Sequence[Drawn], whole: Sequence[str]) -> str:
    """An answer from a mask, which says first what is answered: presence, size, side or outline.

    Args:
        intent: what was asked: ``segment``, ``presence``, ``size``, ``side``, ``location``, ``describe``, …
        thing: what it was asked of, in the card's words.
        drawn: labels that are present.
        whole: what was measured on all of them together.
    """
    if not drawn:
        return f"No {with_number_words(thing)} was found."
    ratio = next((float(w.removeprefix(_RATIO)) for w in whole if w.startswith(_RATIO)), None)
    if ratio is not None and intent in ("size", "presence", "describe"):
        written = whole[0].removeprefix(_RATIO)
        verdict = "is enlarged" if ratio > ENLARGED else "is not enlarged"
        return f"The cardiothoracic ratio is {written}: the heart {verdict}."
    if len(drawn) > 1:
        return _several(intent, drawn)
    return _one(intent, drawn[0])


def _one(intent: str, one: Drawn) -> str:
    if intent in ("compare", "count"):
        return f"{DECLINED} the specialist outlines the {one.label} as one."
    if intent == "presence":
        place = f" {one.where}" if one.where else ""
        return f"Yes: {one.label} was found{place}; it {one.measured}."
    if intent == "size":
        return f"Size: the {one.label} {one.measured}."
    if intent in ("side", "location"):
        if one.where:
            return f"Side: the {one.label} lies {one.where}."
        return f"Side: not measured; the {one.label} is shown in {one.colour}."
    place = f" and lies {one.where}" if one.where else ""
    return f"Outline: the {one.label} in {one.colour}; it {one.measured}{place}."


def _several(intent: str, drawn: Sequence[Drawn]) -> str:
    if intent == "size":
        return "Size: " + "; ".join(f"the {one.label} {one.measured}" for one in drawn) + "."
    return "Outline: " + ", ".join(f"the {one.label} in {one.colour}" for one in drawn) + "."


def film_answer(positive: Mapping[str, bool], thing: str) -> str:
    """An answer from a classifier of findings: to one of them, or a report of all.

    Args:
        positive: finding → whether it is there, under the names of the things' table, as they are told.
        thing: name of the finding, or ``findings``.
    """
    if thing == "findings":
        return report_of(positive)
    if thing in positive:
        return f"Finding: {thing}: {'yes' if positive[thing] else 'no'}."
    return f"{DECLINED} the specialist does not tell {with_number_words(thing)}."


def class_answer(positive: Mapping[str, bool]) -> str:
    """The one class that is the likeliest."""
    found = next(name for name, there in positive.items() if there)
    return f"The likeliest is {found}."


def declined(thing: str) -> str:
    """Where no specialist suits question and images; like a call, it says first what is meant."""
    return f"{with_number_words(thing)}: {DECLINED} no specialist at hand can look for it here."


def abstention(reply: str) -> str | None:
    """Why a reply answers nothing, after what it names first; ``None`` where it answers."""
    named, found, why = reply.partition(DECLINED)
    if not found or len(named) > _LONGEST_NAME or (named and not named.endswith(": ")):
        return None
    return f"{named}{why.strip()}"
