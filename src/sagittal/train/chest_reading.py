"""What the network of findings learns from, and its losses: simulated films, and the NIH's with some labels.

Of a real film only some labels are known; of its organs, what the segmenter draws where it finds all three.
What is not known costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sagittal.io.films.names import FINDINGS
from sagittal.models.chest.films import prepared, square, stretched, upright
from sagittal.models.chest.network import CTR_SPREAD, FindingsNetwork, Told
from sagittal.models.chest.segmenter import ORGANS, ChestSegmenter, found_organs
from sagittal.runtime import autocast
from sagittal.score.logistic import auroc
from sagittal.simulate.chest.findings import OPAQUE
from sagittal.study import Image
from sagittal.train.chest_bank import FilmBank
from sagittal.train.chest_films import NihFilm
from sagittal.train.chest_looks import LookConfig, looks, maps, turned

#: How often a real film is drawn.
REAL = 0.25
#: A finding shows in a patch when it covers so much of it.
SHOWS = 0.1
#: An organ that is seen on less than this share of the square has no box.
_SEEN = 0.01
_UNKNOWN = -1
_OPAQUE_BITS = sum(1 << FINDINGS.index(name) for name in OPAQUE)
_OPACITY = FINDINGS.index("Lung Opacity")
LOOKS = LookConfig(turn=6.0, scale=(-0.2, 0.1), move=0.05, strength=0.55, shadows=False, inverted=0.0)


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of films; −1, or not a number, where it is not.

    Attributes:
        findings: (B, 10) 0 or 1.
        oedema: (B,) grade.
        ap, female: (B,) 0 or 1.
        ctr: (B,) ratio.
        organs: (B,) bool: whether it is known where organs are.
        places: (B,) bool: whether it is known where findings are.
    """

    findings: Tensor
    oedema: Tensor
    ap: Tensor
    female: Tensor
    ctr: Tensor
    organs: Tensor
    places: Tensor

    def chosen(self, numbers: Tensor) -> Facts:
        """Of some of the films."""
        return Facts(**{name: value[numbers] for name, value in vars(self).items()})

    @classmethod
    def together(cls, parts: Sequence[Facts]) -> Facts:
        """Of all films, in order."""
        return cls(**{name: torch.cat([getattr(p, name) for p in parts]) for name in vars(parts[0])})


@dataclass(frozen=True, eq=False)
class FilmSet:
    """Films in squares of one size.

    Attributes:
        pixels: (n, S, S) uint8.
        codes: (n, S, S) uint8: 0 for none, else 1 + the place in ORGANS.
        bits: (n, S, S) int32: bit k is FINDINGS[k], where it shows.
        facts: what is known.
        patients: whose they are.
    """

    pixels: Tensor
    codes: Tensor
    bits: Tensor
    facts: Facts
    patients: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)


def simulated_films(bank: FilmBank, numbers: Sequence[int]) -> FilmSet:
    """Films of a bank."""
    bits = torch.from_numpy(np.stack([bank.finding(n) for n in numbers]).astype(np.int32))
    bits |= ((bits & _OPAQUE_BITS) > 0).int() << _OPACITY
    facts = [bank.facts[n] for n in numbers]
    known = torch.ones(len(facts), dtype=torch.bool)
    return FilmSet(
        torch.from_numpy(np.stack([bank.film(n) for n in numbers])),
        torch.from_numpy(np.stack([bank.organ(n) for n in numbers])),
        bits,
        Facts(
            findings=torch.tensor([f.labels for f in facts]).int(),
            oedema=torch.tensor([f.oedema for f in facts]),
            ap=torch.tensor([int(f.view == "AP") for f in facts]),
            female=torch.tensor([int(f.female) for f in facts]),
            ctr=torch.tensor([torch.nan if f.ctr is None else f.ctr for f in facts]),
            organs=known, places=known,
        ),
        tuple(f.name for f in facts),
    )  # fmt: skip


