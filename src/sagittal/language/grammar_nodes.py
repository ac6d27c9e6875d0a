"""The compiled form of a grammar: symbols, alternatives and record draws that count and derive.

Every node knows two exact numbers: how many derivations it has in all, and how many of those use
nothing withheld. Three pools follow: ``ALL``; ``TRAIN``, which never uses a withheld element; and
``WITHHELD``, derivations with at least one, of which there are all − train.

A product with at least one withheld factor is split by its *first* withheld factor: the factors
before it come from ``TRAIN``, it from ``WITHHELD``, those after it from ``ALL``. Counting, ranking
and sampling all follow this one split, so they agree by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import perm, prod
from typing import Protocol

ALL, TRAIN, WITHHELD = 0, 1, 2

Take = Callable[[int], int]
"""Draws an integer in [0, n)."""

Entry = tuple[str, dict[str, str]]
"""A record: its id and its fields."""


@dataclass(slots=True)
class Sink:
    """Collects one derivation."""

    text: list[str] = field(default_factory=list)
    chosen: dict[str, list[Entry]] = field(default_factory=dict)
    withheld: bool = False


class Node(Protocol):
    """A factor of an alternative."""

    @property
    def sizes(self) -> Sequence[int]:
        """Derivations in the pools ALL, TRAIN and WITHHELD."""

    def sample(self, take: Take, pool: int, sink: Sink) -> None:
        """Write a derivation, each choice uniform among the alternatives that the pool allows."""

    def unrank(self, rank: int, pool: int, sink: Sink) -> None:
        """Write derivation number ``rank`` of the pool."""


def _sizes(total: int, train: int) -> tuple[int, int, int]:
    return total, train, total - train


@dataclass(frozen=True, slots=True)
class FieldNode:
    """A field of a record that was drawn further up."""

    table: str
    index: int
    field: str
    sizes: tuple[int, int, int] = (1, 1, 0)

    def sample(self, take: Take, pool: int, sink: Sink) -> None:
        sink.text.append(sink.chosen[self.table][self.index][1][self.field])

    def unrank(self, rank: int, pool: int, sink: Sink) -> None:
        sink.text.append(sink.chosen[self.table][self.index][1][self.field])


class RecordDraw:
    """Draws ``count`` different entries of one table, in order; writes no text itself."""

    __slots__ = ("_both", "_fresh_ids", "count", "fresh", "kept", "sizes", "table")

    def __init__(self, table: str, count: int, kept: Sequence[Entry], withheld: Sequence[Entry]) -> None:
        self.table, self.count = table, count
        self.kept, self.fresh = list(kept), list(withheld)
        self._both = self.kept + self.fresh
        self._fresh_ids = {entry[0] for entry in withheld}
        self.sizes = _sizes(perm(len(kept) + len(withheld), count), perm(len(kept), count))

    def sample(self, take: Take, pool: int, sink: Sink) -> None:
        self.unrank(take(self.sizes[pool]), pool, sink)

    def unrank(self, rank: int, pool: int, sink: Sink) -> None:
        first = self.count
        if pool == WITHHELD:
            first, rank = self._first_withheld(rank)
        chosen: list[Entry] = []
        for position in range(self.count):
            options = self._options(position, first, pool, chosen)
            rank, digit = divmod(rank, len(options))
            chosen.append(options[digit])
            sink.withheld |= options[digit][0] in self._fresh_ids
        sink.chosen[self.table] = chosen

    def _options(self, position: int, first: int, pool: int, chosen: list[Entry]) -> list[Entry]:
        if pool == TRAIN or (pool == WITHHELD and position < first):
            base = self.kept
        elif pool == WITHHELD and position == first:
            base = self.fresh
        else:
            base = self._both
        return [entry for entry in base if entry not in chosen] if chosen else base

    def _first_withheld(self, rank: int) -> tuple[int, int]:
        everything = len(self.kept) + len(self.fresh)
        for first in range(self.count):
            rest = perm(everything - first - 1, self.count - first - 1)
            block = perm(len(self.kept), first) * len(self.fresh) * rest
            if rank < block:
                return first, rank
            rank -= block
        raise IndexError(rank)


class Branch:
    """One alternative of a symbol, compiled: literals with factors between them."""

    __slots__ = ("factors", "literals", "sizes", "turns", "withheld")

    def __init__(self, literals: Sequence[str], factors: Sequence[Node], withheld: bool) -> None:
        self.literals, self.factors, self.withheld = tuple(literals), tuple(factors), withheld
        total = prod(factor.sizes[ALL] for factor in factors)
        train = 0 if withheld else prod(factor.sizes[TRAIN] for factor in factors)
        self.sizes = _sizes(total, train)
        # The positions that can be the first withheld factor: no factor's TRAIN pool is ever empty.
        self.turns = tuple(i for i, factor in enumerate(factors) if factor.sizes[WITHHELD])

    def _block(self, turn: int) -> int:
        before = prod(factor.sizes[TRAIN] for factor in self.factors[:turn])
        after = prod(factor.sizes[ALL] for factor in self.factors[turn + 1 :])
        return before * self.factors[turn].sizes[WITHHELD] * after

    def sample(self, take: Take, pool: int, sink: Sink) -> None:
        """As :meth:`Node.sample`; the pool must not be empty."""
        if self.withheld:
            sink.withheld = True
            pool = ALL
        append, literals = sink.text.append, self.literals
        append(literals[0])
        if pool == WITHHELD:
            turn = self.turns[take(len(self.turns))]
            for position, (factor, own) in enumerate(zip(self.factors, self._pools(turn), strict=True), 1):
                factor.sample(take, own, sink)
                append(literals[position])
            return
        for position, factor in enumerate(self.factors, 1):
            factor.sample(take, pool, sink)
            append(literals[position])

    def unrank(self, rank: int, pool: int, sink: Sink) -> None:
        pools: Iterator[int]
        if self.withheld:
            sink.withheld = True
            pools = iter([ALL] * len(self.factors))
        elif pool == WITHHELD:
            turn, rank = self._turn_of(rank)
            pools = self._pools(turn)
        else:
            pools = iter([pool] * len(self.factors))
        sink.text.append(self.literals[0])
        for factor, literal, own in zip(self.factors, self.literals[1:], pools, strict=True):
            rank, digit = divmod(rank, factor.sizes[own])
            factor.unrank(digit, own, sink)
            sink.text.append(literal)

    def _pools(self, turn: int) -> Iterator[int]:
        for position in range(len(self.factors)):
            yield TRAIN if position < turn else WITHHELD if position == turn else ALL

    def _turn_of(self, rank: int) -> tuple[int, int]:
        for turn in self.turns:
            block = self._block(turn)
            if rank < block:
                return turn, rank
            rank -= block
        raise IndexError(rank)


class SymbolNode:
    """A symbol with its parameters bound."""

    __slots__ = ("branches", "name", "options", "sizes")

    def __init__(self, name: str, branches: Sequence[Branch]) -> None:
        self.name, self.branches = name, tuple(branches)
        self.sizes = _sizes(sum(b.sizes[ALL] for b in branches), sum(b.sizes[TRAIN] for b in branches))
        self.options = tuple(tuple(b for b in branches if b.sizes[pool]) for pool in (ALL, TRAIN, WITHHELD))

    def sample(self, take: Take, pool: int, sink: Sink) -> None:
        options = self.options[pool]
        branch = options[take(len(options))]
        if branch.factors:
            branch.sample(take, pool, sink)
            return
        sink.text.append(branch.literals[0])
        sink.withheld |= branch.withheld

    def unrank(self, rank: int, pool: int, sink: Sink) -> None:
        for branch in self.branches:
            if rank < branch.sizes[pool]:
                branch.unrank(rank, pool, sink)
                return
            rank -= branch.sizes[pool]
        raise IndexError(rank)
