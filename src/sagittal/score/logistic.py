"""Descriptors → diagnosis: a logistic regression on the classes that a model chose (mpLLM, Table 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.measure.classes import SHAPE_CLASSES, SPREAD_CLASSES, VOLUME_CLASSES
from sagittal.score.descriptors import TASKS, Figure, Rated, resampled

#: Labels that every data set of the paper has.
LABELS = ("NETC", "SNFH", "ET")
_CLASSES = {"volume": VOLUME_CLASSES, "region": REGIONS, "shape": SHAPE_CLASSES, "spread": SPREAD_CLASSES}
#: Of the weights' squares, as scikit-learn's C = 1.
_PENALTY = 0.5


def describe_study(answers: Sequence[Rated]) -> NDArray[np.float64]:
    """What was said of a study, as numbers: of each label and class, the share of answers that name it."""
    parts = []
    for label in LABELS:
        own = [one for one in answers if one.label == label]
        for task in TASKS:
            said = [one.told.classes[task] for one in own if task in one.asked and task in one.told.classes]
            parts += [sum(name in words for words in said) / max(1, len(said)) for name in _CLASSES[task]]
    return np.array(parts)


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted regression.

    Attributes:
        weights: of the features, the intercept last.
    """

    weights: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64], positive: NDArray[np.bool_]) -> LogisticFit:
        """Fit by L-BFGS, squared weights penalised, the intercept not.

        Args:
            features: (n, d).
            positive: (n,) of both kinds.

        Raises:
            InputError: one kind alone, or other numbers of both.
        """
        from scipy.optimize import minimize

        if len(features) != len(positive) or len(np.unique(positive)) != 2:
            raise InputError(
                "Both kinds of study are needed.", got=f"{len(features)} and {np.unique(positive)}"
            )
        x = np.column_stack([features, np.ones(len(features))])
        sign = np.where(positive, 1.0, -1.0)

        def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            margin = sign * (x @ w)
            gradient = -(sign / (1 + np.exp(margin))) @ x
            penalty = np.append(w[:-1], 0.0)
            value = np.logaddexp(0, -margin).sum() + _PENALTY * (penalty @ penalty)
            return float(value), gradient + 2 * _PENALTY * penalty

        return cls(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x)

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) → (n,) of being positive."""
        return np.asarray(1 / (1 + np.exp(-(features @ self.weights[:-1] + self.weights[-1]))))

    def scores(self, features: NDArray[np.float64], positive: NDArray[np.bool_]) -> dict[str, Figure]:
        """Accuracy at one half, and the area under the ROC curve, with their spread over studies."""
        p = self.probabilities(features)

        def found(weights: NDArray[np.float64]) -> dict[str, float]:
            right = float(np.average((p > 0.5) == positive, weights=weights))
            return {"accuracy": right, "auroc": auroc(p, positive, weights)}

        return resampled(found, np.array([str(n) for n in range(len(p))]))


def auroc(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> float:
    """The chance that a positive scores higher than a negative, ties by half; not a number with one kind."""
    w = np.ones(len(scores)) if weights is None else weights
    values, index = np.unique(scores, return_inverse=True)
    up, down = (np.bincount(index, w * kind, minlength=len(values)) for kind in (positive, ~positive))
    total = up.sum() * down.sum()
    below = np.cumsum(down) - down
    return float((up * (below + 0.5 * down)).sum() / total) if total else float("nan")
