"""The figures of IMAX's Table 2: seven tasks about films, sixteen metrics, spread over resampled patients.

Shares are 0–1 (the paper prints hundredths), errors of ratios hundredths. An answer that cannot be read is
wrong wherever right and wrong are counted, has no error where errors are (:mod:`sagittal.score.calculation`),
and is counted beside every figure as ``TASK unread``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.score.chest_tasks import Answered, Scored, Task, score_task
from sagittal.score.descriptors import Figure, resampled
from sagittal.score.gain import Gain, average_gain, relative_gains

#: Columns of Table 2, in its order: what Δ is the mean over.
METRICS = (
    "calculate-cpar MAE", "calculate-cpar RMSE", "calculate-ctr MAE", "calculate-ctr RMSE",
    "caption BLEU-1", "caption ROUGE-1", "caption METEOR", "cls-multiclass accuracy",
    "cls-multilabel micro F1", "cls-multilabel macro F1", "rec IoU", "rec R@0.5", "reg accuracy",
    "vqa-verify accuracy", "vqa-choose BLEU-1", "vqa-query BLEU-1",
)  # fmt: skip
#: Those whose lower values are better.
LOWER = frozenset(METRICS[:4])


@dataclass(frozen=True, eq=False)
class ChestScores:
    """A model's answers, scored.

    Attributes:
        answers: ordered by id.
        parts: task → where its answers stand among them, and their scores.
    """

    answers: tuple[Answered, ...]
    parts: Mapping[Task, tuple[NDArray[np.intp], Scored]]

    def figures(self) -> dict[str, Figure]:
        """``TASK METRIC`` → figure, of every task that was asked, with its spread over resampled patients."""
        return resampled(self.weighted, self.patients)

    def unread(self) -> dict[Task, dict[str, int]]:
        """How many answers to each task could not be read, by reason; tasks without any are left out."""
        counts = {
            task: Counter(fault for fault in scored.faults if fault is not None)
            for task, (_, scored) in self.parts.items()
        }
        return {task: dict(sorted(found.items())) for task, found in counts.items() if found}

    @property
    def patients(self) -> NDArray[np.str_]:
        """(n,) of each answer."""
        return np.array([one.patient for one in self.answers])

    def weighted(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """``TASK METRIC`` → value.

        Args:
            weights: (n,) how often each answer counts.
        """
        return {
            f"{task} {metric}": value
            for task, (places, scored) in self.parts.items()
            for metric, value in scored.figures(weights[places]).items()
        }

    def published(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """Those of :meth:`weighted` that are in :data:`METRICS`."""
        found = self.weighted(weights)
        return {metric: found[metric] for metric in METRICS if metric in found}


def score_answers(answers: Sequence[Answered]) -> ChestScores:
    """Score a model's answers; their order does not matter.

    Raises:
        InputError: no answer, an id twice, or a truth that is not in the form of its task.
        MissingExtraError: reports or words are scored and the ``scores`` extra is not installed.
    """
    if not answers:
        raise InputError("There is no answer to score.")
    ordered = tuple(sorted(answers, key=lambda one: one.id))
    twice = [a.id for a, b in pairwise(ordered) if a.id == b.id]
    if twice:
        raise InputError("A question is answered twice.", expected="each id once", got=", ".join(twice[:5]))
    parts = {}
    for task in get_args(Task):
        places = np.array([n for n, one in enumerate(ordered) if one.task == task], dtype=np.intp)
        if len(places):
            parts[task] = places, score_task(task, [ordered[n] for n in places])
    return ChestScores(ordered, parts)


def gain(method: ChestScores, baseline: ChestScores) -> tuple[Gain, Figure]:
    """Δ of one model over another (Eq. 1), both asked the same questions.

    Returns:
        The gain over those of :data:`METRICS` that were asked for, and the same with its spread over
        resampled patients, who are drawn for both models together. A draw in which a figure of the baseline
        is 0 or unknown has no gain and is left out of the spread.

    Raises:
        InputError: other questions on either side, or a gain that is undefined.
    """
    if [_asked(one) for one in method.answers] != [_asked(one) for one in baseline.answers]:
        raise InputError(
            "A gain is over the same questions.",
            expected="equal ids, patients, tasks and truths on both sides",
            got=f"{len(method.answers)} and {len(baseline.answers)} answers",
        )

    def apart(weights: NDArray[np.float64]) -> dict[str, float]:
        gains = relative_gains(method.published(weights), baseline.published(weights), LOWER)
        return {"gain": float(np.mean(list(gains.values())))}

    once = np.ones(len(method.answers))
    whole = average_gain(method.published(once), baseline.published(once), LOWER)
    return whole, resampled(apart, method.patients)["gain"]


def _asked(one: Answered) -> tuple[str, str, str, str]:
    return one.id, one.patient, one.task, one.truth