def real_films(films: Sequence[NihFilm], segmenter: ChestSegmenter) -> FilmSet:
    """The NIH's films in the segmenter's squares, with organs as it draws them."""
    edge = segmenter.config.edge
    pixels, codes, known = [], [], []
    for film in films:
        image = film.image()
        pixels.append(square(upright(image), edge)[0])
        drawn, whole = _organs(segmenter, image)
        codes.append(drawn)
        known.append(whole)
    count = len(films)
    none = torch.full((count,), _UNKNOWN)
    labels = [[_UNKNOWN if value is None else int(value) for value in film.labels] for film in films]
    return FilmSet(
        torch.stack(pixels), torch.stack(codes), torch.zeros(count, edge, edge, dtype=torch.int32),
        Facts(
            findings=torch.tensor(labels).int(), oedema=none,
            ap=torch.tensor([int(film.view == "AP") for film in films]),
            female=torch.tensor([int(film.female) for film in films]),
            ctr=torch.full((count,), torch.nan),
            organs=torch.tensor(known), places=torch.zeros(count, dtype=torch.bool),
        ),
        tuple(film.patient for film in films),
    )  # fmt: skip


@torch.inference_mode()
def _organs(segmenter: ChestSegmenter, image: Image) -> tuple[Tensor, bool]:
    with autocast():
        logits = segmenter.network(prepared(image, segmenter.config.edge)[0][None])[0]
    drawn, certainty, _ = found_organs(logits.float().softmax(dim=0).numpy(), segmenter.config)
    return torch.from_numpy(drawn), len(certainty) == len(ORGANS)


class ReadingTraining:
    """Batches, loss and scores for the one loop.

    Args:
        network: what is trained.
        bank: simulated films.
        real: films with some labels; ``None`` for none.
        held: films that choices are made by: name → films.
        batch: films of a batch.
        seed: of every draw.
    """

    def __init__(
        self, network: FindingsNetwork, bank: FilmBank, real: FilmSet | None, held: Mapping[str, FilmSet],
        batch: int, seed: int, config: LookConfig = LOOKS,
    ) -> None:  # fmt: skip
        self.network, self.bank, self.real, self.held = network, bank, real, held
        self.count, self.seed, self.config = batch, seed, config
        self.edge = network.encoder.config.size[0]

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        films, codes, bits, facts = self.batch(number)
        with autocast():
            told = self.network(films)
        return reading_losses(told, codes, bits, facts, self._patch)

    @property
    def _patch(self) -> int:
        return self.network.encoder.config.patch[0]

    def batch(self, number: int) -> tuple[Tensor, Tensor, Tensor, Facts]:
        """(B, 1, S, S) in [0, 1]; (B, S, S) codes and bits; what is known."""
        rng = np.random.default_rng([self.seed, number])
        real = 0 if self.real is None else int(rng.binomial(self.count, REAL))
        parts = [simulated_films(self.bank, rng.choice(len(self.bank), self.count - real).tolist())]
        if self.real is not None and real:
            chosen = torch.from_numpy(rng.choice(len(self.real), real))
            own = self.real
            parts.append(FilmSet(own.pixels[chosen], own.codes[chosen], own.bits[chosen],
                                 own.facts.chosen(chosen), ()))  # fmt: skip
        pixels, codes, bits = (torch.cat([getattr(p, n) for p in parts]) for n in ("pixels", "codes", "bits"))
        theta = maps(self.count, self.config, rng)
        moved = turned(pixels.float()[:, None] / 255, theta, self.edge)[:, 0]
        places = torch.stack([codes.float(), bits.float()], dim=1)
        places = turned(places, theta, self.edge, "nearest").round().int()
        films, shown = looks(moved, self.config, rng)
        places = torch.where(shown[:, None], places, 0)
        return films[:, None], places[:, 0], places[:, 1], Facts.together([p.facts for p in parts])

    def scores(self) -> dict[str, float]:
        """Mean AUROC of the findings of each held set that are there and not there; ``score`` weighs both."""
        found = {}
        for name, own in self.held.items():
            logits = told_of(self.network, own)["findings"]
            known = own.facts.findings
            values = [
                auroc(logits[known[:, k] >= 0, k].double().numpy(), (known[known[:, k] >= 0, k] > 0).numpy())
                for k in range(len(FINDINGS))
            ]
            found[f"{name} auroc"] = float(np.nanmean(values))
        return {**found, "score": float(np.mean(list(found.values())))}


