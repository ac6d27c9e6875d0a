"""Area of the marching-cubes surface of every component at once (mpLLM, appendix A).

The appendix runs marching cubes (scikit-image) on each component. A cube of 2×2×2 voxel centres
gives the same triangles wherever it lies, and there are only 256 ways to fill it. So the triangles
of each way are taken from scikit-image once; a component's area is then how often it has each way
times that way's area. The result equals the mesh's up to the last bits of the sum: no approximation.

Attribution is exact, too: any two voxels of one cube touch at least at a corner, so under
26-connectivity a cube never holds voxels of two components.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.geometry import Geometry
from sagittal.measure.components import Components

#: Cubes whose way is worked out at a time: bounds the memory.
_CHUNK = 1 << 22


def surface_areas(components: Components) -> NDArray[np.float64]:
    """(N,) area in mm² of each component's marching-cubes surface at level 0.5.

    A component is taken with empty voxels around it, so surfaces close at the image's border.

    Raises:
        SpacingUnknownError: the grid has no spacing.
    """
    components.geometry.require_spacing("A surface area")
    return cube_counts(components) @ cube_areas(components.geometry)


def cube_counts(components: Components) -> NDArray[np.int64]:
    """(N, 256) how often each component has each way to fill a cube of 2×2×2 voxel centres.

    Bit ``4a + 2b + c`` of a way is the voxel at offset (a, b, c).
    """
    count = len(components)
    total = np.zeros(count * 256, dtype=np.int64)
    rows, *plane = components.labels.shape
    slab = max(1, _CHUNK // ((plane[0] + 1) * (plane[1] + 1)))
    # Cube (x, y, z) has its corners at voxels x-1 … x; the padding adds the empty border.
    for start in range(0, rows + 1, slab):
        stop = min(start + slab, rows + 1)
        above = max(start - 1, 0)
        part = components.labels[above : min(stop, rows)]
        before, after = int(start == 0), int(stop == rows + 1)
        padded = np.pad(part, ((before, after), (1, 1), (1, 1)))
        total += _count_ways(padded, count)
    return total.reshape(count, 256)


def _count_ways(padded: NDArray[Any], count: int) -> NDArray[np.int64]:
    inside = (padded != 0).view(np.uint8)
    # One axis at a time: a cube is two squares, a square two edges, an edge two voxels.
    edge = inside[:, :, :-1] | (inside[:, :, 1:] << 1)
    square = edge[:, :-1] | (edge[:, 1:] << 2)
    way = square[:-1] | (square[1:] << 4)
    cubes = np.flatnonzero((way != 0) & (way != 255))
    ways = way.ravel()[cubes]
    _, b, c = way.shape
    rest, z = np.divmod(cubes, c)
    x, y = np.divmod(rest, b)
    # The component of a cube is that of any of its filled corners.
    offset = _FIRST_FILLED[ways]
    owner = padded[x + (offset >> 2), y + ((offset >> 1) & 1), z + (offset & 1)].astype(np.int64) - 1
    return np.bincount(owner * 256 + ways, minlength=count * 256)


_FIRST_FILLED = np.array([(way & -way).bit_length() - 1 if way else 0 for way in range(256)], dtype=np.int64)


def cube_areas(geometry: Geometry) -> NDArray[np.float64]:
    """(256,) area in mm² of the surface inside one cube, for each way to fill it."""
    triangles, ways = _cube_triangles()
    corners = triangles @ geometry.affine[:3, :3].T
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.sqrt((across**2).sum(axis=1)) / 2
    return np.bincount(ways, weights=areas, minlength=256).astype(np.float64)


@lru_cache(maxsize=1)
def _cube_triangles() -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """(T, 3, 3) triangles of all the ways, in voxel units, and (T,) the way of each."""
    from skimage.measure import marching_cubes

    triangles, ways = [], []
    for way in range(1, 255):
        cube = np.array([(way >> bit) & 1 for bit in range(8)], dtype=np.float32).reshape(2, 2, 2)
        vertices, faces, _, _ = marching_cubes(cube, level=0.5)
        triangles.append(vertices[faces].astype(np.float64))
        ways.append(np.full(len(faces), way))
    return np.concatenate(triangles), np.concatenate(ways)
