"""The rule-based check of mpLLM (appendix A) for wordings, wherever they come from.

"Questions and answers are properly split with 'Q:' and 'A:', contents within the curly braces are
retained, and the responses are in English." A language model's replies and the grammar's own
wordings pass the same rules.

What is English is judged by letters, function words and the field's own plain words only. Limits: a
text of a few content words cannot be told from another language unless it holds a foreign function
word, and English words in a wrong order pass.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from sagittal.language.wording import SLOTS

Fault = Literal[
    "empty_question",
    "empty_answer",
    "question_is_answer",
    "question_slots",
    "answer_slots",
    "stray_mark",
    "too_long",
    "not_english",
    "prompt_echo",
]

MAX_CHARACTERS = 900
"""Twice the longest wording of the shipped grammar; longer replies are essays, not answers."""

# Every repetition is bounded, so that a hostile reply cannot make the search slow.
_SPLIT = re.compile(r"(?<![A-Za-z0-9])([QA])\d{0,4}[*_]{0,3}:[*_]{0,3}(?=\s|$)")
_NUMBERING = re.compile(r"\d+[.)]")
_SLOT = re.compile(r"\{([^{}]*)\}")
_STRAY = re.compile(r"[{}]|<[a-z][^<>]*>|\|\|")
_WORDS = re.compile(r"[^\W\d_]+")
_ECHO = re.compile(r"placeholder|alternative wording|curly brace|reworded (?:question|answer)", re.IGNORECASE)
_ENGLISH_WORDS = """a about all also an and any are as at based be been best beyond but by can cannot could
    did do does for from further given has have having how however i in into is it its kind know lies many
    may me more much my next no not of on or other our out please regarding seen should some than that the
    their there these this to up us was we what when where which while who will with within would you your
    volume location brain shape spread pattern degree overall findings"""
_FOREIGN_WORDS = """au aux avec ce cette comme comment dans de della delle del dem den der des deze di du een
    ein eine el en es est et fue gli het hoe il ist la las le les los mit nel og och para pas por quale que
    quel quelle qual quali si som sono sur tiene und une van von wat welche wie wo y"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_FOREIGN = frozenset(_FOREIGN_WORDS.split())


def split_pairs(text: str) -> tuple[list[tuple[str, str]], int]:
    """Split a reply into pairs of question and answer.

    Numbering and emphasis around the marks are tolerated; text before the first mark is not part
    of any pair.

    Returns:
        the pairs, and the number of questions or answers that had no partner.
    """
    marks = list(_SPLIT.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    pieces = [
        (mark.group(1), _without_decoration(text[mark.end() : end]))
        for mark, end in zip(marks, ends, strict=False)
    ]
    pairs: list[tuple[str, str]] = []
    position = 0
    while position < len(pieces):
        if [name for name, _ in pieces[position : position + 2]] == ["Q", "A"]:
            pairs.append((pieces[position][1], pieces[position + 1][1]))
            position += 1
        position += 1
    return pairs, len(pieces) - 2 * len(pairs)


def _without_decoration(piece: str) -> str:
    """One line, without emphasis and without the number of the pair that follows."""
    words = " ".join(piece.split()).strip("*_- ").split(" ")
    if len(words) > 1 and _NUMBERING.fullmatch(words[-1]) and words[-2][-1:] in set(".?!*_"):
        words.pop()
    return " ".join(words).strip("*_- ")


def faults(question: str, answer: str, kind: str, tasks: Sequence[str]) -> list[Fault]:
    """Name what is wrong with a wording; an empty list means that it passes.

    The question must name ``{label}`` and hold no other slot. The answer must hold each task's slot
    exactly once and no other; it must name ``{label}``, except when it declines everything.
    ``{label}`` may be repeated, since a long question names its subject again.
    """
    found: list[Fault] = []
    if not _words(question):
        found.append("empty_question")
    if not _words(answer) and not tasks:
        found.append("empty_answer")
    if question.strip() == answer.strip():
        found.append("question_is_answer")
    in_question, in_answer = Counter(_SLOT.findall(question)), Counter(_SLOT.findall(answer))
    if set(in_question) != {"label"}:
        found.append("question_slots")
    labels = in_answer.pop("label", 0)
    if in_answer != Counter(SLOTS[task] for task in tasks) or (not labels and kind != "out_of_scope"):
        found.append("answer_slots")
    bare = _SLOT.sub(" ", f"{question} {answer}")
    if _STRAY.search(bare):
        found.append("stray_mark")
    if max(len(question), len(answer)) > MAX_CHARACTERS:
        found.append("too_long")
    if not (is_english(question) and is_english(answer)):
        found.append("not_english")
    if _ECHO.search(bare):
        found.append("prompt_echo")
    return found


def is_english(text: str) -> bool:
    """Whether letters and function words look English; see the limits in the module's docstring.

    At most 2 % of letters are outside ASCII, English listed words outnumber foreign ones, and in a
    text of eight words or more at least 15 % of the words are on the English list.
    """
    words = _words(text)
    letters = "".join(words)
    if sum(not letter.isascii() for letter in letters) > 0.02 * len(letters):
        return False
    english = sum(word in _ENGLISH for word in words)
    foreign = sum(word in _FOREIGN for word in words)
    if foreign and english <= foreign:
        return False
    return len(words) < 8 or english >= 0.15 * len(words)


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(_SLOT.sub(" ", text))]
