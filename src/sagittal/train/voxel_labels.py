"""What an encoder learns before any words: to say, from one sequence alone, what lies where.

Each patch's token tells the lesions of its cells (of 1 × 2 × 2 voxels) and the regions of larger ones
(2 × 7 × 6), as shares; [CLS] tells which sequence it is and how large each lesion label is. A token after
pooling, which is what a projector gets, tells which label lies in which region there, and how much of it.
What one sequence does not show stays unsure: bringing sequences together is left to the projector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.measure.classes import VOLUME_CLASSES
from sagittal.nn.vit import ViT
from sagittal.runtime import autocast
from sagittal.train.loop import mean_terms
from sagittal.train.tumour_bank import TumourBank, TumourStudy

#: Values of the lesion maps: none, and the four labels of the paper's GLI studies.
LESIONS = 5
_LABELS = ("NETC", "SNFH", "ET", "RC")
_SEQUENCES = 4
Cell = tuple[int, int, int]
LESION_CELL, REGION_CELL = (1, 2, 2), (2, 7, 6)
#: Lesions fill few cells.
_LESION_WEIGHT = 20.0
#: And fewer places.
_PLACE_WEIGHT = 10.0
#: Patches that are averaged, an axis, before a projector gets them.
POOLING = 2


@dataclass(frozen=True, eq=False)
class Volumes:
    """Single sequences with what is true of them.

    Attributes:
        images: (B, 1, D, H, W).
        lesions: (B, *grid, cells, LESIONS) shares.
        regions: (B, *grid, cells, 1 + regions) shares.
        places: (B, N, labels, regions) whether a label has a voxel in a region, within each pooled token.
        amounts: (B, N, labels) share of each pooled token.
        sequence: (B,) which of the study's.
        volumes: (B, labels) class of each lesion label's volume; −1 where the protocol has no such label.
    """

    images: Tensor
    lesions: Tensor
    regions: Tensor
    places: Tensor
    amounts: Tensor
    sequence: Tensor
    volumes: Tensor


class VoxelLabels(nn.Module):
    """An encoder with linear maps from its tokens to labels.

    Args:
        encoder: of volumes.
        pooled: whether pooled tokens tell anything.
    """

    def __init__(self, encoder: ViT, *, pooled: bool = True) -> None:
        super().__init__()
        config = encoder.config
        self.encoder = encoder
        self.lesions = nn.Linear(config.width, _cells(config.patch, LESION_CELL) * LESIONS)
        self.regions = nn.Linear(config.width, _cells(config.patch, REGION_CELL) * (1 + len(REGIONS)))
        self.pooled = nn.Linear(config.width, len(_LABELS) * (len(REGIONS) + 1)) if pooled else None
        if self.pooled is not None:
            # Most places hold nothing: to begin with that saves a hundred steps.
            nn.init.constant_(self.pooled.bias, -4.0)
        self.sequence = nn.Linear(config.width, _SEQUENCES)
        self.volumes = nn.Linear(config.width, len(_LABELS) * len(VOLUME_CLASSES))

    def losses(self, batch: Volumes) -> dict[str, Tensor]:
        """The weighted sum of the cross-entropies, and each of them."""
        with autocast(batch.images.device):
            seen = self.encoder(batch.images)
            lesions = self.lesions(seen.tokens).unflatten(-1, (-1, LESIONS))
            regions = self.regions(seen.tokens).unflatten(-1, (-1, 1 + len(REGIONS)))
        terms = {
            "lesions": _LESION_WEIGHT * _shares_loss(lesions, batch.lesions),
            "regions": _shares_loss(regions, batch.regions),
            "sequence": functional.cross_entropy(self.sequence(seen.cls.float()), batch.sequence),
            "volumes": functional.cross_entropy(
                self.volumes(seen.cls.float()).unflatten(-1, (len(_LABELS), -1)).flatten(0, 1),
                batch.volumes.flatten(),
                ignore_index=-1,
            ),
        }
        if self.pooled is not None:
            found = self.pooled(seen.pooled(POOLING).float()).unflatten(-1, (len(_LABELS), -1))
            truth = torch.cat([batch.places, batch.amounts[..., None]], dim=-1)
            terms["pooled"] = _PLACE_WEIGHT * functional.binary_cross_entropy_with_logits(found, truth)
        weighted = [value * (0.1 if name in ("sequence", "volumes") else 1) for name, value in terms.items()]
        return {"loss": torch.stack(weighted).sum(), **terms}


def _shares_loss(logits: Tensor, shares: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float().flatten(0, -2), shares.flatten(0, -2))


def _cells(patch: Sequence[int], cell: Cell) -> int:
    return int(np.prod([p // c for p, c in zip(patch, cell, strict=True)]))


def cell_shares(codes: NDArray[np.uint8], classes: int, patch: Sequence[int], cell: Cell) -> Tensor:
    """Which share of each cell has each code.

    Args:
        codes: (D, H, W), below ``classes``.
        classes: how many.
        patch, cell: sizes; a patch holds whole cells, a volume whole patches.

    Returns:
        (*grid, cells of a patch, classes).
    """
    within = [p // c for p, c in zip(patch, cell, strict=True)]
    cut = torch.from_numpy(np.ascontiguousarray(codes))
    for axis in range(3):
        cut = cut.unflatten(3 * axis, (-1, within[axis], cell[axis]))
    cut = cut.permute(0, 3, 6, 1, 4, 7, 2, 5, 8).flatten(6, 8).flatten(3, 5)
    shares = torch.zeros(*cut.shape[:-1], classes)
    # One voxel of every cell at a time: so nothing of cells × voxels × classes is made.
    for voxel in cut.unbind(dim=-1):
        shares.scatter_add_(-1, voxel.long()[..., None], torch.ones(*voxel.shape, 1))
    return shares / cut.shape[-1]


def pooled_places(
    lesions: NDArray[np.uint8], regions: NDArray[np.uint8], cell: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Which lesion label lies in which region, and how much of it, within each pooled token.

    Args:
        lesions, regions: (D, H, W) codes.
        cell: voxels of a pooled token.

    Returns:
        (N, labels, regions) 0 or 1, and (N, labels) shares; tokens as :meth:`Seen.pooled` orders them.
    """
    labels, count = len(_LABELS), len(REGIONS)
    grid = [n // c for n, c in zip(lesions.shape, cell, strict=True)]
    place = np.nonzero(lesions)
    token = np.ravel_multi_index([p // c for p, c in zip(place, cell, strict=True)], grid)
    label, region = lesions[place].astype(int) - 1, regions[place].astype(int)
    found = np.bincount(
        (token * labels + label) * (count + 1) + region, minlength=int(np.prod(grid)) * labels * (count + 1)
    ).reshape(-1, labels, count + 1)
    shares = found.sum(axis=2) / np.prod(cell)
    return torch.from_numpy(found[..., 1:] > 0).float(), torch.from_numpy(shares).float()


def volumes_of(study: TumourStudy, patch: Sequence[int], curves: NDArray[np.float32], flip: bool) -> Volumes:
    """All sequences of one study.

    Args:
        study: from a bank.
        patch: of the encoder.
        curves: (M, 256) what each sequence's intensities become.
        flip: whether left and right change places.
    """
    turn = slice(None, None, -1) if flip else slice(None)
    images = np.stack([curve[image[..., turn]] for curve, image in zip(curves, study.images, strict=True)])
    lesions = cell_shares(study.lesions[..., turn], LESIONS, patch, LESION_CELL)
    regions = cell_shares(study.regions[..., turn], 1 + len(REGIONS), patch, REGION_CELL)
    wide = [POOLING * p for p in patch]
    places, amounts = pooled_places(study.lesions[..., turn], study.regions[..., turn], wide)
    known = {label["label"]: VOLUME_CLASSES.index(label["volume"]) for label in study.labels}
    count = len(images)
    return Volumes(
        torch.from_numpy(images)[:, None],
        lesions.expand(count, *lesions.shape),
        regions.expand(count, *regions.shape),
        places.expand(count, *places.shape),
        amounts.expand(count, *amounts.shape),
        torch.arange(count),
        torch.tensor([[known.get(name, -1) for name in _LABELS]]).expand(count, -1),
    )


def together(parts: Sequence[Volumes]) -> Volumes:
    """One batch of several."""
    names = ("images", "lesions", "regions", "places", "amounts", "sequence", "volumes")
    return Volumes(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


PLAIN = np.linspace(0, 1, 256, dtype=np.float32)


def exposures(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """(count, 256) random monotone curves: other scanners, other exposures; 0 stays 0."""
    gamma = np.exp(rng.uniform(-0.4, 0.4, (count, 1)))
    gain, lift = rng.uniform(0.85, 1.1, (count, 1)), rng.uniform(-0.05, 0.05, (count, 1))
    curves = np.clip(gain * PLAIN**gamma + lift, 0.02, 1)
    curves[:, 0] = 0
    return curves.astype(np.float32)


class VoxelLabelTraining:
    """Batches, loss and scores for the one loop.

    Args:
        module: what is trained.
        training, validation: studies.
        studies: of a batch.
        seed: of the order, the flips and the exposures.
    """

    def __init__(
        self, module: VoxelLabels, training: TumourBank, validation: TumourBank, studies: int, seed: int
    ) -> None:
        self.module, self.training, self.validation = module, training, validation
        self.studies, self.seed = studies, seed

    def batch(self, number: int) -> Volumes:
        """The batch of a number."""
        rng = np.random.default_rng([self.seed, number])
        chosen = rng.choice(len(self.training), self.studies, replace=False)
        patch = self.module.encoder.config.patch
        return together([
            volumes_of(self.training.load(int(n)), patch, exposures(rng, _SEQUENCES), bool(rng.integers(2)))
            for n in chosen
        ])  # fmt: skip

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        return self.module.losses(self.batch(number))

    def scores(self) -> dict[str, float]:
        """Mean losses over some validation studies, as they are."""
        return mean_terms(map(self.module.losses, self._validation()))

    def _validation(self) -> Iterator[Volumes]:
        plain = np.stack([PLAIN] * _SEQUENCES)
        patch = self.module.encoder.config.patch
        chosen = range(0, len(self.validation), max(1, len(self.validation) // 64))
        for start in range(0, len(chosen), 4):
            yield together([
                volumes_of(self.validation.load(n), patch, plain, False) for n in chosen[start : start + 4]
            ])  # fmt: skip
