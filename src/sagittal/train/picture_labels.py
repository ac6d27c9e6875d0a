"""What the encoders of pictures learn before any words: which class lies where.

MedPLIB takes its encoders ready made (CLIP's, SAM-Med2D's). Ours are made here. Of the encoder for words,
features read off at a point tell the point's class, as a region's vector will; its pooled tokens, which the
language model gets, tell which classes lie within them; [CLS] tells modality and plane. Of the encoder for
pixels, features tell every pixel's class through two enlarging layers, as a mask decoder has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.models.vlm.model import VLM
from sagittal.nn.pixels import Pixels
from sagittal.runtime import autocast
from sagittal.train.loop import mean_terms
from sagittal.train.picture_views import Squares, plain, sampling, views

#: How often each modality is drawn.
SHARES = {"MRI": 0.72, "CT": 0.16, "X-Ray": 0.12}
#: Points of a picture whose class is asked.
_POINTS = 1_024
KINDS = ("t1", "t1c", "t2", "flair", "mr", "ct", "cxr")
PLANES = ("axial", "coronal", "sagittal", "frontal")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Views: (B, 3, S, S) intensities, and what is true: (B, S, S) class codes, (B,) kinds and planes."""

    images: Tensor
    codes: Tensor
    kinds: Tensor
    planes: Tensor


class PointLabels(nn.Module):
    """The encoder for words, with maps from its features to classes.

    Args:
        model: whose encoder learns.
        classes: how many, "none" left out.
    """

    def __init__(self, model: VLM, classes: int) -> None:
        super().__init__()
        width = model.config.encoder.width
        self.encoder, self.pooling = model.encoder, model.config.pooling
        self.edge = model.config.encoder.size[0]
        self.at_point = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, classes + 1))
        self.within = nn.Linear(width, classes)
        # Most places hold nothing.
        nn.init.constant_(self.within.bias, -4.0)
        self.whole = nn.Linear(width, len(KINDS) + len(PLANES))

    def losses(self, batch: Labelled, rng: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropies and their sum; `right` is the share of the marked points that are told right."""
        with autocast():
            seen = self.encoder(batch.images)
        places = _points(batch.codes, rng)
        truth = batch.codes.flatten(1).gather(1, places)
        grid = torch.stack([places % self.edge, places // self.edge], dim=-1)
        grid = (2 * (grid + 0.5) / self.edge - 1)[:, None].float()
        features = functional.grid_sample(
            seen.tokens.float().movedim(-1, 1), grid, padding_mode="border", align_corners=False
        )
        told = self.at_point(features[:, :, 0].transpose(1, 2))
        kinds, planes = self.whole(seen.cls.float()).split([len(KINDS), len(PLANES)], dim=-1)
        held = functional.one_hot(batch.codes, told.shape[-1])[..., 1:].movedim(-1, 1).float()
        cells = self.encoder.config.grid[0] // self.pooling
        held = functional.adaptive_max_pool2d(held, cells).flatten(2).transpose(1, 2)
        terms = {
            "points": functional.cross_entropy(told.flatten(0, 1), truth.flatten()),
            "within": 10 * functional.binary_cross_entropy_with_logits(
                self.within(seen.pooled(self.pooling).float()), held
            ),
            "kinds": 0.1 * functional.cross_entropy(kinds, batch.kinds),
            "planes": 0.1 * functional.cross_entropy(planes, batch.planes),
        }  # fmt: skip
        marked = truth > 0
        right = (told.argmax(-1) == truth)[marked].float().mean()
        return {"loss": torch.stack(list(terms.values())).sum(), **terms, "right": right}


def _points(codes: Tensor, rng: torch.Generator) -> Tensor:
    """(B, points) places; small classes are asked for more often than by their size."""
    flat = codes.flatten(1)
    counts = torch.zeros(len(flat), int(flat.max()) + 1).scatter_add_(1, flat, torch.ones(flat.shape))
    weights = counts.clamp(min=1).rsqrt().gather(1, flat)
    return torch.multinomial(weights, _POINTS, generator=rng)


class PixelLabels(nn.Module):
    """The encoder for masks, with enlarging layers to classes.

    Args:
        pixels: whose encoder learns.
        classes: how many, "none" left out.
    """

    def __init__(self, pixels: Pixels, classes: int) -> None:
        super().__init__()
        self.pixels, self.edge = pixels, pixels.config.size
        channels = pixels.config.channels
        self.enlarge = nn.Sequential(
            nn.ConvTranspose2d(channels, 32, 2, stride=2), nn.GroupNorm(4, 32), nn.GELU(),
            nn.ConvTranspose2d(32, 32, 2, stride=2), nn.GELU(), nn.Conv2d(32, classes + 1, 3, padding=1),
        )  # fmt: skip

    def losses(self, batch: Labelled, rng: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy, 1 − Dice over the classes that are there, and their sum."""
        with autocast():
            told = self.enlarge(self.pixels.look(batch.images))
        told = told.float()
        found = told.softmax(dim=1)
        truth = functional.one_hot(batch.codes, told.shape[1]).movedim(-1, 1).to(found.dtype)
        both, sizes = (found * truth).sum(dim=(2, 3)), (found + truth).sum(dim=(2, 3))
        there = truth.flatten(2).any(dim=2)
        there[:, 0] = False
        dice = (2 * both / sizes.clamp(min=1))[there].mean()
        terms = {"entropy": functional.cross_entropy(told, batch.codes), "outside": 1 - dice}
        return {"loss": terms["entropy"] + 0.5 * terms["outside"], **terms}


class PictureLabelTraining:
    """Batches, loss and scores for the one loop.

    Args:
        module: what is trained.
        training, validation: pictures.
        batch: pictures of a batch.
        seed: of the order and the views.
    """

    def __init__(
        self, module: PointLabels | PixelLabels, training: Squares, validation: Squares, batch: int, seed: int
    ) -> None:
        self.module, self.training, self.validation = module, training, validation
        self.count, self.seed = batch, seed
        self._probability = sampling(training.pictures, SHARES)

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        rng = np.random.default_rng([self.seed, number])
        chosen = torch.from_numpy(rng.choice(len(self.training), self.count, p=self._probability))
        images, marks = views(
            self.training.pixels[chosen], self.training.marks[chosen], self.module.edge, rng
        )
        return self.module.losses(_labelled(self.training, chosen, images, marks), _torch(rng))

    def scores(self) -> dict[str, float]:
        """Mean losses over the validation pictures, as they are."""
        return mean_terms(map(self._held, torch.arange(len(self.validation)).split(32)))

    def _held(self, chosen: Tensor) -> Mapping[str, Tensor]:
        images, marks = plain(self.validation.pixels[chosen], self.validation.marks[chosen], self.module.edge)
        batch = _labelled(self.validation, chosen, images, marks)
        return self.module.losses(batch, torch.Generator().manual_seed(0))


def _torch(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(1 << 62)))


def _labelled(squares: Squares, chosen: Tensor, images: Tensor, marks: Tensor) -> Labelled:
    facts = [squares.pictures[n].facts for n in chosen.tolist()]
    return Labelled(
        images,
        squares.labels(chosen, marks),
        torch.tensor([KINDS.index(f.kind) for f in facts]),
        torch.tensor([PLANES.index(f.orientation) for f in facts]),
    )
