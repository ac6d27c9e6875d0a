"""Power laws of a loss: over steps, and over sizes and steps.

Kaplan et al. 2020 (arXiv:2001.08361), Eq. 5.6; VILA-M3, Table 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


def fit_power_law(steps: Sequence[int], losses: Sequence[float]) -> tuple[float, float, float] | None:
    """α, S_c and L∞ of L = (S_c / S)^α + L∞; ``None`` with fewer than four points, or where none fits."""
    from scipy.optimize import curve_fit

    if len(steps) < 4:
        return None

    def law(step: np.ndarray, alpha: float, log_scale: float, floor: float) -> np.ndarray:
        return np.exp(alpha * (log_scale - np.log(step))) + floor

    start = (1.0, np.log(steps[0]), min(losses))
    try:
        found, _ = curve_fit(
            law, np.array(steps, float), np.array(losses), start,
            bounds=([0.01, -20.0, 0.0], [10.0, 40.0, np.inf]), maxfev=20_000,
        )  # fmt: skip
    except RuntimeError:
        return None
    return float(found[0]), float(np.exp(found[1])), float(found[2])


@dataclass(frozen=True)
class SizeLaw:
    """L(N, S) = (N_c / N)^α_N + (S_c / S)^α_S.

    Attributes:
        alpha_n, alpha_s: exponents.
        n_c, s_c: scales, of parameters and steps.
        error: root mean square of the fit's relative error.
    """

    alpha_n: float
    alpha_s: float
    n_c: float
    s_c: float
    error: float = float("nan")

    def loss(self, sizes: ArrayLike, steps: ArrayLike) -> NDArray[np.float64]:
        """What the law says of models of some sizes after some steps; both broadcast."""
        by_size = (self.n_c / np.asarray(sizes, float)) ** self.alpha_n
        by_step = (self.s_c / np.asarray(steps, float)) ** self.alpha_s
        return np.asarray(by_size + by_step)


def fit_size_law(sizes: Sequence[float], steps: Sequence[float], losses: Sequence[float]) -> SizeLaw | None:
    """The law that fits best, by least squares of the losses' logarithms.

    Args:
        sizes, steps, losses: of each point, (n,).

    Returns:
        ``None`` where there are fewer than three sizes, or points than the law has parameters and one more.
    """
    from scipy.optimize import least_squares

    if len(set(sizes)) < 3 or len(losses) < 5:
        return None
    log_n, log_s, log_loss = (np.log(np.array(values, float)) for values in (sizes, steps, losses))

    def miss(found: np.ndarray) -> np.ndarray:
        alpha_n, alpha_s, log_nc, log_sc = found
        by_size, by_step = alpha_n * (log_nc - log_n), alpha_s * (log_sc - log_s)
        return np.logaddexp(by_size, by_step) - log_loss

    bounds = ([0.01, 0.01, -20.0, -20.0], [10.0, 10.0, 60.0, 40.0])
    # From several beginnings: where one term is all of the loss, the other is lost.
    starts = [(a, b, log_n.min(), log_s.min()) for a in (0.1, 0.5, 1.0) for b in (0.5, 1.0, 2.0)]
    best = min((least_squares(miss, start, bounds=bounds) for start in starts), key=lambda one: one.cost)
    alpha_n, alpha_s, log_nc, log_sc = (float(value) for value in best.x)
    error = float(np.sqrt(np.mean(best.fun**2)))
    return SizeLaw(alpha_n, alpha_s, float(np.exp(log_nc)), float(np.exp(log_sc)), error)
