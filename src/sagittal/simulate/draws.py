"""Randomness of one study: numbers that depend on the seed and the study's index alone.

Two streams: ``numbers`` on the CPU for choices and settings, and ``voxels`` on the device for fields
and noise. A study is therefore the same in any batch and any order (on one device).
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor


class Draws:
    """The random streams of one study.

    Args:
        seed: the world's seed.
        index: the study's index.
        device: where voxel fields are drawn.
        stream: a further key, for parts that must not shift one another's draws.
    """

    def __init__(self, seed: int, index: int, device: torch.device, stream: str = "") -> None:
        digest = hashlib.sha256(f"sagittal.simulate/1|{seed}|{index}|{stream}".encode()).digest()
        key = int.from_bytes(digest[:8], "big") >> 1
        self.device = device
        self._key = (seed, index, stream)
        self.numbers = torch.Generator().manual_seed(key)
        self.voxels = torch.Generator(device=device).manual_seed(key + 1)

    def stream(self, name: str) -> Draws:
        """An independent stream of the same study."""
        seed, index, own = self._key
        return Draws(seed, index, self.device, f"{own}/{name}")

    def uniform(self, low: float, high: float) -> float:
        """One number, uniform."""
        return low + (high - low) * float(torch.rand((), generator=self.numbers, dtype=torch.float64))

    def normal(self, mean: float = 0.0, sd: float = 1.0) -> float:
        """One number, Gaussian, cut at three sd."""
        value = float(torch.randn((), generator=self.numbers, dtype=torch.float64))
        return mean + sd * max(-3.0, min(3.0, value))

    def lognormal(self, median: float, sd: float) -> float:
        """One positive number; ``sd`` of its logarithm."""
        return median * math.exp(self.normal(0.0, sd))

    def chance(self, probability: float) -> bool:
        """``True`` with a probability."""
        return self.uniform(0.0, 1.0) < probability

    def integer(self, low: int, high: int) -> int:
        """One whole number, ``low`` ≤ value < ``high``."""
        return int(torch.randint(low, high, (), generator=self.numbers))

    def choice(self, weights: dict[str, float]) -> str:
        """One of the keys, in proportion to its weight."""
        place = self.uniform(0.0, sum(weights.values()))
        for name, weight in weights.items():
            place -= weight
            if place < 0:
                return name
        return name

    def rows(self, *size: int) -> Tensor:
        """Small Gaussian tensor on the CPU, float64, cut at three sd."""
        return torch.randn(size, generator=self.numbers, dtype=torch.float64).clamp_(-3, 3)
