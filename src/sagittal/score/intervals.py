"""Intervals of means and rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95


def wilson(count: int, total: int) -> list[float]:
    """Wilson's interval of a rate; takes the observations for independent.

    Args:
        count: successes.
        total: observations, at least one.
    """
    from scipy.stats import binomtest

    found = binomtest(count, total).proportion_ci(LEVEL, method="wilson")
    return [float(found.low), float(found.high)]


def bootstrap_mean(values: NDArray[np.float64], clusters: Sequence[str]) -> list[float] | None:
    """Percentile interval of a mean over resampled studies; ``None`` with fewer than two studies.

    Args:
        values: one for each question.
        clusters: its study.
    """
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < 2:
        return None
    sums, counts = np.bincount(index, values), np.bincount(index)
    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return [float(v) for v in np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])]


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean of the values that are numbers; not a number where none of them has a weight."""
    there = ~np.isnan(values)
    own = weights * there
    return float((own * np.nan_to_num(values)).sum() / own.sum()) if own.sum() else float("nan")
