"""Intervals, agreement and paired tests against their definitions."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from sagittal.score.agreement import cohen_kappa, mcnemar_exact
from sagittal.score.intervals import bootstrap_mean, wilson


def test_kappa_at_its_ends() -> None:
    a = np.array([True, False, True, False])
    assert cohen_kappa(a, a) == 1
    assert cohen_kappa(a, ~a) == -1
    assert cohen_kappa(a, np.array([True, True, False, False])) == 0
    assert cohen_kappa(np.ones(3, bool), np.ones(3, bool)) is None


def test_bootstrap_resamples_clusters_not_values() -> None:
    """Two clusters, one all right and one all wrong: a resample is all right, all wrong, or half."""
    values = np.array([1.0] * 50 + [0.0] * 50)
    assert bootstrap_mean(values, ["a"] * 50 + ["b"] * 50) == [0.0, 1.0]
    assert bootstrap_mean(np.ones(6), list("aabbcc")) == [1.0, 1.0]
    assert bootstrap_mean(values, ["a"] * 100) is None
    # Clusters of unequal size: the mean is over values.
    low, high = bootstrap_mean(np.array([1.0, 0.0, 0.0, 0.0]), list("abbb")) or (-1, -1)
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 10), (10, 10), (159, 208)])
def test_wilson_solves_its_equation(count: int, total: int) -> None:
    """Wilson's limits are the rates p whose distance from the observed one is z standard errors of p."""
    observed, z = count / total, 1.959963984540054
    for p in wilson(count, total):
        assert (observed - p) ** 2 == pytest.approx(z**2 * p * (1 - p) / total, abs=1e-9)


@pytest.mark.parametrize(("first", "second"), [(0, 5), (3, 9), (7, 7), (11, 1)])
def test_mcnemar_is_the_fair_coin(first: int, second: int) -> None:
    n, k = first + second, min(first, second)
    expected = min(1.0, 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n)
    assert mcnemar_exact(first, second) == pytest.approx(expected)
    assert mcnemar_exact(0, 0) == 1
