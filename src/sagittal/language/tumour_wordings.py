"""Wordings for the mpLLM protocol from the shipped grammar: offline, counted, reproducible."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from sagittal.language.grammar import Derivation, Grammar, Pool
from sagittal.language.wording import TYPES, Kind, Wording, combination

GRAMMAR_FOLDER = Path(__file__).parent / "grammars" / "tumour_vqa"


class TumourWordings:
    """The shipped grammar's face: see :class:`sagittal.language.wording.Wordings`."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar

    @classmethod
    def load(cls) -> TumourWordings:
        """The shipped grammar, read and compiled once a process."""
        return cls(_shipped())

    def count(self, kind: Kind, tasks: Sequence[str] | None = None, pool: Pool = "all") -> int:
        """Exact number of derivations; ``tasks`` ``None`` adds up every combination of the kind."""
        types: Sequence[Sequence[str]] = [tasks] if tasks is not None else TYPES
        if kind == "out_of_scope":
            types = [()]
        return sum(self._grammar.count(_root(kind, combination(kind, each)), pool) for each in types)

    def sample(
        self, kind: Kind, tasks: Sequence[str], rng: np.random.Generator, pool: Pool = "all"
    ) -> Wording:
        """One wording, each alternative of the grammar equally likely.

        Raises:
            ConfigError: an unknown kind, task or pool.
        """
        ordered = combination(kind, tasks)
        return _wording(kind, ordered, self._grammar.sample(_root(kind, ordered), rng, pool))

    def draw(
        self, kind: Kind, tasks: Sequence[str], n: int, rng: np.random.Generator, pool: Pool = "all"
    ) -> list[Wording]:
        """``n`` wordings, no two with the same question and answer.

        Raises:
            ConfigError: an unknown kind, task or pool, or too few wordings.
        """
        ordered = combination(kind, tasks)
        drawn = self._grammar.draw(_root(kind, ordered), n, rng, pool)
        return [_wording(kind, ordered, derivation) for derivation in drawn]


@cache
def _shipped() -> Grammar:
    return Grammar(sorted(GRAMMAR_FOLDER.glob("*.yaml")))


def _root(kind: str, tasks: tuple[str, ...]) -> str:
    return " ".join((kind, *tasks))


def _wording(kind: Kind, tasks: tuple[str, ...], derivation: Derivation) -> Wording:
    question, answer = derivation.parts
    return Wording(kind, tasks, question, answer, derivation.records.get("item", ()), derivation.withheld)
