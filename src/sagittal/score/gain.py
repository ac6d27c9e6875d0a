"""The mean relative gain of one method over another, Δ (IMAX, Eq. 1 and Tables 1 and 2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from sagittal.errors import InputError


@dataclass(frozen=True)
class Gain:
    """What a method gains over another.

    Attributes:
        percent: Δ, the mean over metrics.
        improved: how many metrics are better (Table 1).
        metrics: how many there are.
    """

    percent: float
    improved: int
    metrics: int


def relative_gains(
    method: Mapping[str, float], baseline: Mapping[str, float], lower: Collection[str]
) -> dict[str, float]:
    """100·(m − b) / b of each metric; not a number where b is 0 or one of the two is unknown.

    The equation is printed without signs. Where lower is better, an improvement must count as a gain, or a
    halved error would be a loss: there the sign is flipped, and so Table 2's figures come out.

    Args:
        method, baseline: metric → value, in any unit that is 0 where nothing is.
        lower: metrics whose lower values are better, as MAE and RMSE are.

    Raises:
        InputError: no metric, or other ones on either side.
    """
    if not baseline or method.keys() != baseline.keys():
        raise InputError(
            "A gain is over the same metrics.", expected=", ".join(baseline), got=", ".join(method)
        )
    return {
        metric: (-100.0 if metric in lower else 100.0) * (method[metric] - value) / value
        if value
        else float("nan")
        for metric, value in baseline.items()
    }


def average_gain(method: Mapping[str, float], baseline: Mapping[str, float], lower: Collection[str]) -> Gain:
    """Δ of Eq. 1: the mean of :func:`relative_gains`, each metric counting the same.

    Raises:
        InputError: no metric, other ones on either side, or one whose gain is undefined.
    """
    gains = relative_gains(method, baseline, lower)
    undefined = [metric for metric, value in gains.items() if not np.isfinite(value)]
    if undefined:
        raise InputError(
            "There is no gain over nothing.",
            expected="finite figures, those of the baseline other than 0",
            got=", ".join(f"{name}: {method[name]} over {baseline[name]}" for name in undefined),
            remedy="leave such a metric out on both sides, and say so",
        )
    return Gain(float(np.mean(list(gains.values()))), sum(v > 0 for v in gains.values()), len(gains))
