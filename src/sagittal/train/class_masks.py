"""What encoder and mask decoder of pixels learn together before any words: to draw the class of a prompt.

MedPLIB takes both from SAM-Med2D, where points and boxes prompt. Here a vector a class prompts, in the place
that a language model's vector will have.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from sagittal.nn.pixels import Pixels
from sagittal.runtime import autocast
from sagittal.train.loop import mean_terms
from sagittal.train.medplib import mask_losses, summed
from sagittal.train.picture_labels import SHARES
from sagittal.train.picture_views import Squares, plain, sampling, views
from sagittal.train.stages import medplib_stages

#: Classes of a picture that are asked for.
_ASKED = 4


class ClassMasks(nn.Module):
    """Encoder and decoder of pixels with a prompt a class.

    Args:
        pixels: what learns.
        classes: how many.
    """

    def __init__(self, pixels: Pixels, classes: int) -> None:
        super().__init__()
        self.pixels = pixels
        self.prompts = nn.Embedding(classes, pixels.config.channels)

    def losses(self, images: Tensor, codes: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """Losses of some classes of each picture.

        Args:
            images: (B, 3, S, S).
            codes: (B, S, S) class codes, 0 for none.
            rng: decides which classes.
        """
        rows, asked = [], []
        for row, own in enumerate(codes):
            there = np.unique(own.numpy())
            for code in rng.permutation(there[there > 0])[:_ASKED].tolist():
                rows.append(row)
                asked.append(code)
        truth = (codes[rows] == torch.tensor(asked)[:, None, None]).float()
        with autocast():
            features = self.pixels.look(images)
            prompts = self.prompts(torch.tensor(asked) - 1)
            drawn = self.pixels.draw(features, prompts, torch.tensor(rows))
        return summed(mask_losses(drawn, truth), medplib_stages().weights)


class ClassMaskTraining:
    """Batches, loss and scores for the one loop; arguments as for the labels' training."""

    def __init__(
        self, module: ClassMasks, training: Squares, validation: Squares, batch: int, seed: int
    ) -> None:
        self.module, self.training, self.validation = module, training, validation
        self.count, self.seed = batch, seed
        self._edge = module.pixels.config.size
        self._probability = sampling(training.pictures, SHARES)

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        rng = np.random.default_rng([self.seed, number])
        chosen = torch.from_numpy(rng.choice(len(self.training), self.count, p=self._probability))
        images, marks = views(self.training.pixels[chosen], self.training.marks[chosen], self._edge, rng)
        return self.module.losses(images, self.training.labels(chosen, marks), rng)

    def scores(self) -> dict[str, float]:
        """Mean losses over the validation pictures, as they are."""
        return mean_terms(map(self._held, torch.arange(len(self.validation)).split(32)))

    def _held(self, chosen: Tensor) -> Mapping[str, Tensor]:
        images, marks = plain(self.validation.pixels[chosen], self.validation.marks[chosen], self._edge)
        return self.module.losses(images, self.validation.labels(chosen, marks), np.random.default_rng(0))
