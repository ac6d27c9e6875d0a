"""Which option a free answer means, and whether it says yes or no. What cannot be read is not guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from sagittal.score.words import words

#: Why an answer could not be read.
Unread = Literal["empty", "none", "several", "contradiction"]

_ALONE = re.compile(r"^\W*([A-Za-z])\W*$")
_LEADING = re.compile(r"^\W*([A-Za-z])\s*(?:[):]|\.(?=\s))")
# A small letter after these words is an article more often than an option.
_NAMED = re.compile(r"\b(?i:answer|option|choice)(?i:\s+is)?\s*:?\s*\(?([A-Z])\b(?=\W*$|\s*[).:,;])")
_DENIALS = frozenset({"no", "not", "without"})


def read_choice(text: str, options: Mapping[str, str]) -> tuple[str | None, Unread | None]:
    """The option that an answer means.

    A letter counts alone ("b", "(B)"), at the head ("B: cyst", "B) cyst", "B. cyst") or named ("the answer
    is B", "option B"). Words count when they are an option's own or hold them in one piece, the denied ones
    ("not a cyst") and those inside a longer option's ("lung" in "lung cancer") left out.

    Args:
        options: letter → words.

    Returns:
        The letter and ``None``; or ``None`` and why: nothing was said; no option; several; or the letter of
        one option beside the words of another.
    """
    if not text.strip():
        return None, "empty"
    lettered, worded = _by_letter(text, options), _by_words(words(text), options)
    if len(lettered) > 1 or (not lettered and len(worded) > 1):
        return None, "several"
    if not lettered and not worded:
        return None, "none"
    if lettered and len(worded) == 1 and lettered != worded:
        return None, "contradiction"
    return next(iter(lettered or worded)), None


def _by_letter(text: str, options: Mapping[str, str]) -> set[str]:
    for pattern in (_ALONE, _LEADING, _NAMED):
        found = {letter.upper() for letter in pattern.findall(text)} & set(options)
        if found:
            return found
    return set()


def _by_words(said: tuple[str, ...], options: Mapping[str, str]) -> set[str]:
    wanted = {letter: words(option) for letter, option in options.items()}
    equal = {letter for letter, own in wanted.items() if own and own == said}
    if equal:
        return equal
    places = [
        (letter, start, start + len(own))
        for letter, own in wanted.items()
        for start in _occurrences(own, said)
        if start == 0 or said[start - 1] not in _DENIALS
    ]
    return {
        letter
        for letter, start, end in places
        if not any(a <= start and end <= b and b - a > end - start for _, a, b in places)
    }


def _occurrences(wanted: tuple[str, ...], said: tuple[str, ...]) -> Iterator[int]:
    for start in range(len(said) - len(wanted) + 1 if wanted else 0):
        if said[start : start + len(wanted)] == wanted:
            yield start


def closed_is_right(text: str, reference: str) -> tuple[bool, Unread | None]:
    """Whether a closed question's answer is right, and why it could not be read where it could not.

    Where yes or no is due, the answer's first word decides ("No, the heart is not enlarged."). Any other
    closed answer must have the reference's words and no others.
    """
    said, due = words(text), words(reference)
    if not said:
        return False, "empty"
    if due in (("yes",), ("no",)):
        return said[0] == due[0], None if said[0] in ("yes", "no") else "none"
    return said == due, None
