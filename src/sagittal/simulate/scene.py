"""The sampled head that pathology is put into, and the layers that pathology consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sagittal.geometry import Geometry
from sagittal.simulate.draws import Draws
from sagittal.simulate.fields import smooth_noise
from sagittal.simulate.tissues import structures, tissues


@dataclass(eq=False)
class Scene:
    """One head on the output grid.

    Attributes:
        geometry: the output grid.
        labels: (X, Y, Z) uint8 structure indices, mirror image done.
        depth: (X, Y, Z) float32 signed distance to the brain's surface, mm, negative inside.
        draws: the study's randomness for pathology.
    """

    geometry: Geometry
    labels: Tensor
    depth: Tensor
    draws: Draws

    @property
    def spacing(self) -> tuple[float, float, float]:
        """mm along each array axis."""
        return self.geometry.spacing

    @cached_property
    def parenchyma(self) -> Tensor:
        """(X, Y, Z) bool: brain tissue."""
        return self.where(structures().parenchyma)

    def where(self, member: Any) -> Tensor:
        """(X, Y, Z) bool: voxels whose structure is a member (a bool per structure index)."""
        table = torch.as_tensor(member, device=self.labels.device)
        return table.index_select(0, self.labels.reshape(-1).int()).reshape(self.labels.shape)

    def of_tissues(self, *names: str) -> Tensor:
        """(X, Y, Z) bool: voxels of the named tissues."""
        member = torch.zeros(len(structures().values), dtype=torch.bool)
        member[structures().indices(*names)] = True
        return self.where(member)

    def pick(self, allowed: Tensor) -> tuple[int, int, int] | None:
        """One voxel of a mask, uniformly; ``None`` when it is empty."""
        found = allowed.reshape(-1).nonzero()[:, 0]
        if len(found) == 0:
            return None
        flat = int(found[self.draws.integer(0, len(found))])
        _, y, z = allowed.shape
        return flat // (y * z), flat // z % y, flat % z

    def noise(self, shape: tuple[int, ...], spacing: tuple[float, ...], knot: float) -> Tensor:
        """A smooth random field over a patch."""
        return smooth_noise(shape, spacing, knot, self.draws.voxels)[0]


@dataclass(eq=False)
class Layer:
    """One painted component: where, how much, made of what, called what.

    Layers are painted in order of ``rank``: swelling first, then masses, then what lies in them.

    Attributes:
        box: place in the output grid.
        fraction: (x, y, z) share of each voxel, 0…1; a voxel belongs to the layer above one half.
        tissue: name of the lesion tissue, or "" with ``relative``.
        label: value in the lesion map, 0 to leave the map alone.
        lesion: number of the lesion, from 1.
        rank: painting order.
        outside: whether it also replaces fluid and membranes, not brain tissue only.
        strength: (x, y, z) how far the signal goes from the local tissue to the layer's own, or ``None``.
        relative: (C,) signal as a multiple of the tissue it replaces, instead of a tissue.
    """

    box: tuple[slice, slice, slice]
    fraction: Tensor
    tissue: str
    label: int
    lesion: int
    rank: int
    outside: bool = False
    strength: Tensor | None = None
    relative: Tensor | None = None


@dataclass(eq=False)
class Pathology:
    """All lesions of a study.

    Attributes:
        labels: value → name of the lesion map; empty when there is nothing to mark.
        layers: what is painted.
        facts: one entry a lesion, in the order of their numbers, before measuring.
        extra: further facts of the study (growth, restriction, enhancement).
    """

    labels: dict[int, str] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


def rank_of(name: str) -> int:
    """Painting order of a component."""
    order = ("swelling", "mass", "inner", "rim", "spot")
    return order.index(name)


def paint(
    images: Tensor, layers: list[Layer], signal: Tensor, texture: Tensor, grain: Tensor, share: Tensor
) -> None:
    """Paint layers into clean images, in place.

    Args:
        images: (C, X, Y, Z).
        layers: in any order.
        signal, texture: (classes, C) tables of the study's look.
        grain: (X, Y, Z) unit-variance fine texture.
        share: (X, Y, Z) share of brain tissue in each voxel.
    """
    names = tissues().names
    for layer in sorted(layers, key=lambda item: item.rank):
        weight = layer.fraction if layer.outside else layer.fraction * share[layer.box]
        if layer.strength is not None:
            weight = weight * layer.strength
        target = images[(slice(None), *layer.box)]
        if layer.relative is None:
            row = names.index(layer.tissue)
            own = signal[row].reshape(-1, 1, 1, 1) + texture[row].reshape(-1, 1, 1, 1) * grain[layer.box]
        else:
            inside = weight / weight.sum().clamp(min=1e-6)
            mean = (target * inside).sum(dim=(1, 2, 3))
            own = (mean * layer.relative).reshape(-1, 1, 1, 1) * (1 + 0.04 * grain[layer.box])
        target += weight * (own - target)


def mark(layers: list[Layer], shape: tuple[int, ...], parenchyma: Tensor) -> tuple[Tensor, Tensor]:
    """The lesion map and the map of lesion numbers, (X, Y, Z) uint8 each, painted in the same order."""
    labels = torch.zeros(shape, dtype=torch.uint8, device=parenchyma.device)
    owner = torch.zeros_like(labels)
    for layer in sorted(layers, key=lambda item: item.rank):
        inside = layer.fraction > 0.5
        if not layer.outside:
            inside = inside & parenchyma[layer.box]
        if layer.label:
            labels[layer.box][inside] = layer.label
            owner[layer.box][inside] = layer.lesion
    return labels, owner
