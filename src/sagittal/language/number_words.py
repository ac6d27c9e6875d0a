"""Numbers that belong to a name, as words: an answer may state in digits only what was measured."""

from __future__ import annotations

import re

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# Digits right behind a letter (T1, L5) are seen as part of a name anyway.
_LOOSE = re.compile(r"(?<![A-Za-z0-9.])[0-9]{1,2}(?![0-9.])")


def with_number_words(name: str) -> str:
    """A name whose numbers up to 99 stand in words: ``left rib one`` for ``left rib 1``."""
    return _LOOSE.sub(lambda found: _in_words(int(found[0])), name)


def _in_words(number: int) -> str:
    if number < len(_SMALL):
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f"-{_SMALL[ones]}" if ones else "")
