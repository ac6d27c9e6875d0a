"""The quality rules of MeCoVQA (MedPLIB, appendix and Figure 15), as checks of words.

Every class that is there is named and none that is not; the answer of RegionQA-I is the name alone; its
question names no object; no answer speaks of a mask by its number, or of where its knowledge comes from.

A name is found as a run of whole words whatever their capitals, with a plural "s" or "es" on the last; of
names that overlap the first counts, and of two that begin together the longer ("left kidney" does not speak
of "kidney left" or "left"). Limits: synonyms are not known, and what is said *about* a class is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from typing import Literal

from sagittal.language.quality import is_english

Kind = Literal["region-category", "region-description", "complex", "grounding"]
#: The paper's names of the kinds; the last is MeCoVQA-G's.
KINDS: dict[Kind, str] = {
    "region-category": "RegionQA-I",
    "region-description": "RegionQA-II",
    "complex": "Complex VQA",
    "grounding": "Grounding",
}
Fault = Literal[
    "empty",
    "names_missing",
    "names_absent",
    "answer_not_name",
    "question_names_object",
    "mask_number",
    "source_mentioned",
    "too_long",
    "not_english",
]
#: A slice may show a hundred classes, each with its place; longer replies are essays.
MAX_CHARACTERS = 20_000

Key = tuple[str, ...]
_WORD = re.compile(r"[^\W_]+")
_MASK_NUMBER = re.compile(
    r"<region|\b(?:regions?|masks?|areas?|objects?)[ _#]{0,2}(?:no\.? ?|number )?\d", re.I
)
_SOURCE = re.compile(
    r"\b(?:global descriptions?|(?:provided|given) (?:information|descriptions?|masks?|data|context)"
    r"|descriptions? (?:provided|given)|annotat\w+|meta-?information|metadata|segmentation masks?)\b",
    re.I,
)


def key_of(name: str) -> Key:
    """A name as words in lower case: two names of one key are one class."""
    return tuple(word.lower() for word in _WORD.findall(name))


class Names:
    """Finds the names of classes in words.

    Args:
        names: every class of the whole set.
    """

    def __init__(self, names: Iterable[str]) -> None:
        keys = {key_of(name) for name in names}
        self._by_first: dict[str, list[Key]] = {}
        for key in sorted(keys, key=lambda k: (-len(k), k)):
            for first in {key[0], *(_plurals(key[0]) if len(key) == 1 else ())}:
                self._by_first.setdefault(first, []).append(key)

    def said(self, text: str) -> set[Key]:
        """Keys of the classes that a text names."""
        words, found, at = key_of(text), set(), 0
        while at < len(words):
            for key in self._by_first.get(words[at], ()):
                if _matches(key, words[at : at + len(key)]):
                    found.add(key)
                    at += len(key) - 1
                    break
            at += 1
        return found


def _plurals(word: str) -> tuple[str, str]:
    return f"{word}s", f"{word}es"


def _matches(key: Key, words: Key) -> bool:
    return len(words) == len(key) and words[:-1] == key[:-1] and words[-1] in (key[-1], *_plurals(key[-1]))


def faults(
    kind: Kind,
    question: str,
    answer: str,
    *,
    asked: Iterable[str],
    present: Iterable[str],
    region: str,
    names: Names,
) -> list[Fault]:
    """What is wrong with a question and its answer; an empty list means that they pass.

    Args:
        kind: RegionQA-I, RegionQA-II, complex, or grounding.
        question, answer: words alone, masks left out.
        asked: the classes that are asked for: one of a region, none of a complex question.
        present: the picture's classes.
        region: the scanned region, which may be named although no class of that name is there.
        names: of the whole set.
    """
    found: list[Fault] = []
    if not key_of(question) or not key_of(answer):
        found.append("empty")
    wanted, there = {key_of(name) for name in asked}, {key_of(name) for name in present}
    in_question, in_answer = names.said(question), names.said(answer)
    if kind == "region-category":
        if in_question:
            found.append("question_names_object")
        if [answer] != list(asked):
            found.append("answer_not_name")
    else:
        due = there if kind == "complex" else wanted
        if due - in_answer:
            found.append("names_missing")
        # Asked of what is not there, a refusal names it.
        allowed = there | {key_of(region)} | (wanted if kind == "grounding" else set())
        if in_answer - allowed:
            found.append("names_absent")
        if _MASK_NUMBER.search(_without(answer, there)):
            found.append("mask_number")
    # A request for a segmentation mask is what grounding is.
    if kind != "grounding" and _SOURCE.search(f"{question} {answer}"):
        found.append("source_mentioned")
    if max(len(question), len(answer)) > MAX_CHARACTERS:
        found.append("too_long")
    if kind != "region-category" and not is_english(_without(answer, there | wanted)):
        found.append("not_english")
    return found


def _without(text: str, there: Set[Key]) -> str:
    """A text without the names in it: a class may be called "area 4"."""
    for key in sorted(there, key=len, reverse=True):
        text = re.sub(r"\b" + r"[\W_]+".join(map(re.escape, key)) + r"\b", " ", text, flags=re.I)
    return text
