"""Agreement of two raters, and paired comparison of two models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """McNemar's exact test, two-sided: of the items where just one is right, is it a fair coin?

    Args:
        only_first, only_second: items that only the first, or only the second, got right.
    """
    from scipy.stats import binomtest

    total = only_first + only_second
    return float(binomtest(only_second, total).pvalue) if total else 1.0


def cohen_kappa(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float | None:
    """Agreement of two readers beyond chance; ``None`` when both gave everything one and the same mark."""
    p, q = first.mean(), second.mean()
    chance = p * q + (1 - p) * (1 - q)
    if chance == 1:
        return None
    return float(((first == second).mean() - chance) / (1 - chance))
