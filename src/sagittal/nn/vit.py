"""A vision transformer for slices and volumes (Dosovitskiy et al. 2021): patches and a [CLS] vector.

The layout is that of MONAI's ``ViT``, which M3D has for volumes: patches are flattened and projected,
positions are learnt, [CLS] has none and comes first, blocks normalise before they attend. :func:`from_m3d`
renames M3D's weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from sagittal.errors import ConfigError, FileFormatError, InputError


class ViTConfig(BaseModel):
    """Sizes. The defaults are those of mpLLM's encoder (M3D-CLIP's), 32 × 256 × 256 voxels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, ...] = Field(default=(32, 256, 256), description="voxels or pixels of an image, an axis")
    patch: tuple[int, ...] = Field(default=(4, 16, 16), description="of a patch")
    channels: int = Field(default=1, ge=1, le=16)
    width: int = Field(default=768, ge=1, le=8_192, description="of a token")
    layers: int = Field(default=12, ge=0, le=128)
    heads: int = Field(default=12, ge=1, le=128)
    feed_forward: int = Field(default=3_072, ge=1, le=65_536)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        alike = len(self.size) == len(self.patch) in (2, 3) and min(self.size + self.patch) > 0
        if not alike or any(n % p for n, p in zip(self.size, self.patch, strict=True)):
            raise ConfigError(
                "An image is cut into whole patches.",
                expected="two or three axes, each a multiple of its patch",
                got=f"{self.size} by {self.patch}",
            )
        if self.width % self.heads:
            raise ConfigError(
                "Heads share the width evenly.", expected=f"a multiple of {self.heads}", got=self.width
            )
        return self

    @property
    def grid(self) -> tuple[int, ...]:
        """Patches an axis."""
        return tuple(n // p for n, p in zip(self.size, self.patch, strict=True))


@dataclass(frozen=True, eq=False)
class Seen:
    """What an encoder makes of images.

    Attributes:
        cls: (B, width) of [CLS].
        tokens: (B, *grid, width), a token a patch.
    """

    cls: Tensor
    tokens: Tensor

    def pooled(self, factor: int = 2) -> Tensor:
        """(B, N, width): means over blocks of ``factor`` patches an axis (M3D's spatial pooling).

        Raises:
            InputError: the grid is no multiple of ``factor``.
        """
        grid = self.tokens.shape[1:-1]
        if factor < 1 or any(n % factor for n in grid):
            raise InputError(
                "Tokens are pooled in whole blocks.",
                expected=f"a grid of multiples of {factor}",
                got=tuple(grid),
            )
        pool = functional.avg_pool3d if len(grid) == 3 else functional.avg_pool2d
        return pool(self.tokens.movedim(-1, 1), factor).flatten(2).transpose(1, 2)


class Block(nn.Module):
    """Self-attention, then a feed-forward, each behind a norm and beside a residual."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, config.feed_forward), nn.Linear(config.feed_forward, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) → the same."""
        query, key, value = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        hidden: Tensor = self.down(functional.gelu(self.up(self.norm2(x))))
        return x + hidden


class ViT(nn.Module):
    """The encoder.

    Args:
        config: sizes.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(prod(config.patch) * config.channels, config.width)
        self.positions = nn.Parameter(torch.empty(prod(config.grid), config.width))
        self.cls = nn.Parameter(torch.zeros(config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, images: Tensor) -> Seen:
        """Look at images.

        Args:
            images: (B, channels, *size).

        Raises:
            InputError: images of another size.
        """
        config = self.config
        if images.shape[1:] != (config.channels, *config.size):
            raise InputError(
                "Images have the encoder's size.",
                expected=f"(B, {config.channels}, {', '.join(map(str, config.size))})",
                got=tuple(images.shape),
            )
        x = self.embed(_patches(images, config)) + self.positions
        x = torch.cat([self.cls.expand(len(x), 1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return Seen(x[:, 0], x[:, 1:].unflatten(1, config.grid))


def _patches(images: Tensor, config: ViTConfig) -> Tensor:
    """(B, patches, values): each patch's values, channels running fastest."""
    cut = images
    for axis, size in enumerate(config.patch):
        cut = cut.unflatten(2 + 2 * axis, (-1, size))
    axes = len(config.patch)
    rows, within = range(2, 2 + 2 * axes, 2), range(3, 3 + 2 * axes, 2)
    return cut.permute(0, *rows, *within, 1).flatten(1, axes).flatten(2)


# MONAI's names (as M3D saves them), and ours.
_OURS = (
    (r"patch_embedding\.patch_embeddings\.1\.(\w+)", r"embed.\1"),
    (r"patch_embedding\.position_embeddings", "positions"),
    (r"cls_token", "cls"),
    (r"blocks\.(\d+)\.attn\.qkv\.weight", r"blocks.\1.qkv.weight"),
    (r"blocks\.(\d+)\.attn\.out_proj\.(\w+)", r"blocks.\1.out.\2"),
    (r"blocks\.(\d+)\.mlp\.linear1\.(\w+)", r"blocks.\1.up.\2"),
    (r"blocks\.(\d+)\.mlp\.linear2\.(\w+)", r"blocks.\1.down.\2"),
    (r"blocks\.(\d+)\.(norm[12])\.(\w+)", r"blocks.\1.\2.\3"),
    (r"norm\.(\w+)", r"norm.\1"),
)


def from_m3d(state: Mapping[str, Tensor], prefix: str = "vision_encoder.") -> dict[str, Tensor]:
    """Weights of an encoder as M3D-CLIP stores them, for :meth:`ViT.load_state_dict`.

    Args:
        state: of the whole model; what does not begin with ``prefix`` is left alone.
        prefix: of the encoder's names.

    Raises:
        FileFormatError: nothing begins with ``prefix``, or a name is none of this layout's.
    """
    found = {}
    for name, tensor in state.items():
        if not name.startswith(prefix):
            continue
        own = name.removeprefix(prefix)
        ours = next((re.sub(theirs, to, own) for theirs, to in _OURS if re.fullmatch(theirs, own)), None)
        if ours is None:
            raise FileFormatError(
                "These are not the weights of an encoder of M3D's layout.",
                expected="names such as blocks.0.attn.qkv.weight",
                got=name,
            )
        # These two have axes of length one before their own.
        found[ours] = tensor[0, 0] if ours == "cls" else tensor[0] if ours == "positions" else tensor
    if not found:
        raise FileFormatError(
            "No weights of an encoder are in this file.", expected=f"names that begin with {prefix}",
            got=", ".join(sorted(state)[:3]) or "nothing",
        )  # fmt: skip
    return found
