"""Answers about pictures scored: classes of regions, masks on the original grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.pixel_qa.rules import key_of
from sagittal.evaluation.medplib.answers import Given
from sagittal.score.descriptors import Figure, resampled
from sagittal.train.picture_bank import MarkedPicture

Pictures = Sequence[MarkedPicture]


def is_right(given: Given) -> bool:
    """Whether an answer is the class's name, whatever its capitals and stops."""
    return bool(key_of(given.text) == key_of(given.question.asked[0]))


def mean(values: Sequence[float], patients: Sequence[str]) -> Figure:
    """A mean with its spread over resampled patients."""
    own = np.asarray(values, float)

    def found(weights: NDArray[np.float64]) -> Mapping[str, float]:
        total = float(weights.sum())
        return {"mean": float((weights * own).sum() / total) if total else float("nan")}

    return resampled(found, np.asarray(patients))["mean"]


def over(given: Sequence[Given], pictures: Pictures, score: Callable[[Given], float]) -> Figure:
    """A score's mean over answers."""
    patients = [pictures[one.question.picture].facts.patient for one in given]
    return mean([score(one) for one in given], patients)


def dices(given: Given, picture: MarkedPicture) -> list[tuple[str, float]]:
    """Dice of each class that was asked for, on the picture's own pixels; 0 where no mask was given for it.

    Masks are taken in the order in which their classes were asked for (NOTES: never another one instead).
    """
    found = []
    for at, name in enumerate(given.question.masks):
        own = given.masks[at] if at < len(given.masks) else None
        found.append((name, 0.0 if own is None else dice(own, picture.of_class(name))))
    return found


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Overlap of two masks; 1 where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2 * int((a & b).sum()) / total


def by_class(given: Sequence[Given], pictures: Pictures) -> dict[str, list[tuple[float, str]]]:
    """Class → (Dice, patient) of each mask that was due."""
    found: dict[str, list[tuple[float, str]]] = {}
    for one in given:
        picture = pictures[one.question.picture]
        for name, value in dices(one, picture):
            found.setdefault(name, []).append((value, picture.facts.patient))
    return dict(sorted(found.items()))


def best_guess(pictures: Pictures, given: Sequence[Given]) -> list[float]:
    """Of each answer, how often guessing one of the picture's classes, each as likely, is right."""
    return [1 / len(set(pictures[one.question.picture].facts.classes)) for one in given]
