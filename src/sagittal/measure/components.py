"""Connected components of a label, 26-connectivity (mpLLM, appendix A, "Multiplicity" and "Spread")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sagittal.geometry import Geometry
from sagittal.measure.block import Block


@dataclass(frozen=True, eq=False)
class Components:
    """A label split into pieces that do not touch, not even at a corner.

    Attributes:
        block: the label.
        labels: (a, b, c) unsigned integers on the block: 0 outside, 1 … N.
        voxels: (N,) int64 voxels in each.
        first: (N, 3) int64 sums of the voxel indices (in the block) of each.
        second: (N, 6) int64 sums of the products ii, ij, ik, jj, jk, kk.

    The moments are whole numbers, hence exact: no tolerance decides what is a line or a plane.
    """

    block: Block
    labels: NDArray[np.unsignedinteger]
    voxels: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.voxels.size)

    @property
    def geometry(self) -> Geometry:
        """The grid of ``labels``."""
        return self.block.geometry

    @cached_property
    def core(self) -> int:
        """Index of the largest component. Of equals, the one most to the left, then back, then low."""
        largest = np.flatnonzero(self.voxels == self.voxels.max())
        # Equal counts, so sums order as centroids do, exactly.
        keys = [(*self.first[i].tolist(), int(i)) for i in largest]
        return min(keys)[3]

    @property
    def core_share(self) -> float:
        """The core's share of the label's voxels, in (0, 1]."""
        return float(self.voxels[self.core] / self.voxels.sum())

    @cached_property
    def volumes_mm3(self) -> NDArray[np.float64]:
        """(N,) volume of each.

        Raises:
            SpacingUnknownError: the grid has no spacing.
        """
        return np.asarray(self.voxels * self.geometry.voxel_volume, dtype=np.float64)

    @cached_property
    def centroids(self) -> NDArray[np.float64]:
        """(N, 3) centres of mass in RAS millimetres."""
        return self.geometry.to_world(self.first / self.voxels[:, None])

    @cached_property
    def boxes(self) -> NDArray[np.int64]:
        """(N, 2, 3) first index and last index + 1 of each on the block."""
        from scipy.ndimage import find_objects

        found = find_objects(self.labels)
        return np.array([[[s.start for s in box], [s.stop for s in box]] for box in found], dtype=np.int64)

    def member(self, index: int) -> NDArray[np.bool_]:
        """One component on its own box (``boxes[index]``)."""
        start, stop = self.boxes[index]
        box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        return self.labels[box] == index + 1


def find_components(block: Block) -> Components:
    """Split a label into its 26-connected components."""
    labels, count = label_touching(block.inside)
    voxels, first, second = _moments(block, labels, count)
    return Components(block, labels, voxels, first, second)


def label_touching(inside: NDArray[np.bool_]) -> tuple[NDArray[np.unsignedinteger], int]:
    """Number the 26-connected components of an array: 1 … N, and N.

    cc3d (4.1) reserves room for one label in every 2×2×2 voxels and rounds down, so it fails on odd
    lengths that hold more ("maximum length exception"). Even lengths always have room.
    """
    import cc3d

    even = tuple(n + n % 2 for n in inside.shape)
    if even != inside.shape:
        padded = np.zeros(even, dtype=bool)
        padded[tuple(slice(n) for n in inside.shape)] = inside
    else:
        padded = np.ascontiguousarray(inside)
    labels, count = cc3d.connected_components(padded, connectivity=26, return_N=True)
    return np.ascontiguousarray(labels[tuple(slice(n) for n in inside.shape)]), int(count)


def _moments(
    block: Block, labels: NDArray[np.unsignedinteger], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Voxel counts, sums of indices and sums of products, a few slabs at a time."""
    voxels = np.zeros(count, dtype=np.int64)
    first = np.zeros((count, 3), dtype=np.int64)
    second = np.zeros((count, 6), dtype=np.int64)
    for _, (i, j, k) in block.coordinates():
        owner = labels[i, j, k].astype(np.intp) - 1
        voxels += np.bincount(owner, minlength=count)
        for column, values in enumerate((i, j, k)):
            first[:, column] += _exact_sums(owner, values, count)
        for column, values in enumerate((i * i, i * j, i * k, j * j, j * k, k * k)):
            second[:, column] += _exact_sums(owner, values, count)
    return voxels, first, second


def _exact_sums(owner: NDArray[np.intp], values: NDArray[np.intp], count: int) -> NDArray[np.int64]:
    # bincount adds doubles; a slab's sums stay far below 2**53, so they are whole and exact.
    return np.bincount(owner, weights=values, minlength=count).astype(np.int64)
