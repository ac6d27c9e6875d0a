"""Scores of written programs against the true ones: exactly right, abstentions, φ nearest to its own code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.score.intervals import bootstrap_mean, wilson

_ABSTAIN = "abstain("


@dataclass(frozen=True)
class WrittenPrograms:
    """One conversation.

    Attributes:
        wanted: the true programs.
        written: what the model wrote, as far as it was led: to its first program that is another.
        cluster: its patient.
        kind: its task, or the reason not to answer.
        codes: of each φ, whether the nearest code of all is its own.
    """

    wanted: tuple[str, ...]
    written: tuple[str, ...]
    cluster: str
    kind: str = ""
    codes: tuple[bool, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every program is the true one, letter by letter."""
        return self.written == self.wanted

    @property
    def unanswerable(self) -> bool:
        """Whether the truth abstains."""
        return _ABSTAIN in self.wanted[0]

    @property
    def abstained(self) -> bool:
        """Whether the model abstained, for whatever reason."""
        return bool(self.written) and _ABSTAIN in self.written[0]


@dataclass(frozen=True)
class Rate:
    """A share with its interval of 95 %.

    Attributes:
        count, total: successes and observations.
        interval: over resampled patients, or Wilson's where there is but one.
    """

    count: int
    total: int
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.total


def program_scores(conversations: Sequence[WrittenPrograms]) -> dict[str, Rate]:
    """Rates over conversations; one that has nothing to be counted over is left out.

    ``exact``; ``answerable exact``; ``abstain precision``: of the abstentions, those that the truth makes,
    too; ``abstain recall``: of the true ones, those made; ``reason``: of those, with the true reason;
    ``codes``: over all φ.

    Raises:
        InputError: no conversation.
    """
    if not conversations:
        raise InputError("There is nothing to score.", expected="at least one conversation", got=0)
    answerable = [c for c in conversations if not c.unanswerable]
    unanswerable = [c for c in conversations if c.unanswerable]
    abstained = [c for c in conversations if c.abstained]
    found = {
        "exact": _rate((c.exact, c.cluster) for c in conversations),
        "answerable exact": _rate((c.exact, c.cluster) for c in answerable),
        "abstain precision": _rate((c.unanswerable, c.cluster) for c in abstained),
        "abstain recall": _rate((c.abstained, c.cluster) for c in unanswerable),
        "reason": _rate((c.exact, c.cluster) for c in abstained if c.unanswerable),
        "codes": _rate((right, c.cluster) for c in conversations for right in c.codes),
    }
    return {name: rate for name, rate in found.items() if rate is not None}


def by_kind(conversations: Sequence[WrittenPrograms]) -> dict[str, Rate]:
    """How often programs are exact, by task and reason, the worst first."""
    kinds = sorted({c.kind for c in conversations})
    rates = {k: _rate((c.exact, c.cluster) for c in conversations if c.kind == k) for k in kinds}
    known = {kind: rate for kind, rate in rates.items() if rate is not None}
    return dict(sorted(known.items(), key=lambda entry: entry[1].value))


def _rate(observations: Iterable[tuple[bool, str]]) -> Rate | None:
    pairs = list(observations)
    if not pairs:
        return None
    right: NDArray[np.float64] = np.array([float(r) for r, _ in pairs])
    count = int(right.sum())
    low, high = bootstrap_mean(right, [cluster for _, cluster in pairs]) or wilson(count, len(pairs))
    return Rate(count, len(pairs), (low, high))
