"""Words of an answer, and how far two answers share them.

Normalisation: Unicode's compatibility form (NFKC), case folded; a word is a run of letters and digits, an
apostrophe inside it kept; a number keeps its decimals; each Chinese character is a word; other signs part
words and vanish ("T2-weighted" is two words, "-5" is "5"). The articles a, an and the are left out, unless
nothing else is there.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"\d+(?:[.,]\d+)+|[{_HAN}]|(?:(?![{_HAN}_])\w)+(?:'(?:(?![{_HAN}_])\w)+)*")
_ARTICLES = frozenset({"a", "an", "the"})


def words(text: str) -> tuple[str, ...]:
    """The normalised words of a text, in order."""
    found = every_word(text)
    return tuple(word for word in found if word not in _ARTICLES) or found


def every_word(text: str) -> tuple[str, ...]:
    """The normalised words of a text, in order, with its articles."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")))


def precision_and_recall(given: str, reference: str) -> tuple[float, float]:
    """Shares of the given answer's words that the reference has, and of the reference's that are given.

    Words count as often as they stand, shared ones as often as in the poorer text: a word said three times
    and due once is one hit. (MedPLIB's published code counts it three times in both shares.) A text without
    words has no hit: both shares are 0.
    """
    said, due = Counter(words(given)), Counter(words(reference))
    both = (said & due).total()
    return both / max(1, said.total()), both / max(1, due.total())
