"""A question as the user typed it, made fit to be asked, shown and kept."""

from __future__ import annotations

from sagittal.agent.text import plain, strange_character
from sagittal.errors import InputError

#: Characters of the longest question; what people ask has a tenth of them.
LONGEST = 1_000


def clean_question(text: str) -> str:
    """The question on one line.

    Args:
        text: as typed; line ends, tabs and runs of spaces become one space.

    Raises:
        InputError: it is empty, too long, or holds a character that steers a terminal or a page.
    """
    # Counted before anything walks over it.
    if len(text) > LONGEST:
        raise InputError(
            "The question is too long.",
            expected=f"at most {LONGEST} characters",
            got=f"{len(text)} characters",
            remedy="ask one thing at a time",
        )
    flat = " ".join(text.split())
    if not flat:
        raise InputError(
            "There is no question.",
            expected="a question in words",
            got="nothing",
            remedy='put it last and in quotes: sagittal ask scan.nii.gz "How large is the tumour?"',
        )
    strange = strange_character(flat)
    if strange is not None:
        raise InputError(
            "The question holds a character that cannot be shown.",
            expected="letters, digits, marks and spaces",
            got=f"{strange} in: {plain(flat, 80)}",
            remedy="type it again without that character",
        )
    return flat
