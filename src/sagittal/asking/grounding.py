"""Words with masks among them → a text, and a name for each mask.

A mask stands behind what it shows (``the left kidney <SEG>, the spleen <SEG>``), and is called so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from sagittal.agent.text import harmless, plain
from sagittal.language.pixel_wordings import templates
from sagittal.models.medplib.words import Mark

_LONGEST_TEXT, _LONGEST_NAME = 4_000, 60
# Requests for a mask, as people and the training grammar put them.
_REQUEST = re.compile(r"\b(segment\w*|masks?|outlin\w+|delineat\w+|contours?|pixels)\b", re.IGNORECASE)
_BEFORE_MARK = re.compile(r" +(?=[,;:.?!])")
# What a mask's name begins after: a mark, or the words that lead up to it.
_CLAUSE = re.compile(r"[,;:.?!]")
_ARTICLE = re.compile(r"\b(?:the|an?)\s+", re.IGNORECASE)
_JOINT = re.compile(r"^(?:and|or|as well as|also|then)\b\s*", re.IGNORECASE)


def spoken_text(pieces: Sequence[str | Mark]) -> str:
    """The words of an answer on one line, without its masks."""
    words = plain("".join(piece if isinstance(piece, str) else " " for piece in pieces), _LONGEST_TEXT)
    return _BEFORE_MARK.sub("", words).strip()


def mask_names(pieces: Sequence[str | Mark]) -> list[str]:
    """A name for each mask, all different: the words before it, else ``region 1``."""
    names: list[str] = []
    before = ""
    for piece in pieces:
        if isinstance(piece, str):
            before = piece
            continue
        name = _name(before) or f"region {len(names) + 1}"
        count = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({count + 1})" if count else name)
        before = ""
    return names


def _name(words: str) -> str:
    """What the end of some words speaks of; empty where that cannot be told."""
    clause = _JOINT.sub("", _CLAUSE.split(words)[-1].strip())
    # After its first article: "the wall of the left ventricle" is one name.
    spoken = _ARTICLE.split(clause, maxsplit=1)[-1]
    name = harmless(spoken, _LONGEST_NAME).strip()
    return name if any(character.isalnum() for character in name) else ""


def asks_for_mask(question: str) -> bool:
    """Whether a question asks for a mask, as far as its words tell."""
    return _REQUEST.search(question) is not None


def says_absent(text: str) -> bool:
    """Whether an answer says that what was asked for is not there, in the words that models learn."""
    return _absent().search(text) is not None


@cache
def _absent() -> re.Pattern[str]:
    named = "[^.]{1,80}?".join
    forms = (named(re.escape(part) for part in form.split("{name}")) for form in templates("absent_answer"))
    return re.compile("|".join(forms), re.IGNORECASE)
