"""Two views of the same memory: a volume's features, and a list of voxels with channels."""

from __future__ import annotations

from torch import Tensor


def to_voxels(x: Tensor) -> Tensor:
    """(N, C, X, Y, Z) → (N, X·Y·Z, C). No copy where ``x`` lies in channels-last memory."""
    return x.permute(0, 2, 3, 4, 1).reshape(x.shape[0], -1, x.shape[1])


def from_voxels(voxels: Tensor, like: Tensor) -> Tensor:
    """(N, X·Y·Z, C) → (N, C, X, Y, Z) with the grid of ``like``, in channels-last memory."""
    grid = voxels.reshape(voxels.shape[0], *like.shape[2:], voxels.shape[-1])
    return grid.permute(0, 4, 1, 2, 3)
