"""Which of some structures a voxel lies in, or else is nearest to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.measure.block import Block, block_of, on_grid_of, ras_view, turned_to_ras
from sagittal.measure.points import Points
from sagittal.study import Mask


class Nearest:
    """Which of some structures each voxel of a block lies in, or else is nearest to.

    Raises:
        GeometryError: a structure lies on another grid.
        InputError: all are empty.
        SpacingUnknownError: the grid has no spacing.
    """

    def __init__(self, block: Block, structures: Sequence[Mask]) -> None:
        block.source.require_spacing("A place")
        self.block = block
        self.structures = [on_grid_of(mask, block.source, "A structure") for mask in structures]
        if not any(mask.data.any() for mask in self.structures):
            raise InputError(
                "A place is told by the structures around it.",
                expected="a voxel of one of them",
                got=f"{len(structures)} empty masks",
                remedy="segment the anatomy first",
            )

    def slabs(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
        """A slab of the block at a time.

        Yields:
            (3, n) indices in the block; (n,) number of each voxel's structure, the first of equals; (k, n)
            mm from each structure: 0 inside it, infinite where it is empty or the voxel lies in another.
        """
        inside = [_part(mask, self.block) for mask in self.structures]
        for _, index in self.block.coordinates():
            covered = np.array([part[tuple(index)] for part in inside])
            away = np.where(covered, 0.0, np.inf)
            free = ~covered.any(axis=0)
            if free.any():
                world = self.block.geometry.to_world(index[:, free].T)
                away[:, free] = [_distances(tree, world) for tree in self._trees]
            yield index, away.argmin(axis=0), away

    @cached_property
    def _trees(self) -> list[Points | None]:
        """The surface of each structure, for searching; ``None`` when it is empty."""
        from scipy.ndimage import binary_erosion

        trees: list[Points | None] = []
        for mask in self.structures:
            there = mask.data != 0
            if not there.any():
                trees.append(None)
                continue
            block = block_of(Mask(there.view(np.uint8), mask.geometry, {1: "structure"}), "structure")
            outer = block.inside & ~np.asarray(binary_erosion(block.inside), dtype=bool)
            trees.append(Points(block.geometry.to_world(np.argwhere(outer))))
        return trees


def _distances(surface: Points | None, world: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(world), np.inf) if surface is None else surface.distances(world)


def first_voxel(block: Block) -> tuple[int, int, int]:
    """The block's first voxel, in its source's grid turned to RAS order."""
    grid, _, _ = turned_to_ras(block.source)
    a, b, c = np.rint(grid.to_voxel(block.geometry.to_world((0.0, 0.0, 0.0)))).astype(int)
    return int(a), int(b), int(c)


def _part(mask: Mask, block: Block) -> NDArray[np.bool_]:
    """A mask where the block is, in its axes."""
    box = tuple(slice(a, a + n) for a, n in zip(first_voxel(block), block.inside.shape, strict=True))
    return np.asarray(ras_view(mask.data, mask.geometry)[box] != 0, dtype=bool)


def columns(mask: Mask, block: Block) -> NDArray[np.bool_]:
    """A mask's front–back lines through the block, from end to end, in its axes."""
    (a, _, c), (m, _, n) = first_voxel(block), block.inside.shape
    return np.asarray(_turned(mask, block)[a : a + m, :, c : c + n] != 0, dtype=bool)


def levels(mask: Mask, block: Block) -> NDArray[np.bool_]:
    """Whether each of the block's levels, from its lowest up, meets a mask anywhere."""
    first, count = first_voxel(block)[2], block.inside.shape[2]
    return np.asarray(_turned(mask, block)[:, :, first : first + count].any(axis=(0, 1)), dtype=bool)


def _turned(mask: Mask, block: Block) -> NDArray[Any]:
    turned = on_grid_of(mask, block.source, "A structure")
    return ras_view(turned.data, turned.geometry)
