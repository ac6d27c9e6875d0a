"""Whether probabilities mean what they say: reliability diagrams and the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sagittal.errors import InputError

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Answers of about one confidence.

    Attributes:
        low, high: of the bin.
        count: answers in it.
        confidence, accuracy: their means.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """How well confidence and accuracy go together.

    Attributes:
        bins: those that hold anything, by confidence.
        error: the expected calibration error, mean of |accuracy − confidence| over answers.
        count: answers.
    """

    bins: tuple[Bin, ...]
    error: float
    count: int


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> Reliability:
    """Bins of equal width and their error (Naeini et al. 2015, Guo et al. 2017).

    Args:
        confidence: (n,) probability of the answer given, 0 to 1.
        right: (n,) whether it was right.
        bins: how many; a bin has its upper end.

    Raises:
        InputError: no answer, other numbers of both, or a confidence outside 0 to 1.
    """
    p, hit = np.asarray(confidence, float), np.asarray(right, float)
    if p.ndim != 1 or p.shape != hit.shape or p.size == 0 or not ((p >= 0) & (p <= 1)).all():
        raise InputError(
            "Calibration needs a confidence from 0 to 1 of each answer.", got=f"{p.shape} and {hit.shape}"
        )
    place = np.clip(np.ceil(p * bins).astype(int) - 1, 0, bins - 1)
    found = []
    for number in np.unique(place):
        own = place == number
        found.append(
            Bin(
                number / bins,
                (number + 1) / bins,
                int(own.sum()),
                float(p[own].mean()),
                float(hit[own].mean()),
            )
        )
    error = sum(b.count * abs(b.accuracy - b.confidence) for b in found) / p.size
    return Reliability(tuple(found), float(error), int(p.size))
