"""The system prompt: which specialists a language model may call, and how (VILA-M3 §3.2, Figure 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sagittal.specialists.card import SpecialistCard

_OPENING = "Call a specialist as <NAME(argument)> when the question needs it."
#: Where the user wants none: what the picture alone tells is answered.
ALONE = "Answer from the picture: no specialist may be called."
_NOBODY = "There is no specialist to call."


def system_prompt(cards: Iterable[SpecialistCard]) -> str:
    """The cards as a language model is shown them."""
    lines = [card.words() for card in cards]
    return "\n".join([_OPENING, *lines]) if lines else _NOBODY


def asked(question: str, kinds: Sequence[str], *, pictures: bool) -> str:
    """A question with what is given: kinds of image by their metadata, or by the user's own word."""
    what = "picture" if pictures else "volumes" if len(kinds) > 1 else "volume"
    return f"Given: {', '.join(kinds)} ({what}).\n{question}"


def told_again(feedback: Iterable[str], question: str) -> str:
    """What specialists gave, and the question again: it stands far before, cards and pictures between."""
    return "\n".join([*feedback, question])
