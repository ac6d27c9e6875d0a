"""Copying what stood before: sequences of random tokens that come twice.

A small language model that has to find a word among cards, and say what stands behind it, needs heads that
attend to what followed the same token before (induction heads; Olsson et al. 2022, arXiv:2209.11895). Talks
alone teach them slowly, a few tokens a step; here every token of the second half does, and the heads come
within some hundreds of steps, all at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from sagittal.runtime import autocast
from sagittal.train.loop import mean_terms


@dataclass(frozen=True)
class CopyTraining:
    """Loss and scores for the one loop.

    Attributes:
        model: a language model.
        seed: of all sequences.
        shortest, longest: tokens of a sequence before it is repeated.
        tokens: of a batch, about.
        checks: batches of another seed that scores are taken over.
    """

    model: PreTrainedModel
    seed: int
    shortest: int = 8
    longest: int = 48
    tokens: int = 2048
    checks: int = 4

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        return self._loss(np.random.default_rng([self.seed, number]))

    def scores(self) -> dict[str, float]:
        """Mean loss over batches that are not trained on."""
        with torch.no_grad():
            return mean_terms(
                self._loss(np.random.default_rng([self.seed, number, 1])) for number in range(self.checks)
            )

    def _loss(self, rng: np.random.Generator) -> Mapping[str, Tensor]:
        length = int(rng.integers(self.shortest, self.longest + 1))
        once = rng.integers(self.model.config.vocab_size, size=(self.tokens // (2 * length), length))
        twice = torch.from_numpy(np.concatenate([once, once], axis=1))
        with autocast():
            logits = self.model(input_ids=twice).logits
        # The first token of the second half cannot be known.
        words, targets = logits[:, length:-1].float().flatten(0, 1), twice[:, length + 1 :].flatten()
        return {"loss": functional.cross_entropy(words, targets)}
