"""Which characters a program may write, and how foreign text is made harmless.

Words of a program end in a terminal, a web page and a trace. Characters that steer one of those
(control characters, direction overrides, markup) have no place in an answer about a scan, so the
language refuses them, and names that come from files lose them.
"""

from __future__ import annotations

import unicodedata

#: Brackets and marks that HTML, Markdown, TeX and rich text give a meaning.
MARKUP = frozenset("<>[]{}\\|`^$~#*&")
# More than this many combining marks on one letter run over the lines around it.
_MOST_MARKS = 2
_REPLACEMENT = "�"


def strange_character(text: str, *, also: frozenset[str] = frozenset()) -> str | None:
    """The name of the first character that may not stand in text; ``None`` when there is none.

    Refused are control and format characters (ANSI escapes, direction overrides, zero-width
    letters, line ends), lone surrogates, private and unassigned characters, every space but the
    plain one, more than two combining marks in a row, and those in ``also``.
    """
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        bad = category[0] in "CZ" and character != " "
        if bad or marks > _MOST_MARKS or character in also:
            return unicodedata.name(character, f"U+{ord(character):04X}")
    return None


def plain(text: str, limit: int) -> str:
    """``text`` on one line of at most ``limit`` characters, strange characters replaced by �.

    For texts that are ours in wording but may quote a name from a file or a program.
    """
    flat = " ".join(text[: 4 * limit].split())
    kept = "".join(_REPLACEMENT if strange_character(c) else c for c in flat)
    # One character at a time misses marks in a row.
    if strange_character(kept):
        kept = "".join(c for c in kept if not unicodedata.category(c).startswith("M"))
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def harmless(text: str, limit: int) -> str:
    """``text`` without markup either: for names that come from a user's files into an answer's words."""
    return "".join(_REPLACEMENT if c in MARKUP else c for c in plain(text, limit))


def loose_number(text: str) -> str | None:
    """The first number that literal text states by itself; ``None`` when there is none.

    One or two digits that follow an ASCII letter are part of a name (T1, CN7) and are no number.
    Numbers in words ("twelve") are not seen.
    """
    i = 0
    while i < len(text):
        if unicodedata.category(text[i]) not in ("Nd", "Nl", "No"):
            i += 1
            continue
        end = i
        while end < len(text) and unicodedata.category(text[end]) in ("Nd", "Nl", "No"):
            end += 1
        run = text[i:end]
        named = i > 0 and text[i - 1].isascii() and text[i - 1].isalpha()
        if not (named and run.isascii() and len(run) <= 2):
            return run[:20]
        i = end
    return None
