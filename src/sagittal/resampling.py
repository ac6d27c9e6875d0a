"""Values of one grid at the voxel centres of another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.geometry import Geometry

# A voxel centre on the border between two source voxels must not flip with the last bit of a float.
_TIE = 1e-6


def resample(
    data: NDArray[Any], source: Geometry, target: Geometry, *, order: int, fill: float = 0
) -> NDArray[Any]:
    """Values of ``data`` at the voxel centres of ``target``.

    Args:
        data: array on ``source``, shape ``source.shape`` or with a trailing channel axis.
        source: grid of ``data``.
        target: grid to sample on.
        order: 0 nearest neighbour (labels), 1 linear, 3 cubic. When the target is coarser and the
            order is not 0, ``data`` is first smoothed so that fine detail does not alias.
        fill: value outside the source.

    Returns:
        Array of ``target.shape`` (and channels); the type of ``data`` for order 0, else float32.
    """
    matrix = source.inverse @ target.affine
    if data.ndim == 4:
        planes = [
            resample(data[..., c], source, target, order=order, fill=fill) for c in range(data.shape[3])
        ]
        return np.stack(planes, axis=-1)
    axes = _axis_aligned(matrix)
    if order == 0 and axes is not None:
        return _nearest_separable(data, matrix, axes, target, fill)
    if order == 0:
        return _nearest(data, matrix, target, fill)
    return _smooth_interpolation(data, matrix, target, order, fill)


def _axis_aligned(matrix: NDArray[np.float64]) -> tuple[int, int, int] | None:
    """For each source axis, the one target axis it depends on; ``None`` when there are several."""
    linear = np.abs(matrix[:3, :3])
    used = linear > 1e-9 * linear.max()
    if not (used.sum(axis=0) == 1).all() or not (used.sum(axis=1) == 1).all():
        return None
    a, b, c = (int(row.argmax()) for row in used)
    return a, b, c


def _nearest_separable(
    data: NDArray[Any], matrix: NDArray[np.float64], axes: tuple[int, int, int], target: Geometry, fill: float
) -> NDArray[Any]:
    """Nearest neighbour where each source axis follows one target axis: three index vectors."""
    out = np.full(target.shape, fill, dtype=data.dtype)
    taken: list[NDArray[np.intp]] = []
    spans: list[slice] = [slice(None)] * 3
    for axis, towards in enumerate(axes):
        steps = np.arange(target.shape[towards])
        index = np.floor(matrix[axis, towards] * steps + matrix[axis, 3] + 0.5 + _TIE).astype(np.intp)
        inside = np.flatnonzero((index >= 0) & (index < data.shape[axis]))
        if inside.size == 0:
            return out
        # The inside of a monotone index vector is one run.
        spans[towards] = slice(int(inside[0]), int(inside[-1]) + 1)
        taken.append(index[inside])
    block = data[np.ix_(*taken)]
    out[tuple(spans)] = np.transpose(block, np.argsort(axes))
    return out


def _nearest(data: NDArray[Any], matrix: NDArray[np.float64], target: Geometry, fill: float) -> NDArray[Any]:
    from scipy.ndimage import affine_transform

    return affine_transform(
        data,
        matrix[:3, :3],
        matrix[:3, 3] + _TIE,
        output_shape=target.shape,
        output=data.dtype,
        order=0,
        mode="grid-constant",
        cval=fill,
    )


def _smooth_interpolation(
    data: NDArray[Any], matrix: NDArray[np.float64], target: Geometry, order: int, fill: float
) -> NDArray[np.float32]:
    from scipy.ndimage import affine_transform, gaussian_filter

    values = np.asarray(data, dtype=np.float32)
    # Source voxels per target voxel along each source axis.
    factors = np.abs(matrix[:3, :3]).max(axis=1)
    sigma = np.maximum(0.0, (factors - 1) / 2)
    if sigma.max() > 0.05:
        values = gaussian_filter(values, sigma, mode="nearest")
    # A voxel's value holds to its edge, half a voxel beyond its centre: so the border is extended.
    inside = affine_transform(
        values, matrix[:3, :3], matrix[:3, 3], output_shape=target.shape, order=order, mode="nearest"
    )
    outside = ~_covered(data.shape, matrix, target)
    inside[outside] = fill
    return inside


def _covered(shape: tuple[int, ...], matrix: NDArray[np.float64], target: Geometry) -> NDArray[np.bool_]:
    """Target voxels whose centre lies inside the source's outer faces."""
    inside = np.ones(target.shape, dtype=bool)
    steps = np.ogrid[tuple(slice(n) for n in target.shape)]
    for axis in range(3):
        position = sum(matrix[axis, k] * steps[k] for k in range(3)) + matrix[axis, 3]
        inside &= (position >= -0.5 - _TIE) & (position <= shape[axis] - 0.5 + _TIE)
    return inside
