"""Answers about films, read strictly: a number, a class, ten digits, a box, a list (IMAX, Figure 1).

An answer is what its prompt asks for and nothing else. White space around it and one closing full stop are
let pass; words around it, digits of other scripts and a second answer are not. What cannot be read is not
guessed: it comes back as a :data:`Fault`, which a score counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from sagittal.score.words import words

#: Why an answer could not be read: nothing was said; not the form that was asked for; more than one answer;
#: another number of digits; a value that cannot be; corners in the wrong order; a digit beside the name of
#: another class.
Fault = Literal["empty", "form", "several", "length", "range", "order", "contradiction"]
Corners = tuple[int, int, int, int]

#: Beyond it a number is no ratio of a heart to a chest: what stands there is a percentage or a slip.
LARGEST_RATIO = 10.0
#: Boxes count in thousandths of the image's width and height (IMAX A.1).
LARGEST_CORNER = 1000

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# Four digits, not three: 1000 is a corner.
_BOX = re.compile(r"<([0-9]{1,4})><([0-9]{1,4})><([0-9]{1,4})><([0-9]{1,4})>")
# A digit alone; in "0.4" and "0,1" none stands alone.
_CODED = re.compile(r"(?:([0-9])(?![.,]?[0-9]))?(.*)", re.DOTALL)


def read_number(text: str) -> tuple[float | None, Fault | None]:
    """A ratio as the prompt asks for it, "0.4944": digits with a point, no sign, unit or exponent.

    Returns:
        The number and ``None``; or ``None`` and why.
    """
    plain = _bare(text)
    if not plain:
        return None, "empty"
    if not _NUMBER.fullmatch(plain):
        return None, "several" if len(_NUMBER.findall(plain)) > 1 else "form"
    value = float(plain)
    return (value, None) if value <= LARGEST_RATIO else (None, "range")


def read_class(text: str, names: Sequence[str]) -> tuple[int | None, Fault | None]:
    """A class by its digit ("2"), its name ("interstitial edema"), or both ("2. interstitial edema").

    Args:
        names: of the classes 0, 1, 2, …; at most ten.

    Returns:
        The class and ``None``; or ``None`` and why.
    """
    plain = _bare(text)
    if not plain:
        return None, "empty"
    found = _CODED.fullmatch(plain)
    assert found is not None, "the pattern takes any text"
    digit, said = found[1], words(found[2])
    named = next((code for code, name in enumerate(names) if words(name) == said), None)
    if (said and named is None) or (digit is None and named is None):
        return None, "form"
    if digit is None:
        return named, None
    if int(digit) >= len(names):
        return None, "range"
    if named is not None and named != int(digit):
        return None, "contradiction"
    return int(digit), None


def read_labels(text: str, count: int) -> tuple[tuple[int, ...] | None, Fault | None]:
    """Which labels are there, as digits 0 and 1 between commas: "1,0,0,1".

    Args:
        count: how many labels there are.

    Returns:
        A digit for each label and ``None``; or ``None`` and why.
    """
    plain = _bare(text)
    if not plain:
        return None, "empty"
    digits = [piece.strip() for piece in plain.split(",")]
    if not set(digits) <= {"0", "1"}:
        return None, "form"
    return (tuple(map(int, digits)), None) if len(digits) == count else (None, "length")


def read_box(text: str) -> tuple[Corners | None, Fault | None]:
    """A box in its tags, ``<x1><y1><x2><y2>``: integers 0–1000 with x1 < x2 and y1 < y2.

    Figure 1 of the paper shows this form; in its text the pairs ``><`` were read as ``×``. The figure's own
    numbers are pixels (A.1 normalises them "in practical use"), so that some of them are beyond the range.

    Returns:
        The box and ``None``; or ``None`` and why.
    """
    plain = _bare(text)
    if not plain:
        return None, "empty"
    found = _BOX.fullmatch(plain)
    if found is None:
        return None, "several" if len(_BOX.findall(plain)) > 1 else "form"
    x1, y1, x2, y2 = map(int, found.groups())
    if max(x1, y1, x2, y2) > LARGEST_CORNER:
        return None, "range"
    return ((x1, y1, x2, y2), None) if x1 < x2 and y1 < y2 else (None, "order")


def write_box(box: Corners) -> str:
    """The text that :func:`read_box` reads."""
    return "".join(f"<{value}>" for value in box)


def read_items(text: str) -> frozenset[tuple[str, ...]]:
    """The set of what a list names, "left lung, right lung": of each item the normalised words.

    Order and repetition do not count. A text without words names nothing.
    """
    return frozenset(said for piece in text.split(",") if (said := words(piece)))


def _bare(text: str) -> str:
    return text.strip().removesuffix(".").rstrip()
