"""A set of conversations and texts in batches, each category as often as its frequency says.

VILA-M3, supplement 6.1 and Table 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sagittal.models.vlm.model import VLM
from sagittal.train.decoder_texts import Pair, pairs_loss
from sagittal.train.talks import TalkStream, talk_terms

#: The category of words without any image.
TEXT = "text"


@dataclass(frozen=True)
class Mixture:
    """In which order the batches of a finite set come.

    Attributes:
        counts: category → batches that there are of it.
        frequency: category → how often an epoch has each of them.
        seed: of the order, which is another in each epoch.
    """

    counts: Mapping[str, int]
    frequency: Mapping[str, int]
    seed: int

    def __len__(self) -> int:
        """Batches of an epoch."""
        return sum(count * self.frequency[name] for name, count in self.counts.items())

    def row(self, number: int) -> tuple[str, int]:
        """The category of a step's batch, and its number within that."""
        epoch, place = divmod(number, len(self))
        row = int(_order(len(self), self.seed, epoch)[place])
        for name, count in self.counts.items():
            if row < count * self.frequency[name]:
                return name, row % count
            row -= count * self.frequency[name]
        raise AssertionError("an epoch has no further rows")


@lru_cache(maxsize=4)
def _order(length: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(length)


@dataclass(frozen=True)
class MixtureTraining:
    """Losses of a mixture's batches.

    Attributes:
        model: what is trained.
        mixture: the order of what is learnt from.
        streams: category → its conversations.
        texts: batches of question and answer without any image.
    """

    model: VLM
    mixture: Mixture
    streams: Mapping[str, TalkStream]
    texts: Sequence[Sequence[Pair]]

    def __post_init__(self) -> None:
        # As TalkTraining does.
        self.model.language.set_attn_implementation("sdpa")  # type: ignore[operator]

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one step's batch."""
        return self.terms(*self.mixture.row(number))

    def terms(self, category: str, number: int) -> Mapping[str, Tensor]:
        """Of one batch: ``words``, the mean over all tokens that are learnt, among the terms."""
        if category != TEXT:
            return talk_terms(self.model, self.streams[category], number)
        chat = next(iter(self.streams.values())).chat
        loss = pairs_loss(self.model.language, chat, self.texts[number])
        return {"loss": loss, "words": loss}

    @torch.no_grad()
    def words(self, category: str, batches: int) -> list[float]:
        """``words`` of the first batches of a category, one by one."""
        return [float(self.terms(category, number)["words"]) for number in range(batches)]
