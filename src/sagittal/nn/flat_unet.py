"""A small U-Net for pictures (Ronneberger et al. 2015), at half the picture's resolution and back.

Pixels are first unshuffled, two by two, into channels, and the logits shuffled back at the end: nothing is
thrown away, and the costly first level has a quarter of the places. Blocks are two 3×3 convolutions with
GroupNorm and SiLU beside a residual; levels are halved by strided convolutions and doubled by interpolation.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from sagittal.errors import ConfigError, InputError

_GROUP = 8


class FlatUNetConfig(BaseModel):
    """Sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[int, ...] = Field(
        default=(16, 32, 64, 96, 128), min_length=1, max_length=8, description="per level, finest first"
    )
    classes: int = Field(default=4, ge=1, le=256, description="channels of logits")

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if any(c < _GROUP or c % _GROUP or c > 1_024 for c in self.channels):
            raise ConfigError(
                "Normalisation groups are whole.", expected=f"channels in multiples of {_GROUP}",
                got=self.channels,
            )  # fmt: skip
        return self

    @property
    def multiple(self) -> int:
        """Sides of a picture are multiples of this."""
        return int(2 ** len(self.channels))


class _Block(nn.Module):
    """(B, inputs, h, w) → (B, outputs, h, w)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(outputs // _GROUP, outputs)
        self.norm2 = nn.GroupNorm(outputs // _GROUP, outputs)
        self.beside = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.silu(self.norm1(self.first(x)))
        found: Tensor = functional.silu(self.norm2(self.second(inner)) + self.beside(x))
        return found


class FlatUNet(nn.Module):
    """The network.

    Args:
        config: sizes.
    """

    def __init__(self, config: FlatUNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.stem = nn.Conv2d(4, channels[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(c, c) for c in channels)
        self.halve = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels))
        self.up = nn.ModuleList(_Block(a + b, a) for a, b in pairwise(channels))
        self.head = nn.Conv2d(channels[0], 4 * config.classes, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits of every pixel.

        Args:
            pictures: (B, 1, h, w), sides in multiples of :attr:`FlatUNetConfig.multiple`.

        Returns:
            (B, classes, h, w).

        Raises:
            InputError: pictures of another shape.
        """
        multiple = self.config.multiple
        if pictures.ndim != 4 or pictures.shape[1] != 1 or any(n % multiple for n in pictures.shape[2:]):
            raise InputError(
                "Pictures are grey, their sides can be halved.",
                expected=f"(B, 1, n·{multiple}, m·{multiple})",
                got=tuple(pictures.shape),
            )  # fmt: skip
        x = functional.pixel_unshuffle(pictures, 2).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        kept = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.halve[level - 1](x))
            kept.append(x)
        for block, beside in zip(reversed(self.up), reversed(kept[:-1]), strict=True):
            doubled = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([beside, doubled], dim=1))
        found: Tensor = functional.pixel_shuffle(self.head(x), 2)
        return found
