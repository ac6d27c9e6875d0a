"""A case to score: images, and the truth of some structures on the first image's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sagittal.errors import InputError
from sagittal.study import Image, Mask


@dataclass(frozen=True, eq=False)
class Case:
    """Images and truth.

    Attributes:
        name: unique among the cases.
        source: whose labels these are, in words: it stands in every table.
        images: volumes; masks are drawn on the grid of the first.
        truth: structure → its binary mask on the grid of the first image.
        more: what else is known of it.
    """

    name: str
    source: str
    images: tuple[Image, ...]
    truth: Mapping[str, Mask]
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.images:
            raise InputError("A case has at least one image.", got=self.name)
        for mask in self.truth.values():
            self.images[0].geometry.require_same_grid(mask.geometry, "Truth and the first image of a case")
