"""Outermost corners of components, and the volume of their convex hulls in voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sagittal.measure.components import Components


def corner_points(components: Components, only: NDArray[np.intp]) -> list[NDArray[np.int64]]:
    """Voxel corners among which each chosen component's convex hull has its vertices.

    Corner (i, j, k) is the low corner of voxel (i, j, k); in world space it lies at index − 0.5.
    A vertex of the hull is the first or last point on every straight line of corners through it,
    so only such points are kept: thousands of points instead of millions.

    Args:
        components: all of a label's components.
        only: indices of those wanted.

    Returns:
        For each wanted component an (m, 3) array of whole numbers, on the block's grid.
    """
    found = []
    for index in only:
        start = components.boxes[index][0]
        found.append(outer_corners(components.member(int(index))) + start)
    return found


def hull_volumes(components: Components, only: NDArray[np.intp]) -> NDArray[np.float64]:
    """(len(only),) volume, in voxels, of the convex hull of each chosen component's voxel corners.

    A polytope with whole-numbered corners has a volume in sixths; Qhull's result is rounded to
    that, which makes it exact and the same for every orientation.
    """
    from scipy.spatial import ConvexHull

    sides = components.boxes[only, 1] - components.boxes[only, 0]
    volumes = sides.prod(axis=1).astype(np.float64)
    # A component that fills its box is its own hull.
    hollow = np.flatnonzero(volumes != components.voxels[only])
    for row, points in zip(hollow, corner_points(components, only[hollow]), strict=True):
        volumes[row] = round(ConvexHull(points).volume * 6) / 6
    return volumes


def outer_corners(member: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Corners of the voxels of ``member`` that are outermost along all three axes."""
    a, b, c = member.shape
    # Lowest and highest corner over each column of voxels, then over the four voxels round a corner.
    filled = member.any(axis=2)
    low = np.where(filled, member.argmax(axis=2), c + 1)
    high = np.where(filled, c - member[:, :, ::-1].argmax(axis=2), -1)
    lowest = np.full((a + 1, b + 1), c + 1)
    highest = np.full((a + 1, b + 1), -1)
    for di in (0, 1):
        for dj in (0, 1):
            window = (slice(di, di + a), slice(dj, dj + b))
            lowest[window] = np.minimum(lowest[window], low)
            highest[window] = np.maximum(highest[window], high)
    i, j = np.nonzero(highest >= 0)
    points = np.concatenate(
        [np.stack([i, j, lowest[i, j]], axis=1), np.stack([i, j, highest[i, j]], axis=1)]
    ).astype(np.int64)
    points = _outermost_along(points, 1)
    return _outermost_along(points, 0)


def _outermost_along(points: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """Points that are the first or last of those with the same other two coordinates."""
    one, two = (x for x in range(3) if x != axis)
    points = points[np.lexsort((points[:, axis], points[:, two], points[:, one]))]
    new_line = (np.diff(points[:, [one, two]], axis=0) != 0).any(axis=1)
    edge = np.concatenate([[True], new_line, [True]])
    return points[edge[:-1] | edge[1:]]
