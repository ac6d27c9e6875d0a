"""Two methods on the same cases: is there a difference, is one no worse, how far are both from guessing.

VoxelPrompt §5.2 and §5.3 test with a paired t-test. "No difference was found" on a few cases says little;
that one is at most a margin worse is a claim of its own, and its test needs enough cases to pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sagittal.errors import ConfigError, InputError
from sagittal.score.intervals import LEVEL, RESAMPLES, bootstrap_mean, wilson

#: Dice points that a method may be worse and still count as no worse: 2 of 100.
MARGIN = 0.02


@dataclass(frozen=True)
class Paired:
    """First method against second, both on every case.

    Attributes:
        cases: how many; a study's sessions, averaged before, are one.
        first, second: mean scores.
        difference: first − second, mean over cases.
        interval: of the difference, bootstrap over cases, 95 %; ``None`` with one case.
        p: of the two-sided paired t-test; ``None`` with one case.
        lower: lower end of the one-sided 95 % interval of the difference; ``None`` with one case.
        margin: by which the first may be worse.
    """

    cases: int
    first: float
    second: float
    difference: float
    interval: tuple[float, float] | None
    p: float | None
    lower: float | None
    margin: float

    @property
    def non_inferior(self) -> bool | None:
        """Whether the first is shown to be worse by less than the margin; ``None`` with one case."""
        return None if self.lower is None else self.lower > -self.margin


def paired(first: ArrayLike, second: ArrayLike, *, margin: float = MARGIN) -> Paired:
    """Compare the scores of two methods case by case.

    Args:
        first, second: (n,), one score a case, in the same order; higher is better.
        margin: of non-inferiority, in units of the scores.

    Raises:
        InputError: no case, other numbers of cases, or a score that is no number.
        ConfigError: a margin below 0.
    """
    if margin < 0:
        raise ConfigError("A margin is not below 0.", got=margin)
    a, b = _scores(first, second)
    apart = a - b
    ends = bootstrap_mean(apart, [str(n) for n in range(len(apart))])
    return Paired(
        len(apart), float(a.mean()), float(b.mean()), float(apart.mean()),
        None if ends is None else (ends[0], ends[1]), t_test(a, b), lower_bound(apart), margin,
    )  # fmt: skip


def t_test(first: ArrayLike, second: ArrayLike) -> float | None:
    """p of the two-sided paired t-test; ``None`` with one case.

    Where all differences are 0, p is 1; where all are alike and not 0, their spread is 0 and p is, too.

    Raises:
        InputError: as for :func:`paired`.
    """
    from scipy.stats import t

    a, b = _scores(first, second)
    apart = a - b
    if len(apart) < 2:
        return None
    # Not scipy's own test, which gives no number where all cases differ by the same.
    error = _standard_error(apart)
    if error == 0:
        return float(not apart.any())
    return float(2 * t.sf(abs(apart.mean()) / error, len(apart) - 1))


def lower_bound(differences: ArrayLike, *, level: float = LEVEL) -> float | None:
    """Lower end of the one-sided interval of a mean, by Student's t; ``None`` with one case."""
    from scipy.stats import t

    apart: NDArray[np.float64] = np.asarray(differences, float)
    if len(apart) < 2:
        return None
    return float(apart.mean() - t.ppf(level, len(apart) - 1) * _standard_error(apart))


def _standard_error(apart: NDArray[np.float64]) -> float:
    # Differences of equal scores may part by a last bit.
    if np.ptp(apart) <= 1e-12:
        return 0.0
    return float(apart.std(ddof=1) / np.sqrt(len(apart)))


@dataclass(frozen=True)
class Accuracy:
    """How often a method names the right class, and how often guessing would.

    Attributes:
        right, cases: counts.
        interval: 95 %, over resampled studies, or Wilson's where cases are studies.
        uniform: 1 / classes.
        majority: share of the commonest true class: what always naming it would score.
    """

    right: int
    cases: int
    interval: tuple[float, float]
    uniform: float
    majority: float

    @property
    def value(self) -> float:
        """Share that is right."""
        return self.right / self.cases


def accuracy(
    named: Sequence[str | None],
    truth: Sequence[str],
    classes: int,
    studies: Sequence[str] | None = None,
) -> Accuracy:
    """Accuracy over cases; what named no class (``None``) is wrong.

    Args:
        named, truth: one a case.
        classes: how many there are to choose from.
        studies: of the cases, where a study may give several; each is its own when ``None``.

    Raises:
        InputError: no case, other numbers of cases, or fewer classes than the truth has.
    """
    if not truth or len(named) != len(truth):
        raise InputError("Each case has one true class.", expected=len(named), got=len(truth))
    counts = Counter(truth)
    if len(counts) > classes:
        raise InputError("The truth has more classes than there are.", expected=classes, got=sorted(counts))
    right = [a == b for a, b in zip(named, truth, strict=True)]
    ends = None
    if studies is not None and len(set(studies)) < len(studies):
        ends = bootstrap_mean(np.array(right, float), studies)
    low, high = ends or wilson(sum(right), len(right))
    return Accuracy(sum(right), len(right), (low, high), 1 / classes, max(counts.values()) / len(right))


def mean_over_tasks(tasks: Sequence[ArrayLike]) -> tuple[float, tuple[float, float]]:
    """Mean of several tasks' mean scores, each task counting the same, and its 95 % interval.

    Cases are resampled within their task: the tasks are those that they are, not a sample of tasks.

    Args:
        tasks: per task, (n,) scores.

    Raises:
        InputError: no task, or one without cases.
    """
    scores = [np.asarray(task, float) for task in tasks]
    if not scores or not all(len(task) for task in scores):
        raise InputError("A mean is over tasks that have cases.", got=[len(task) for task in scores])
    rng = np.random.default_rng(0)
    drawn = [task[rng.integers(len(task), size=(RESAMPLES, len(task)))].mean(axis=1) for task in scores]
    low, high = np.quantile(np.mean(drawn, axis=0), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(np.mean([task.mean() for task in scores])), (float(low), float(high))


def _scores(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a: NDArray[np.float64] = np.asarray(first, float)
    b: NDArray[np.float64] = np.asarray(second, float)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise InputError("Both methods score the same cases.", expected=a.shape, got=b.shape)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("A score is a finite number.", got="NaN or infinite")
    return a, b