@torch.no_grad()
def told_of(network: FindingsNetwork, films: FilmSet, batch: int = 32) -> dict[str, Tensor]:
    """Fields of :class:`Told` of films as they are."""
    edge = network.encoder.config.size[0]
    parts = []
    for chosen in torch.arange(len(films)).split(batch):
        pixels = films.pixels[chosen].float()[:, None] / 255
        small = functional.interpolate(pixels, size=(edge, edge), mode="bilinear", antialias=True)
        with autocast():
            parts.append(network(stretched(small[:, 0])[:, None]))
    return {name: torch.cat([getattr(p, name) for p in parts]).float() for name in vars(parts[0])}


def reading_losses(told: Told, codes: Tensor, bits: Tensor, facts: Facts, patch: int) -> dict[str, Tensor]:
    """All losses and their sum.

    Args:
        told: of B films.
        codes, bits: (B, S, S), of the films as they were looked at.
        facts: what is known.
        patch: pixels of a patch's side.
    """
    shares, organs, places = patch_truth(codes, bits, patch)
    boxes, seen = _boxes(shares)
    seen &= facts.organs[:, None]
    terms = {
        "findings": 2 * _masked(
            functional.binary_cross_entropy_with_logits(
                told.findings, facts.findings.clamp(min=0).float(), reduction="none"
            ),
            facts.findings >= 0,
        ),
        "oedema": 0.5 * _masked(
            functional.cross_entropy(told.oedema, facts.oedema.clamp(min=0), reduction="none"),
            facts.oedema >= 0,
        ),
        "ap": 0.2 * _masked(_binary(told.ap, facts.ap), facts.ap >= 0),
        "female": 0.2 * _masked(_binary(told.female, facts.female), facts.female >= 0),
        "ctr": 0.5 * _masked(
            functional.smooth_l1_loss(
                told.ctr / CTR_SPREAD, facts.ctr.nan_to_num() / CTR_SPREAD, reduction="none"
            ),
            ~facts.ctr.isnan(),
        ),
        "boxes": 5 * _masked((told.boxes - boxes).abs().mean(dim=-1), seen),
        "organs": 2 * _masked(
            functional.binary_cross_entropy_with_logits(told.organs, organs, reduction="none").mean(
                dim=(1, 2, 3)
            ),
            facts.organs,
        ),
        "places": 4 * _masked(
            functional.binary_cross_entropy_with_logits(
                told.places, places, pos_weight=torch.tensor(3.0), reduction="none"
            ).mean(dim=(1, 2, 3)),
            facts.places,
        ),
    }  # fmt: skip
    return {"loss": torch.stack(list(terms.values())).sum(), **terms}


def patch_truth(codes: Tensor, bits: Tensor, patch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where organs are, pixel by pixel, and what is true of each patch.

    Args:
        codes, bits: (B, S, S) as in :class:`FilmSet`.
        patch: pixels of a patch's side.

    Returns:
        (B, 3, S, S) 0 or 1; (B, rows, columns, 3) share of each patch that is an organ;
        (B, rows, columns, 10) 0 or 1, whether a finding shows in it.
    """
    organs = torch.stack([codes == value for value in range(1, len(ORGANS) + 1)], dim=1).float()
    there = torch.stack([(bits >> k) & 1 for k in range(len(FINDINGS))], dim=1).float()
    shares = functional.avg_pool2d(organs, patch).movedim(1, -1)
    places = (functional.avg_pool2d(there, patch) > SHOWS).float().movedim(1, -1)
    return organs, shares, places


def _binary(logits: Tensor, truth: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, truth.clamp(min=0).float(), reduction="none")


def _masked(values: Tensor, known: Tensor) -> Tensor:
    return (values * known).sum() / known.sum().clamp(min=1)


def _boxes(shares: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 3, 4) boxes of masks (B, 3, S, S) as shares of the square, and (B, 3) whether there is one."""
    edge = shares.shape[-1]
    inside = shares > 0
    seen = inside.float().mean(dim=(2, 3)) > _SEEN
    ends = []
    for axis in (2, 3):
        along = inside.any(dim=axis).float()
        ends.append((along.argmax(dim=2), edge - along.flip(2).argmax(dim=2)))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], dim=-1).float() / edge, seen
