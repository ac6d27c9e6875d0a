"""A U-Net that a sentence conditions: the plain way to a mask from words (MedPLIB, baseline of Table 2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class Conditioned(nn.Module):
    """Two convolutions whose channels a sentence scales and shifts (FiLM, Perez et al. 2018)."""

    def __init__(self, before: int, channels: int, words: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.GroupNorm(8, channels)
        self.film = nn.Linear(words, 2 * channels)

    def forward(self, x: Tensor, sentence: Tensor) -> Tensor:
        """(B, before, H, W) and (B, words) → (B, channels, H, W)."""
        scale, shift = self.film(sentence)[:, :, None, None].chunk(2, dim=1)
        x = functional.silu(self.norm(self.first(x)) * (1 + scale) + shift)
        return functional.silu(self.second(x))


class TextUNet(nn.Module):
    """Picture and sentence → one mask.

    Args:
        vocabulary: tokens of the sentences.
        channels: of each level, from the finest; multiples of 8.
        words: width of a sentence's vector.
    """

    def __init__(self, vocabulary: int, channels: Sequence[int] = (16, 32, 64, 96), words: int = 64) -> None:
        super().__init__()
        self.embed = nn.EmbeddingBag(vocabulary, words, mode="mean")
        self.sentence = nn.Sequential(nn.Linear(words, words), nn.SiLU(), nn.Linear(words, words))
        pairs = list(zip((3, *channels[:-1]), channels, strict=True))
        self.down = nn.ModuleList(Conditioned(a, b, words) for a, b in pairs)
        self.up = nn.ModuleList(
            Conditioned(below + own, own, words) for own, below in reversed(list(pairwise(channels)))
        )
        self.out = nn.Conv2d(channels[0], 1, 1)

    def forward(self, images: Tensor, ids: Tensor, real: Tensor) -> Tensor:
        """Masks of some sentences.

        Args:
            images: (B, 3, H, W), H and W multiples of 2 to the number of levels but one.
            ids: (B, n) tokens.
            real: (B, n) False at padding.

        Returns:
            (B, H, W) logits.
        """
        starts = torch.cat([real.sum(dim=1).new_zeros(1), real.sum(dim=1).cumsum(0)[:-1]])
        sentence = self.sentence(self.embed(ids[real], starts))
        kept: list[Tensor] = []
        x = images
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2), sentence)
            kept.append(x)
        for block, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0), beside], dim=1), sentence)
        logits: Tensor = self.out(x)[:, 0]
        return logits
