"""φ: how the language model modulates the vision networks (VoxelPrompt, §3.1 and §3.3).

An output state η of the language model, taken where it follows ``<MOD>``, becomes

    φ = SiLU(W η + w),                                32 channels, one φ per volume argument,

and at every level the features a_s of stream s, concatenated with its φ_s, become

    a'_s = SiLU(U [a_s ; φ_s] + u)                    for each voxel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.nn.voxels import from_voxels, to_voxels


class PhiProjection(nn.Module):
    """States of the language model to φ.

    Args:
        width: width d of the language model's states.
        channels: channels of φ (32 in the paper).
    """

    def __init__(self, width: int, channels: int = 32) -> None:
        super().__init__()
        self.project = nn.Linear(width, channels)

    def forward(self, states: Tensor) -> Tensor:
        """(…, width) → (…, channels)."""
        return functional.silu(self.project(states))


class PhiMixing(nn.Module):
    """A fully-connected layer over [a ; φ] at every voxel, with SiLU.

    φ is the same at every voxel of a stream, so its share of the layer is computed once per stream and
    joins as a bias: nothing is concatenated over the volume.

    Args:
        channels: channels c of the features.
        phi_channels: channels of φ.
    """

    def __init__(self, channels: int, phi_channels: int = 32) -> None:
        super().__init__()
        self.channels = channels
        self.mix = nn.Linear(channels + phi_channels, channels)

    def forward(self, x: Tensor, phi: Tensor) -> Tensor:
        """Mix φ into features.

        Args:
            x: (N, c, X, Y, Z); one stream each.
            phi: (N, phi_channels).

        Returns:
            (N, c, X, Y, Z).
        """
        of_features, of_phi = self._parts()
        offset = functional.linear(phi, of_phi, self.mix.bias)
        # Stream by stream, so that the offset is the layer's bias: adding it afterwards, over a short
        # last axis, took ten times longer than the product itself.
        mixed = torch.stack(
            [functional.linear(v, of_features, o) for v, o in zip(to_voxels(x), offset, strict=True)]
        )
        return from_voxels(silu(mixed), x)

    @torch.no_grad()
    def absorb(self, phi: Tensor) -> None:
        """Make what one φ adds part of the bias, and begin anew with small weights of φ.

        Every φ then gives, nearly, what this one gave: a network that has learnt with one φ can learn others
        without losing what it knows.

        Args:
            phi: (phi_channels,).
        """
        _, of_phi = self._parts()
        self.mix.bias.add_(of_phi @ phi)
        nn.init.normal_(of_phi, std=0.1)

    def _parts(self) -> tuple[Tensor, Tensor]:
        """Views of the weights of features and of φ."""
        rest = self.mix.weight.shape[1] - self.channels
        of_features, of_phi = self.mix.weight.split([self.channels, rest], dim=1)
        return of_features, of_phi


def silu(x: Tensor) -> Tensor:
    """SiLU, in place where no gradient needs the input: a large allocation costs more than the function."""
    return functional.silu(x, inplace=not x.requires_grad)
