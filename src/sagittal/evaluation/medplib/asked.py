"""The questions that MedPLIB is measured by: fixed by a seed, the same for every model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from sagittal.builders.pixel_qa.pointing import POINTING
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.picture_questions import Asker, Kind, Part, Question

SEED = 7405
#: Instances of a picture that are pointed at, classes that are asked for.
_PER_PICTURE = 2
_TRIES = 8


def region_questions(pictures: Sequence[MarkedPicture], part: Part = "train") -> list[Question]:
    """One instance of each of two classes of a picture (of one where it has no more), pointed at in one way.

    Args:
        pictures: with marks.
        part: of the wordings that people type.
    """
    asker = _asker(pictures, part)
    found = []
    for number, picture in enumerate(pictures):
        rng = np.random.default_rng([SEED, 0, number])
        for at, instance in enumerate(_of_two_classes(picture, rng)):
            way = POINTING[int(rng.integers(len(POINTING)))]
            own = np.random.default_rng([SEED, 1, number, at])
            found.append(asker.region_question(number, instance, own, way))
    return found


def _asker(pictures: Sequence[MarkedPicture], part: Part) -> Asker:
    """In the test all wordings are withheld ones: the builder's are learnt from."""
    return Asker(pictures, part=part, short=1.0 if part == "test" else 0.5)


def _of_two_classes(picture: MarkedPicture, rng: np.random.Generator) -> list[int]:
    instances = picture.record.pictures[0].instances
    chosen: list[int] = []
    for number in rng.permutation(len(instances)).tolist():
        other = all(instances[number].name != instances[n].name for n in chosen)
        if other and not instances[number].has_twin:
            chosen.append(number)
    return chosen[:_PER_PICTURE]


def without_regions(questions: Sequence[Question]) -> list[Question]:
    """The same words, pointing at nothing."""
    return [replace(one, region=None) for one in questions]


def grounding_questions(pictures: Sequence[MarkedPicture], part: Part = "train") -> list[Question]:
    """Two requests for masks of each picture, for different things wherever it shows more than one.

    Some are for what is not there.
    """
    asker = _asker(pictures, part)
    found = []
    for number in range(len(pictures)):
        own: list[Question] = []
        for at in range(_PER_PICTURE):
            rng = np.random.default_rng([SEED, 2, number, at])
            drawn = (asker.ask(number, "grounding", rng) for _ in range(_TRIES))
            # Where nothing else is to be had, the last one: twice the same.
            own.append(_first_new(drawn, own))
        found += own
    return found


def _first_new(drawn: Iterable[Question], there: Sequence[Question]) -> Question:
    for one in drawn:
        if all(set(one.asked) != set(other.asked) for other in there):
            return one
    return one


def spoken_questions(pictures: Sequence[MarkedPicture], kind: Kind, part: Part = "train") -> list[Question]:
    """One question of a kind a picture, where it can be asked."""
    asker = Asker(pictures, part=part)
    return [
        asker.ask(number, kind, np.random.default_rng([SEED, 3, number]))
        for number in range(len(pictures))
        if asker.able(number, kind)
    ]
