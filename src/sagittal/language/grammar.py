"""A recursive template grammar (VoxelPrompt §4.2): counts, samples and ranks wordings exactly.

A symbol is a list of alternatives; an alternative is text that mentions other symbols, recursively.
:mod:`sagittal.language.grammar_source` describes the files. Sampling picks an alternative uniformly
at every symbol, as the paper does; ranks number all derivations without gaps, so a pool can also be
walked or drawn from without replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sagittal.errors import ConfigError
from sagittal.language.grammar_compile import Compiler
from sagittal.language.grammar_nodes import ALL, TRAIN, WITHHELD, Sink, SymbolNode
from sagittal.language.grammar_source import read_source
from sagittal.language.tidy import tidy

Pool = Literal["train", "withheld", "all"]
POOLS: dict[str, int] = {"all": ALL, "train": TRAIN, "withheld": WITHHELD}

PART_MARK = "||"
"""Separates the parts of one derivation, such as a question and its answer."""

_TRIES_PER_WORDING = 4
_WALKABLE = 1_000_000


@dataclass(frozen=True, slots=True)
class Derivation:
    """One wording.

    Attributes:
        parts: the clean texts between the part marks; slots are still open.
        records: table → ids of the entries that it speaks of, in order.
        withheld: whether it uses an element kept back for testing.
    """

    parts: tuple[str, ...]
    records: dict[str, tuple[str, ...]]
    withheld: bool


class Grammar:
    """A compiled grammar.

    Args:
        paths: the YAML files that make it up.
        lenders: files of other grammars, of which only the symbols that are mentioned are taken.

    Raises:
        ConfigError: the files do not make a sound grammar; symbol and line are named.
        StorageError: a file cannot be read.
    """

    def __init__(self, paths: Iterable[str | Path], lenders: Iterable[str | Path] = ()) -> None:
        source = read_source(map(Path, paths))
        source.borrow(read_source(map(Path, lenders)))
        self._roots = Compiler(source).compile()

    @property
    def roots(self) -> tuple[str, ...]:
        """The symbols that may be asked for."""
        return tuple(self._roots)

    def count(self, root: str, pool: Pool = "all") -> int:
        """Number of different derivations, exactly. Different derivations may share a text."""
        return self._root(root).sizes[_pool(pool)]

    def unrank(self, root: str, rank: int, pool: Pool = "all") -> Derivation:
        """Derivation number ``rank``, 0 ≤ rank < ``count(root, pool)``."""
        size = self.count(root, pool)
        if not 0 <= rank < size:
            raise ConfigError("There is no such rank.", expected=f"0 to {size - 1}", got=rank)
        sink = Sink()
        self._root(root).unrank(rank, _pool(pool), sink)
        return _derivation(sink)

    def sample(self, root: str, rng: np.random.Generator, pool: Pool = "all") -> Derivation:
        """One wording: at every symbol each alternative that the pool allows is equally likely.

        Raises:
            ConfigError: an unknown root or pool, or a pool that is empty.
        """
        return next(self._stream(root, rng, pool))

    def draw(self, root: str, n: int, rng: np.random.Generator, pool: Pool = "all") -> list[Derivation]:
        """``n`` wordings, all different in text.

        They are sampled as by :meth:`sample`; where that finds nothing new any more, the rest is
        drawn by rank.

        Raises:
            ConfigError: the pool does not hold ``n`` different texts.
        """
        found: dict[tuple[str, ...], Derivation] = {}
        for source in (
            self._stream(root, rng, pool, n * _TRIES_PER_WORDING),
            self._by_rank(root, rng, pool, n),
        ):
            for derivation in source:
                if len(found) >= n:
                    return list(found.values())
                found.setdefault(derivation.parts, derivation)
        if len(found) < n:
            raise ConfigError(
                f"The pool '{pool}' of '{root}' does not hold enough different wordings.",
                expected=f"at least {n}",
                got=len(found),
                remedy="ask for fewer, or widen the grammar",
            )
        return list(found.values())

    def _stream(
        self, root: str, rng: np.random.Generator, pool: Pool, tries: int = 1
    ) -> Iterator[Derivation]:
        node, number = self._root(root), _pool(pool)
        if not node.sizes[number]:
            raise ConfigError(f"The pool '{pool}' of '{root}' is empty.")
        take = _taker(rng)
        for _ in range(tries):
            sink = Sink()
            node.sample(take, number, sink)
            yield _derivation(sink)

    def _by_rank(self, root: str, rng: np.random.Generator, pool: Pool, n: int) -> Iterator[Derivation]:
        size = self.count(root, pool)
        if size <= _WALKABLE:
            for rank in rng.permutation(size):
                yield self.unrank(root, int(rank), pool)
            return
        seen: set[int] = set()
        for _ in range(_TRIES_PER_WORDING * n):
            rank = _big_integer(rng, size)
            if rank not in seen:
                seen.add(rank)
                yield self.unrank(root, rank, pool)

    def _root(self, root: str) -> SymbolNode:
        if root not in self._roots:
            raise ConfigError("The grammar has no such root.", expected=", ".join(self._roots), got=root)
        return self._roots[root]


def _pool(pool: str) -> int:
    if pool not in POOLS:
        raise ConfigError("There is no such pool.", expected=", ".join(POOLS), got=pool)
    return POOLS[pool]


def _derivation(sink: Sink) -> Derivation:
    parts = tuple(tidy(part) for part in "".join(sink.text).split(PART_MARK))
    records = {table: tuple(entry[0] for entry in entries) for table, entries in sink.chosen.items()}
    return Derivation(parts, records, sink.withheld)


def _taker(rng: np.random.Generator) -> Callable[[int], int]:
    """Integers below n from blocks of 62-bit words: one numpy call a block instead of one a choice.

    The modulo's bias is below n / 2^62.
    """
    block: list[int] = []

    def take(n: int) -> int:
        if n == 1:
            return 0
        if not block:
            block.extend(rng.integers(0, 1 << 62, size=32).tolist())
        return block.pop() % n

    return take


def _big_integer(rng: np.random.Generator, size: int) -> int:
    """An integer in [0, size) of any size; 64 spare bits make the modulo's bias negligible."""
    return int.from_bytes(rng.bytes(size.bit_length() // 8 + 9), "little") % size
