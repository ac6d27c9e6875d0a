"""Features of one grid at the voxel centres of another, through world space."""

from __future__ import annotations

import torch
from torch import Tensor

from sagittal.geometry import Geometry

# A centre on the outer face of the last voxel still lies inside (see sagittal.resampling).
_TIE = 1e-4


class WorldSampler:
    """Trilinear sampling of features on ``source`` at the voxel centres of ``target``.

    A voxel's value holds to its edge, half a voxel beyond its centre; further out there is nothing.

    Args:
        source: grid of the features.
        target: grid whose voxel centres are asked for.
        device: where the features are.
    """

    def __init__(self, source: Geometry, target: Geometry, device: torch.device) -> None:
        self.source_shape = source.shape
        self.target_shape = target.shape
        # Composed in double precision; the voxel indices that it yields need no more than single.
        self.matrix = torch.as_tensor(source.inverse @ target.affine, dtype=torch.float32, device=device)

    def __call__(self, voxels: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Sample for the target's voxels ``start`` to ``stop`` in array order.

        Args:
            voxels: (items, streams, source voxels, channels).
            start: first target voxel.
            stop: one past the last.

        Returns:
            (items, streams, stop - start, channels) float32, and (stop - start) whether the source
            reaches that place.
        """
        at = self._coordinates(start, stop)
        shape = torch.tensor(self.source_shape, device=at.device)
        inside = ((at >= -0.5 - _TIE) & (at <= shape - 0.5 + _TIE)).all(dim=-1)
        at = at.clamp(min=torch.zeros(3, device=at.device), max=(shape - 1).float())
        below = at.floor().long().minimum((shape - 2).clamp(min=0))
        share = at - below
        result = at.new_zeros(())
        for corner in range(8):
            index, weight = self._corner(below, share, corner)
            result = result + voxels.index_select(2, index).float() * weight[:, None]
        return result, inside

    def _corner(self, below: Tensor, share: Tensor, corner: int) -> tuple[Tensor, Tensor]:
        """Flat source index and weight of one of the eight voxels around each place."""
        flat, weight = torch.zeros_like(below[:, 0]), torch.ones_like(share[:, 0])
        for axis, size in enumerate(self.source_shape):
            upper = corner >> axis & 1
            # An axis of one voxel has no upper neighbour; its share is zero there.
            flat = flat * size + (below[:, axis] + upper).clamp(max=size - 1)
            weight = weight * (share[:, axis] if upper else 1 - share[:, axis])
        return flat, weight

    def _coordinates(self, start: int, stop: int) -> Tensor:
        """(stop - start, 3): source voxel indices of target voxel centres."""
        flat = torch.arange(start, stop, device=self.matrix.device)
        _, ny, nz = self.target_shape
        index = torch.stack([flat // (ny * nz), flat // nz % ny, flat % nz], dim=1)
        return index.float() @ self.matrix[:3, :3].mT + self.matrix[:3, 3]
