"""Where the head is in a scan, found by a coarse pass (VoxelPrompt, §4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.measure.brain import nonzero, not_stripped
from sagittal.study import Image

#: The coarse pass looks at every so many millimetres.
COARSE_MM = 3.0
# Between air (-1000 HU) and fat (-100 HU).
_CT_SKIN = -300.0
# Tissue is brighter than this share of the head's median; air and its noise are darker.
_OF_MEDIAN = 0.25
# Coarse voxels on either side of a gap (dark skull, sinuses) that is closed.
_GAP = 3


@dataclass(frozen=True, eq=False)
class Head:
    """The head in a volume.

    Attributes:
        start, stop: its bounding box, voxels, without margin.
        inside: (X, Y, Z) of the box; where the head is.
        stripped: whether the background is exactly zero, as in a skull-stripped scan.
    """

    start: tuple[int, int, int]
    stop: tuple[int, int, int]
    inside: NDArray[np.bool_]
    stripped: bool


def find_head(image: Image) -> Head:
    """Find the head in a volume of one channel.

    In a skull-stripped scan it is what is not zero. In others it is the largest piece above a threshold
    between air and tissue, found on a coarse grid, its holes (air in sinuses, dark skull) filled.

    Raises:
        InputError: the scan holds nothing, or not one finite value.
    """
    values = image.data
    if image.kind != "ct" and not_stripped(image) is None:
        inside = nonzero(image)
        return _head(inside, (0, 0, 0), stripped=True)
    step = tuple(max(1, int(COARSE_MM / s)) for s in image.geometry.spacing)
    coarse = _coarse(values, step)
    found = _largest(coarse > (_CT_SKIN if image.kind == "ct" else _threshold(coarse)))
    if found.any() and image.kind != "ct":
        # Once more with a threshold that the head itself sets, whatever the field of view.
        low = float(coarse.min())
        found = _largest(coarse > low + _OF_MEDIAN * (float(np.median(coarse[found])) - low))
    if not found.any():
        raise InputError("No head was found in a scan: it is empty.", got=image.name or image.kind)
    # Each coarse voxel stands for the block around it.
    start, stop = _box(found)
    block = found[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    for axis, n in enumerate(step):
        block = block.repeat(n, axis=axis)
    first = tuple(a * n for a, n in zip(start, step, strict=True))
    block = block[tuple(slice(0, n - a) for a, n in zip(first, values.shape, strict=True))]
    return _head(block, first, stripped=False)


def _coarse(values: NDArray[Any], step: tuple[int, ...]) -> NDArray[np.float32]:
    """Means of blocks, which noise hardly moves; the last block of an axis may be cut off by the border."""
    finite = np.nan_to_num(np.asarray(values, np.float32), posinf=0.0, neginf=0.0)
    for axis, n in enumerate(step):
        starts = np.arange(0, finite.shape[axis], n)
        counts = np.diff(np.append(starts, finite.shape[axis])).astype(np.float32)
        sums = np.add.reduceat(finite, starts, axis=axis)
        finite = np.asarray(sums / counts.reshape([-1 if a == axis else 1 for a in range(3)]), np.float32)
    return finite


def _threshold(values: NDArray[np.float32]) -> float:
    """A tenth of the way from the 2nd to the 98th percentile: between air and tissue, as in FSL's BET."""
    low, high = np.percentile(values, (2, 98))
    if not high > low:
        # The head fills less than a fiftieth of the scan, or all of it.
        low, high = float(values.min()), float(values.max())
    return float(low + 0.1 * (high - low))


def _largest(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest piece, with its gaps closed and its holes filled."""
    import cc3d
    from scipy.ndimage import binary_closing, binary_fill_holes, binary_opening

    # Specks of noise at its border would make the head wider.
    clean = binary_opening(inside)
    inside = clean if clean.any() else inside
    if not inside.any():
        return inside
    piece = np.pad(cc3d.largest_k(inside, k=1, connectivity=6, binary_image=True) > 0, _GAP)
    closed = binary_fill_holes(binary_closing(piece, iterations=_GAP))
    return np.asarray(closed)[_GAP:-_GAP, _GAP:-_GAP, _GAP:-_GAP]


def _box(inside: NDArray[np.bool_]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    start, stop = [], []
    for axis in range(3):
        some = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        start.append(int(some[0]))
        stop.append(int(some[-1]) + 1)
    return tuple(start), tuple(stop)


def _head(inside: NDArray[np.bool_], first: tuple[int, ...], *, stripped: bool) -> Head:
    start, stop = _box(inside)
    part = inside[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    a, b, c = (int(f + s) for f, s in zip(first, start, strict=True))
    d, e, f = (int(f + s) for f, s in zip(first, stop, strict=True))
    return Head((a, b, c), (d, e, f), part, stripped)


def head_values(image: Image, head: Head) -> NDArray[Any]:
    """The finite intensities of the head's voxels."""
    part = image.data[tuple(slice(a, b) for a, b in zip(head.start, head.stop, strict=True))]
    values = part[head.inside]
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values
