"""What the segmenter of chest films learns from, and its loss.

Simulated films tell all organs; real films of the Montgomery set their lungs; pictures without a chest tell
that there is none. A place whose class is only partly known (:data:`sagittal.train.chest_films.CODES`) costs
−log of the sum of the probabilities of the classes that it may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sagittal.models.chest.films import stretched
from sagittal.nn.flat_unet import FlatUNet
from sagittal.runtime import autocast
from sagittal.train.chest_bank import FilmBank
from sagittal.train.chest_films import CODES, LUNG, NO_LUNG, RealFilm
from sagittal.train.chest_looks import LookConfig, looks, maps, turned

#: How often a film of each kind is drawn where there are all.
SHARES = {"simulated": 0.58, "lungs": 0.34, "others": 0.08}
_CLASSES = 4
_HEART, _LUNGS = 1, (2, 3)


@dataclass(frozen=True, eq=False)
class Squares:
    """Films in squares of one size: (n, S, S) uint8 pixels and codes."""

    pixels: Tensor
    codes: Tensor

    @classmethod
    def real(cls, films: Sequence[RealFilm]) -> Squares:
        """Of real films."""
        return cls(torch.stack([f.pixels for f in films]), torch.stack([f.codes for f in films]))

    def __len__(self) -> int:
        return len(self.pixels)


class Ground:
    """Where films are drawn from.

    Args:
        bank: simulated films.
        real: kind of :data:`SHARES` → real films; none for a segmenter that learns by simulation alone.
    """

    def __init__(self, bank: FilmBank, real: Mapping[str, Squares]) -> None:
        self.bank, self.real = bank, real
        self.kinds = ["simulated", *(kind for kind, own in real.items() if len(own))]
        shares = np.array([SHARES[kind] for kind in self.kinds])
        self._shares = shares / shares.sum()

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """(count, S, S) uint8 pixels and codes."""
        pixels, codes = [], []
        for kind in rng.choice(self.kinds, count, p=self._shares):
            if kind == "simulated":
                number = int(rng.integers(len(self.bank)))
                pixels.append(torch.from_numpy(self.bank.film(number).copy()))
                codes.append(torch.from_numpy(self.bank.organ(number).copy()))
            else:
                own = self.real[str(kind)]
                number = int(rng.integers(len(own)))
                pixels.append(own.pixels[number])
                codes.append(own.codes[number])
        return torch.stack(pixels), torch.stack(codes)


class SegmenterTraining:
    """Batches, loss and scores for the one loop.

    Args:
        network: what is trained.
        ground: films to learn from.
        held: films that choices are made by: name → films.
        edge: of the squares.
        batch: films of a batch.
        seed: of every draw.
        config: how films are seen anew.
    """

    def __init__(
        self, network: FlatUNet, ground: Ground, held: Mapping[str, Squares], edge: int, batch: int,
        seed: int, config: LookConfig | None = None,
    ) -> None:  # fmt: skip
        self.network, self.ground, self.held = network, ground, held
        self.edge, self.count, self.seed = edge, batch, seed
        self.config = config or LookConfig()

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        pictures, codes = self.batch(number)
        with autocast():
            logits = self.network(pictures)
        return organ_losses(logits.float(), codes)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """(B, 1, S, S) in [0, 1], and (B, S, S) codes."""
        rng = np.random.default_rng([self.seed, number])
        pixels, codes = self.ground.draw(self.count, rng)
        theta = maps(self.count, self.config, rng)
        moved = turned(pixels.float()[:, None] / 255, theta, self.edge)[:, 0]
        places = turned(codes.float()[:, None], theta, self.edge, "nearest")[:, 0].round().to(torch.uint8)
        films, shown = looks(moved, self.config, rng)
        return films[:, None], torch.where(shown, places, 0)

    def scores(self) -> dict[str, float]:
        """Mean Dice of the lungs, and of the heart where it is known; ``score`` is the mean over all."""
        found = {}
        for name, own in self.held.items():
            for organ, value in self._held(own).items():
                found[f"{name} {organ}"] = value
        return {**found, "score": float(np.mean(list(found.values())))}

    def _held(self, own: Squares) -> dict[str, float]:
        dices: dict[str, list[float]] = {"lungs": [], "heart": []}
        for chosen in torch.arange(len(own)).split(8):
            films = stretched(own.pixels[chosen].float() / 255)[:, None]
            with autocast():
                likely = self.network(films).argmax(dim=1)
            for drawn, codes in zip(likely, own.codes[chosen], strict=True):
                dices["lungs"].append(_dice(drawn >= _LUNGS[0], (codes >= _LUNGS[0]) & (codes <= LUNG)))
                if not (codes == NO_LUNG).any():
                    dices["heart"].append(_dice(drawn == _HEART, codes == _HEART))
        return {organ: float(np.mean(values)) for organ, values in dices.items() if values}


def _dice(p: Tensor, t: Tensor) -> float:
    total = int(p.sum()) + int(t.sum())
    return 2 * int((p & t).sum()) / total if total else 1.0


def organ_losses(logits: Tensor, codes: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of what is known, 1 − Dice of lungs and heart, and their sum.

    Args:
        logits: (B, 4, h, w).
        codes: (B, h, w): place in CODES.
    """
    allowed = torch.zeros(len(CODES), _CLASSES, dtype=torch.bool)
    for code, classes in enumerate(CODES):
        allowed[code, list(classes)] = True
    told = logits.log_softmax(dim=1)
    may_be = functional.embedding(codes.long(), allowed.float()).movedim(-1, 1) > 0
    entropy = -told.masked_fill(~may_be, -torch.inf).logsumexp(dim=1).mean()
    chances = told.exp()
    lungs = chances[:, _LUNGS[0] : _LUNGS[1] + 1].sum(dim=1)
    true_lungs = (codes >= _LUNGS[0]) & (codes <= LUNG)
    outside = 1 - _soft_dice(lungs, true_lungs, true_lungs.flatten(1).any(dim=1))
    heart_there = (codes == _HEART).flatten(1).any(dim=1)
    heart = 1 - _soft_dice(chances[:, _HEART], codes == _HEART, heart_there)
    return {
        "loss": entropy + 0.3 * outside + 0.3 * heart,
        "entropy": entropy,
        "lungs": outside,
        "heart": heart,
    }


def _soft_dice(chances: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """Mean over the pictures that count; 1 where none does."""
    if not counts.any():
        return chances.new_ones(())
    p, t = chances[counts].flatten(1), truth[counts].flatten(1).float()
    return (2 * (p * t).sum(dim=1) / (p + t).sum(dim=1).clamp(min=1)).mean()
