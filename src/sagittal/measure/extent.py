"""How far a label reaches: millimetres along the body's axes, and its bounding boxes.

A voxel is a box, not a point, so everything here is measured at voxel *faces*: one voxel of 1 mm is
1 mm wide. On a grid along the body's axes an extent is a whole number of voxels. On an oblique grid
it is the side of the smallest box along the body's axes that holds every voxel whole; a single
voxel turned by 45° then measures its diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.geometry import WORLD_AXES, Triple
from sagittal.measure.block import Block
from sagittal.measure.hull import outer_corners


@dataclass(frozen=True, eq=False)
class Extent:
    """Where a label lies and how far it reaches.

    Attributes:
        extent_mm: by world axis, ``left_right``, ``front_back``, ``up_down``.
        low_ras_mm, high_ras_mm: (3,) opposite corners of the world bounding box.
        start, stop: voxel bounding box in the mask's own array, ``stop`` excluded.
    """

    extent_mm: Mapping[str, float]
    low_ras_mm: NDArray[np.float64]
    high_ras_mm: NDArray[np.float64]
    start: Triple
    stop: Triple


def extent(block: Block) -> Extent:
    """Extent and bounding boxes of a label.

    Raises:
        SpacingUnknownError: the grid has no spacing.
    """
    block.geometry.require_spacing("An extent")
    linear = block.geometry.affine[:3, :3]
    # Along the body's axes the block itself is the box.
    aligned = np.count_nonzero(linear) == 3
    corners = np.array([(0, 0, 0), block.inside.shape]) if aligned else outer_corners(block.inside)
    # Sides from differences of indices, so that a far-off origin costs no digits.
    along = (corners - 0.5) @ linear.T
    sides = {name: float(np.ptp(along[:, axis])) for axis, name in enumerate(WORLD_AXES)}
    offset = block.geometry.affine[:3, 3]
    return Extent(sides, along.min(axis=0) + offset, along.max(axis=0) + offset, block.start, block.stop)
