"""Which elements of a grammar are kept back for testing.

About a tenth of the templates of every template symbol (at least one), a tenth of the synonyms of
every symbol below them that has enough of them, and a tenth of every record table are *withheld*.
The choice follows from a hash of the text, so it needs no seed, is the same for every user, and
hardly moves when a grammar grows. A symbol that is also reached outside the templates (an answer's
vocabulary, say) withholds nothing: a withheld wording has its withheld element inside a template,
or in the record that the template speaks of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sagittal.language.grammar_source import Definition

SHARE = 0.1
FEWEST_SYNONYMS = 8
"""A symbol with fewer alternatives than this keeps them all: each one is a large part of it."""


def _lowest(texts: Iterable[str], owner: str, number: int) -> frozenset[str]:
    def key(text: str) -> bytes:
        return hashlib.sha256(f"{owner}\0{text}".encode()).digest()

    return frozenset(sorted(texts, key=key)[:number])


def withheld_alternatives(definition: Definition, *, is_template: bool) -> frozenset[str]:
    """The texts of a symbol's alternatives that are withheld; never all of them."""
    texts = [str(alternative.text) for alternative in definition.alternatives]
    enough = len(texts) >= (2 if is_template else FEWEST_SYNONYMS)
    return _lowest(texts, definition.name, max(1, round(SHARE * len(texts)))) if enough else frozenset()


def withheld_records(table: str, entries: Mapping[str, object]) -> frozenset[str]:
    """The ids of a record table's entries that are withheld; never all of them."""
    enough = len(entries) >= FEWEST_SYNONYMS
    return _lowest(entries, table, max(1, round(SHARE * len(entries)))) if enough else frozenset()
