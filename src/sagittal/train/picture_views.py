"""Marked pictures as the encoders take them: squares in memory, and random views of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sagittal.models.medplib.pictures import frame_of, squared
from sagittal.train.picture_bank import Facts, MarkedPicture
from sagittal.train.voxel_labels import exposures

#: An instance of a smaller share of its picture is not marked.
SMALLEST_SHARE = 0.001


@dataclass(frozen=True, eq=False)
class Squares:
    """Pictures in squares of one size.

    Attributes:
        pixels: (n, 3, S, S) uint8.
        marks: (n, S, S) uint8 number of the instance, 0 for none.
        codes: (n, most instances + 1) long: the class of each instance's number, 0 of none.
        pictures: what they were made from.
        classes: all classes; code 1 is the first.
    """

    pixels: Tensor
    marks: Tensor
    codes: Tensor
    pictures: tuple[MarkedPicture, ...]
    classes: tuple[str, ...]

    @classmethod
    def make(cls, pictures: Sequence[MarkedPicture], classes: Sequence[str], edge: int) -> Squares:
        """Put pictures into squares of ``edge`` pixels."""
        n, most = len(pictures), max(len(p.facts.classes) for p in pictures)
        pixels = torch.empty(n, 3, edge, edge, dtype=torch.uint8)
        marks = torch.zeros(n, edge, edge, dtype=torch.uint8)
        codes = torch.zeros(n, most + 1, dtype=torch.long)
        for number, picture in enumerate(pictures):
            frame = frame_of(picture.image, edge)
            pixels[number] = squared(picture.image, frame)
            marks[number] = frame.nearest(picture.marks)
            own = [1 + classes.index(name) for name in picture.facts.classes]
            codes[number, 1 : len(own) + 1] = torch.tensor(own, dtype=torch.long)
        return cls(pixels, marks, codes, tuple(pictures), tuple(classes))

    def __len__(self) -> int:
        return len(self.pictures)

    def labels(self, chosen: Tensor, marks: Tensor) -> Tensor:
        """Class codes of some pictures' marks: (b, h, w) long."""
        flat = marks.long().flatten(1)
        return self.codes[chosen].gather(1, flat).view_as(marks)


def classes_of(pictures: Sequence[MarkedPicture]) -> tuple[str, ...]:
    """All classes that are marked, in the order of the alphabet."""
    return tuple(sorted({name for picture in pictures for name in picture.facts.classes}))


def sampling(pictures: Sequence[MarkedPicture], shares: Mapping[str, float]) -> NDArray[np.float64]:
    """Probability of each picture, so that modalities are drawn by their shares.

    Args:
        pictures: of any modality of ``shares``.
        shares: modality → share; those that are not there are left out.
    """
    own = np.array([shares[p.facts.modality] for p in pictures])
    counts = {m: sum(p.facts.modality == m for p in pictures) for m in shares}
    weights = own / np.array([counts[p.facts.modality] for p in pictures])
    found: NDArray[np.float64] = weights / weights.sum()
    return found


def views(pixels: Tensor, marks: Tensor, edge: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random views: turned, scaled, moved, mirrored left to right, other exposures.

    Args:
        pixels: (b, 3, S, S) uint8.
        marks: (b, S, S) uint8.
        edge: of the views.
        rng: decides.

    Returns:
        (b, 3, edge, edge) intensities in [0, 1], and (b, edge, edge) marks.
    """
    maps = _maps(len(pixels), rng)
    maps[:, :, 0] *= np.where(rng.random(len(pixels)) < 0.5, -1.0, 1.0)[:, None]
    curves = torch.from_numpy(exposures(rng, len(pixels)))
    return resampled(pixels, marks, (edge, edge), torch.from_numpy(maps).float(), curves)


def _maps(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(count, 2, 3) affine maps that turn, scale and move."""
    angle = np.deg2rad(rng.uniform(-12, 12, count))
    scale = np.exp(rng.uniform(-0.12, 0.18, (count, 1, 1)))
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    shift = rng.uniform(-0.12, 0.12, (count, 2, 1))
    return np.concatenate([turn * scale, shift], axis=2)


def turned(picture: MarkedPicture, number: int, rng: np.random.Generator) -> MarkedPicture:
    """A picture seen anew: turned, scaled, moved, with another exposure, not mirrored.

    Args:
        picture: with marks.
        number: of the copy, for its name.
        rng: decides.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(picture.pixels))
    shown = pixels[None, None] if pixels.ndim == 2 else pixels.movedim(-1, 0)[None]
    size = (pixels.shape[0], pixels.shape[1])
    images, marks = resampled(
        shown, torch.from_numpy(np.ascontiguousarray(picture.marks))[None], size,
        torch.from_numpy(_maps(1, rng)).float(), torch.from_numpy(exposures(rng, 1)),
    )  # fmt: skip
    found = (images[0] * 255).round().to(torch.uint8)
    new = found[0].numpy() if pixels.ndim == 2 else found.movedim(0, -1).numpy()
    return MarkedPicture(new, *_renumbered(marks[0].numpy(), picture.facts, number))


def _renumbered(marks: NDArray[np.uint8], facts: Facts, number: int) -> tuple[NDArray[np.uint8], Facts]:
    """Instances that are still large enough, under new numbers."""
    counts = np.bincount(marks.ravel(), minlength=len(facts.classes) + 1)[1:]
    kept = [n for n, count in enumerate(counts) if count >= SMALLEST_SHARE * marks.size]
    look_up = np.zeros(len(facts.classes) + 1, np.uint8)
    look_up[[n + 1 for n in kept]] = np.arange(1, len(kept) + 1)
    classes = tuple(facts.classes[n] for n in kept)
    seen = {facts.classes[n] for n, count in enumerate(counts) if count} | set(facts.small)
    changed = {
        "name": f"{facts.name}/turned-{number}", "classes": classes,
        "small": tuple(sorted(seen - set(classes))),
    }  # fmt: skip
    return look_up[marks], facts.model_copy(update=changed)


def plain(pixels: Tensor, marks: Tensor, edge: int) -> tuple[Tensor, Tensor]:
    """The pictures as they are, as :func:`views` gives them."""
    theta = torch.eye(2, 3).expand(len(pixels), 2, 3)
    curves = torch.linspace(0, 1, 256).expand(len(pixels), 256)
    return resampled(pixels, marks, (edge, edge), theta, curves)


def resampled(
    pixels: Tensor, marks: Tensor, size: tuple[int, int], theta: Tensor, curves: Tensor
) -> tuple[Tensor, Tensor]:
    """One affine map and one curve of intensities a picture."""
    shown = curves.gather(1, pixels.flatten(1).long()).view_as(pixels)
    grid = functional.affine_grid(theta, [len(pixels), 1, *size], align_corners=False)
    images = functional.grid_sample(shown, grid, mode="bilinear", align_corners=False)
    found = functional.grid_sample(marks.float()[:, None], grid, mode="nearest", align_corners=False)
    return images, found[:, 0].round().to(torch.uint8)
