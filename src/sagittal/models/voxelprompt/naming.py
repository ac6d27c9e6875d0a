"""What a program may name while it is written: images are encoded by variables that there are.

Not in the paper: a slip in a long list of images is a program that cannot run, and nothing is lost by never
writing it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache

from sagittal.agent.standard import STANDARD
from sagittal.language.tokenizer import MOD, PHI, SPECIAL_TOKENS, Tokenizer

_OPEN = re.compile(r"\bencode\(([^()\n]*)$")
#: A variable that a function of images gave an image to.
_ASSIGNED = re.compile(
    rf"^(\w+) = (?:{'|'.join(f.name for f in STANDARD.values() if f.returns == 'Volume')})\(", re.MULTILINE
)


class KnownImages:
    """A constraint on programs (:data:`sagittal.models.decoding.Constraint`): their ``encode(…)`` lists.

    Args:
        tokenizer: of the programs.
        names: variables that there are before the first program.

    Attributes:
        text: what is written of the program before the present call of ``generate``.
    """

    def __init__(self, tokenizer: Tokenizer, names: Iterable[str]) -> None:
        self.tokenizer, self.names, self.text = tokenizer, frozenset(names), ""
        self._mark = tokenizer.special(MOD)
        self._silent = {self._mark, tokenizer.special(PHI)}

    def __call__(self, row: int, so_far: Sequence[int]) -> Collection[int] | None:
        """Tokens that may follow within an open list; ``None``, which is any, elsewhere."""
        text = self.text + self.tokenizer.decode([n for n in so_far if n not in self._silent])
        found = _OPEN.search(text)
        if found is None:
            return None
        names = self.names | set(_ASSIGNED.findall(text))
        fit = _fitting(self.tokenizer, found.group(1), frozenset(names))
        # A mark follows a whole name, and is no part of the text.
        if fits(found.group(1) + ")", names):
            return fit | {self._mark}
        # Where nothing fits the list went wrong before it was looked at; the program will say so.
        return fit or None

    def ended(self, program: str) -> None:
        """What a whole program assigned is there for the next."""
        self.names, self.text = self.names | set(_ASSIGNED.findall(program)), ""


@lru_cache(maxsize=4096)
def _fitting(tokenizer: Tokenizer, arguments: str, names: frozenset[str]) -> frozenset[int]:
    """Tokens that a list of arguments can go on with."""
    return frozenset(n for n, piece in _pieces(tokenizer).items() if fits(arguments + piece, names))


@cache
def _pieces(tokenizer: Tokenizer) -> dict[int, str]:
    """What each token that is no special one writes."""
    special = {tokenizer.special(name) for name in SPECIAL_TOKENS}
    return {n: tokenizer.decode([n]) for n in range(tokenizer.size) if n not in special}


def fits(arguments: str, names: Collection[str]) -> bool:
    """Whether a list of arguments can be gone on with, or ended, each a name and none twice.

    Args:
        arguments: from behind the bracket; a bracket that closes it, and what follows, may be part of it.
        names: those that there are.
    """
    inside, closing, _ = arguments.partition(")")
    *whole, last = inside.split(", ")
    if len(set(whole)) != len(whole) or not set(whole) <= set(names):
        return False
    left = set(names) - set(whole)
    more = "," if len(left) > 1 else ""
    return last in left if closing else any((name + more).startswith(last) for name in left)
