"""Answers of several seeds → figures and gains, spread over resampled seeds and patients (Tables 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.score.chest import LOWER, METRICS, ChestScores
from sagittal.score.descriptors import RESAMPLES, Figure, spread
from sagittal.score.gain import relative_gains

#: From how often each answer counts, and the seeds that count, to figures.
Found = Callable[[NDArray[np.float64], Sequence[int]], Mapping[str, float]]


@dataclass(frozen=True)
class ArmGain:
    """What an arm gains over another (Eq. 1).

    Attributes:
        by_metric: metric → gain in percent, of the seeds' mean figures.
        mean: Δ, the mean of those that are defined.
        undefined: metrics of which there is no gain.
        by_seed: Δ of each seed by itself.
    """

    by_metric: Mapping[str, Figure]
    mean: Figure
    undefined: tuple[str, ...]
    by_seed: tuple[float, ...]

    @property
    def improved(self) -> int:
        """Metrics that are better."""
        return sum(figure.value > 0 for figure in self.by_metric.values())

    @property
    def surely(self) -> tuple[int, int]:
        """Metrics whose interval lies wholly above 0, and wholly below."""
        own = self.by_metric.values()
        return sum(figure.low > 0 for figure in own), sum(figure.high < 0 for figure in own)


def arm_figures(runs: Sequence[ChestScores]) -> dict[str, Figure]:
    """The seeds' mean of each metric, in the order of Table 2."""
    same_questions(runs)
    return resampled_seeds(lambda weights, seeds: _mean(runs, weights, seeds), runs)


def arm_gain(method: Sequence[ChestScores], baseline: Sequence[ChestScores]) -> ArmGain:
    """The gain of one arm over another; seeds and patients are drawn for both together.

    Args:
        method, baseline: one a seed, in the same order.

    Raises:
        InputError: other questions or another number of seeds on either side.
    """
    if len(method) != len(baseline):
        raise InputError("Arms have the same seeds.", expected=len(baseline), got=len(method))
    same_questions([*method, *baseline])

    def each(weights: NDArray[np.float64], seeds: Sequence[int]) -> dict[str, float]:
        return relative_gains(_mean(method, weights, seeds), _mean(baseline, weights, seeds), LOWER)

    once = np.ones(len(method[0].answers))
    whole = each(once, range(len(method)))
    # Which metrics Δ is over is settled once: a draw must not choose among them.
    defined = [name for name, value in whole.items() if np.isfinite(value)]

    def gains(weights: NDArray[np.float64], seeds: Sequence[int]) -> dict[str, float]:
        own = each(weights, seeds)
        return {**{n: own[n] for n in defined}, "": float(np.mean([own[n] for n in defined] or [np.nan]))}

    found = resampled_seeds(gains, method)
    mean = found.pop("")
    by_seed = tuple(gains(once, [seed])[""] for seed in range(len(method)))
    return ArmGain(found, mean, tuple(name for name in whole if name not in defined), by_seed)


def resampled_seeds(found: Found, runs: Sequence[ChestScores]) -> dict[str, Figure]:
    """Figures with their spread: patients and seeds are both drawn with replacement.

    Args:
        found: gives the figures.
        runs: one a seed; the first one's patients are drawn.
    """
    names, index = np.unique(runs[0].patients, return_inverse=True)
    whole = found(np.ones(len(index)), range(len(runs)))
    rng = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    for _ in range(RESAMPLES):
        counts = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        seeds = [int(n) for n in rng.integers(len(runs), size=len(runs))]
        for name, value in found(counts[index].astype(float), seeds).items():
            drawn[name].append(value)
    return {name: spread(value, np.array(drawn[name])) for name, value in whole.items()}


def same_questions(runs: Sequence[ChestScores]) -> None:
    """Make sure that all runs answer the same questions.

    Raises:
        InputError: they do not.
    """
    asked = [[(one.id, one.patient, one.task, one.truth) for one in run.answers] for run in runs]
    if any(own != asked[0] for own in asked):
        raise InputError("Runs are compared on the same questions.", got="other questions in one of them")


def _mean(
    runs: Sequence[ChestScores], weights: NDArray[np.float64], seeds: Sequence[int]
) -> dict[str, float]:
    each = [runs[seed].published(weights) for seed in seeds]
    return {name: float(np.mean([own[name] for own in each])) for name in METRICS if name in each[0]}
