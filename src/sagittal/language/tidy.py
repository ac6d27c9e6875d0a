"""Typographic clean-up of generated sentences: spaces, punctuation, capitals, a/an.

English only, and by spelling: "an hour" and "a union" are known exceptions, others are not.
"""

from __future__ import annotations

import re

_MARKS = ",;:.?!"
_MET_MARKS = re.compile(r"[,;:.?!]{2,}")
_SENTENCE_START = re.compile(r"[.?!] [a-z]")
# Lower case only: a capital A may be a name ("vitamin A"); capitals are given afterwards.
_ARTICLE = re.compile(r"\ban? (?=([A-Za-z]+))")
# Spelt with a vowel but spoken with a consonant, and the other way round.
_SPOKEN_CONSONANT = re.compile(r"uni|use|usu|uti|eu|one|once", re.IGNORECASE)
_SPOKEN_VOWEL = re.compile(r"hour|honest|honou?r|heir", re.IGNORECASE)
# An abbreviation is spelt out: F, H, L, M, N, R, S and X are spoken with a vowel first.
_ABBREVIATION = re.compile(r"[A-Z]{2,}|[A-Z]$")


def tidy(text: str) -> str:
    """Return ``text`` as clean sentences.

    Single spaces; none before a mark; marks that meet become one; "a"/"an" by the next word;
    a capital at each sentence start; a full stop where no final mark is. Slots stay as they are.
    """
    text = " ".join(text.split())
    for mark in _MARKS:
        text = text.replace(f" {mark}", mark)
    text = _MET_MARKS.sub(_strongest_mark, text)
    # A search for the bare words is cheap; the expression is not.
    if " a " in text or " an " in text or text.startswith(("a ", "an ")):
        text = _ARTICLE.sub(_agreed_article, text)
    text = text.rstrip(",;:")
    if text and text[-1] not in ".?!":
        text += "."
    return capitalize_sentences(text)


def capitalize_sentences(text: str) -> str:
    """Give every sentence of ``text`` a capital first letter."""
    return text[:1].upper() + _SENTENCE_START.sub(_upper, text)[1:]


def _strongest_mark(match: re.Match[str]) -> str:
    """Marks that met at a join become one: the first that ends a sentence, else the last."""
    met = match.group(0)
    return next((mark for mark in met if mark in ".?!"), met[-1])


def _upper(match: re.Match[str]) -> str:
    return match.group(0).upper()


def _agreed_article(match: re.Match[str]) -> str:
    return "an " if _starts_with_vowel_sound(match.group(1)) else "a "


def _starts_with_vowel_sound(word: str) -> bool:
    if _ABBREVIATION.match(word):
        return word[0] in "AEFHILMNORSX"
    if _SPOKEN_CONSONANT.match(word):
        return False
    return word[0] in "AEIOUaeiou" or _SPOKEN_VOWEL.match(word) is not None
