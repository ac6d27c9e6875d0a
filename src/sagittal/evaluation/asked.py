"""A model that is asked for masks in words: the product's whole path as a vision function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sagittal.asking.case import Case, open_case
from sagittal.asking.consultation import consult
from sagittal.asking.models import Offer
from sagittal.study import Image, Mask, Study

QUESTION = "Segment the {}."


@dataclass(frozen=True)
class Asked:
    """One question of an evaluation.

    Attributes:
        structure: what was asked for.
        answered: whether the model did not abstain.
        drawn: whether there was a mask of that name.
        text: what it said, or why it abstained.
        seconds: that the answer took.
    """

    structure: str
    answered: bool
    drawn: bool
    text: str
    seconds: float


@dataclass
class AskedEyes:
    """Asks a model to segment each structure; a vision function (:mod:`sagittal.score.segmentation`).

    A structure that the model does not draw (it abstains, draws something else, or draws nothing) gets an
    empty mask, as a reader of its answer would see it.

    Attributes:
        offer: the model.
        asked: the questions so far, in order.
    """

    offer: Offer
    asked: list[Asked] = field(default_factory=list)

    def why_not(self, images: Sequence[Image]) -> str | None:
        """Why the model is not asked about these images, by its card; ``None`` when it is."""
        return self.offer.card.accepts.why_not(_study(images))

    def __call__(self, images: Sequence[Image], structures: Sequence[str]) -> dict[str, Mask]:
        """One question a structure.

        Raises:
            InputError: the model cannot be asked about these images.
        """
        case = open_case(_study(images), model=self.offer)
        return {name: self._ask(case, images[0], name) for name in structures}

    def _ask(self, case: Case, first: Image, structure: str) -> Mask:
        made = consult(case, QUESTION.format(structure))
        found = [d.mask for d in made.drawn if structure in d.mask.labels.values()]
        answer = made.answer
        self.asked.append(Asked(structure, not answer.abstained, bool(found), answer.text, answer.seconds))
        empty = Mask(
            np.zeros(first.shape, np.uint8), first.geometry, {1: structure}, structure, first.session
        )
        if not found:
            return empty
        mask = found[0]
        # Drawn on the first volume that the program encodes, which need not be the first image.
        return mask if mask.geometry.same_grid(first.geometry) else mask.resample_to(first.geometry)


def _study(images: Sequence[Image]) -> Study:
    return Study("case", "case", tuple(images))
