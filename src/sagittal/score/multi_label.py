"""Micro and macro F1 of several labels an image, an answer that could not be read being wrong throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """What was said of each label, image by image; 0 or 1 each.

    Attributes:
        hits: (n, labels) said, and there.
        false: (n, labels) said, and not there.
        missed: (n, labels) there, and not said.
    """

    hits: NDArray[np.float64]
    false: NDArray[np.float64]
    missed: NDArray[np.float64]

    def figures(self, weights: NDArray[np.float64] | None = None) -> dict[str, float]:
        """F1 = 2·hits / (2·hits + false + missed).

        Args:
            weights: (n,) of each image; alike when ``None``.

        Returns:
            ``micro F1``, of the counts of all labels together; ``macro F1``, the mean of the labels' own. A
            label that is neither there nor said has no F1 and is left out of the mean; not a number where
            that is true of all.
        """
        own = np.ones(len(self.hits)) if weights is None else weights
        hits, wrong = own @ self.hits, own @ (self.false + self.missed)
        known = hits + wrong > 0
        if not known.any():
            return {"micro F1": float("nan"), "macro F1": float("nan")}
        each = 2 * hits[known] / (2 * hits[known] + wrong[known])
        return {
            "micro F1": float(2 * hits.sum() / (2 * hits.sum() + wrong.sum())),
            "macro F1": float(each.mean()),
        }


def label_counts(
    given: Sequence[Sequence[int | None] | None], truth: Sequence[Sequence[int | None]]
) -> LabelCounts:
    """Count hits and misses.

    An answer that could not be read (``None``) counts as if each of its digits were the wrong one: labels
    that are there are missed, the others falsely said. Reading it as "nothing is there" would reward silence
    on images where nothing is.

    Args:
        given, truth: one an image, in the same order; 0 or 1 for each label, ``None`` where nobody asked.

    Raises:
        InputError: no image, other numbers of images or labels, a digit that is neither 0 nor 1, or an answer
            to something else than was asked.
    """
    if not truth or len(given) != len(truth):
        raise InputError("Each image has one answer and one truth.", expected=len(truth), got=len(given))
    wanted = len(truth[0])
    for labels in (*truth, *(one for one in given if one is not None)):
        if len(labels) != wanted or not set(labels) <= {0, 1, None}:
            raise InputError("A label is there or not.", expected=f"{wanted} digits 0 or 1", got=labels)
    true = np.array(truth, dtype=float)
    said = np.array(
        [1 - due if one is None else one for one, due in zip(given, true, strict=True)], dtype=float
    )
    asked = ~np.isnan(true)
    if (np.isnan(said) == asked).any():
        raise InputError("Each label that was asked for has an answer, and no other one.")
    said, true = np.where(asked, said, 0), np.where(asked, true, 0)
    return LabelCounts(said * true, said * (1 - true), (1 - said) * true)
