"""Questions about pictures without end, as batches for MedPLIB. A batch follows from its number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sagittal.train.picture_questions import Asker, Kind, Question
from sagittal.train.picture_turns import Batch, PictureTurns

#: Batches that are drawn together and sorted by length, so that little of them is padding.
_TOGETHER = 8
# A region may lie where nothing of its picture is shown; another picture is drawn then.
_TRIES = 20


@dataclass(eq=False)
class PictureStream:
    """Batches of questions.

    Attributes:
        asker: draws questions.
        turns: makes batches of them; of the same pictures.
        probability: of each picture.
        kinds: kind of question → its share.
        seed: of every draw.
        batch: questions of a batch.
    """

    asker: Asker
    turns: PictureTurns
    probability: np.ndarray
    kinds: Mapping[Kind, float]
    seed: int
    batch: int = 32

    def __post_init__(self) -> None:
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def __call__(self, number: int) -> Batch:
        """The batch of a number."""
        return self.turns(self._drawn(number // _TOGETHER)[number % _TOGETHER])

    def _draw(self, block: int) -> list[list[Question]]:
        rng = np.random.default_rng([self.seed, block])
        drawn = [self._one(rng) for _ in range(_TOGETHER * self.batch)]
        drawn.sort(key=lambda one: len(one.question) + sum(len(p) for p in one.answer if isinstance(p, str)))
        batches = [drawn[n * self.batch : (n + 1) * self.batch] for n in range(_TOGETHER)]
        return [batches[n] for n in rng.permutation(_TOGETHER)]

    def _one(self, rng: np.random.Generator) -> Question:
        kinds = list(self.kinds)
        share = np.array([self.kinds[kind] for kind in kinds])
        for _ in range(_TRIES):
            kind = kinds[int(rng.choice(len(kinds), p=share / share.sum()))]
            number = int(rng.choice(len(self.probability), p=self.probability))
            if self.asker.able(number, kind):
                one = self.asker.ask(number, kind, rng)
                if self.turns.shows(one):
                    return one
        raise AssertionError("some picture can be asked some kind of question")
