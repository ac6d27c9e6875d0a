"""Entries about films as batches without end: every entry once an epoch, each batch by its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sagittal.models.vlm.chat import Chat, header_of, padded
from sagittal.models.vlm.pieces import Turn
from sagittal.train.film_features import FilmFeatures
from sagittal.train.film_set import FilmSet

#: Batches that are drawn together and sorted by length, so that little of them is padding.
_TOGETHER = 16


@dataclass(eq=False)
class FilmStream:
    """Batches of entries.

    Attributes:
        films: and what is asked of them.
        features: of the same films.
        chat: words as tokens.
        seed: of the order.
        batch: entries of a batch.
    """

    films: FilmSet
    features: FilmFeatures
    chat: Chat
    seed: int
    batch: int = 32

    def __post_init__(self) -> None:
        self._drawn = lru_cache(maxsize=2)(self._draw)
        self._ordered = lru_cache(maxsize=2)(self._order)
        # Tokens are made once: a run passes over its entries several times.
        questions = {prompt: self.chat.question(prompt) for prompt in {e.prompt for e in self.films.entries}}
        self._asked = [questions[entry.prompt] for entry in self.films.entries]
        self._answers = [self.chat.answer(entry.answer) for entry in self.films.entries]

    def __call__(self, number: int) -> Turn:
        """The batch of a number."""
        return self.turn(self._drawn(number // _TOGETHER)[number % _TOGETHER])

    def turn(self, entries: Sequence[int]) -> Turn:
        """Entries as a turn, by their numbers."""
        return Turn(
            padded([self._asked[n] for n in entries]),
            self.features.of([self.films.entries[n].film for n in entries]),
            header_of(self.chat, len(entries)),
            padded([self._answers[n] for n in entries]),
        )

    def _draw(self, block: int) -> list[list[int]]:
        count = len(self.films.entries)
        first = block * _TOGETHER * self.batch
        places = range(first, first + _TOGETHER * self.batch)
        drawn = [int(self._ordered(place // count)[place % count]) for place in places]
        drawn.sort(key=lambda n: len(self._asked[n]) + len(self._answers[n]))
        batches = [drawn[n * self.batch : (n + 1) * self.batch] for n in range(_TOGETHER)]
        return [batches[n] for n in np.random.default_rng([self.seed, 1, block]).permutation(_TOGETHER)]

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.films.entries))


def steps_of(entries: int, batch: int, epochs: float) -> int:
    """Steps that pass over the entries so many times."""
    return max(1, round(epochs * entries / batch))
