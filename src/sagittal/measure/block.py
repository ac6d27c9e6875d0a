"""One label's voxels on their bounding box, turned to RAS order: what every measure works on.

Working on the box instead of the volume is what makes measuring fast. Turning the box to RAS order
makes every result the same for all 48 ways of storing one mask, ties included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import GeometryError, LabelError
from sagittal.geometry import Geometry, Triple
from sagittal.study import Mask

# A table of boxes has one row for each value up to the largest, so larger values are renumbered first.
_MANY_VALUES = 1 << 16
# Voxels of a block whose indices are held at a time: bounds the memory, whatever the label's size.
_CHUNK = 1 << 21


@dataclass(frozen=True, eq=False)
class Block:
    """The voxels of one label.

    Attributes:
        inside: (a, b, c) bool, C-contiguous; axes towards right, front and head.
        geometry: the grid of ``inside``.
        source: the grid of the mask that the block was cut from.
        start, stop: the box in the mask's own array, ``stop`` excluded.
        slice_axis: axis of ``inside`` that runs across the slices as they were acquired.
    """

    inside: NDArray[np.bool_]
    geometry: Geometry
    source: Geometry
    start: Triple
    stop: Triple
    slice_axis: int

    @cached_property
    def voxels(self) -> int:
        """How many voxels the label has; at least one."""
        return int(np.count_nonzero(self.inside))

    def coordinates(self) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """Indices of the label's voxels, a slab of the block at a time, in C order.

        Yields:
            The slab (along the first axis), and (3, n) indices in ``inside`` of its voxels.
        """
        rows, b, c = self.inside.shape
        step = max(1, _CHUNK // (b * c))
        for start in range(0, rows, step):
            slab = slice(start, min(start + step, rows))
            flat = np.flatnonzero(self.inside[slab])
            out = np.empty((3, flat.size), dtype=np.intp)
            rest, out[2] = np.divmod(flat, c)
            out[0], out[1] = np.divmod(rest, b)
            out[0] += start
            yield slab, out

    @cached_property
    def centroid(self) -> NDArray[np.float64]:
        """(3,) centre of mass in RAS millimetres."""
        sums = sum(index.sum(axis=1) for _, index in self.coordinates())
        return self.geometry.to_world(sums / self.voxels)

    def own_index(self, index: NDArray[np.float64] | tuple[float, float, float]) -> Triple:
        """A voxel of ``inside`` as an index into the mask's own array."""
        own = np.rint(self.source.to_voxel(self.geometry.to_world(index))).astype(int)
        return int(own[0]), int(own[1]), int(own[2])


def label_boxes(mask: Mask) -> dict[int, tuple[slice, slice, slice]]:
    """The bounding box of every label value that is present, in one pass over the mask.

    Raises:
        LabelError: a label value is negative.
    """
    from scipy.ndimage import find_objects

    data = mask.data
    if data.dtype.kind == "i" and data.min() < 0:
        raise LabelError("Label values are not negative.", got=f"{mask.name}: {int(data.min())}")
    if int(data.max()) >= _MANY_VALUES:
        values, data = np.unique(data, return_inverse=True)
        data = data.reshape(mask.shape) + int(values[0] != 0)
        names = [int(v) for v in values if v != 0]
    else:
        names = list(range(1, int(data.max()) + 1))
    # find_objects reads fastest along the order in which the array lies in memory.
    order = tuple(int(a) for a in np.argsort([-abs(s) for s in data.strides], kind="stable"))
    found = find_objects(np.transpose(data, order))
    boxes = {}
    for value, box in zip(names, found, strict=False):
        if box is not None:
            a, b, c = (box[order.index(axis)] for axis in range(3))
            boxes[value] = (a, b, c)
    return boxes


def cut_block(mask: Mask, value: int, box: tuple[slice, slice, slice] | None = None) -> Block:
    """The block of one label.

    Args:
        mask: the label map.
        value: the label.
        box: its bounding box from :func:`label_boxes`, when that is at hand.

    Raises:
        LabelError: the mask has no voxel of this value.
    """
    if box is None:
        box = _box_of(mask, value)
    start = (int(box[0].start), int(box[1].start), int(box[2].start))
    stop = (int(box[0].stop), int(box[1].stop), int(box[2].stop))
    geometry, order, _ = turned_to_ras(mask.geometry.cropped(start, stop))
    inside = np.ascontiguousarray(ras_view(mask.data[box] == value, mask.geometry))
    # A picture is one slice, whatever its spacing says.
    axis = 2 if mask.geometry.is_2d else mask.geometry.slice_axis
    return Block(inside, geometry, mask.geometry, start, stop, order.index(axis))


@lru_cache(maxsize=64)
def turned_to_ras(geometry: Geometry) -> tuple[Geometry, Triple, tuple[int, ...]]:
    """``geometry.reoriented("RAS")``, kept for the next label or image on the same grid."""
    turned, (a, b, c), flips = geometry.reoriented("RAS")
    return turned, (a, b, c), flips


def ras_view(data: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """An array on ``geometry``, or on a part of it, with its axes in RAS order; nothing is copied."""
    _, order, flips = turned_to_ras(geometry)
    return np.flip(np.transpose(data, order), flips) if flips else np.transpose(data, order)


def block_of(mask: Mask, name: str) -> Block:
    """The block of the label called ``name``.

    Raises:
        LabelError: no such name, or no voxel of it.
    """
    return cut_block(mask, mask.value_of(name))


def on_grid_of(mask: Mask, geometry: Geometry, what: str) -> Mask:
    """``mask`` with its axes in the order of ``geometry``; nothing is resampled.

    Raises:
        GeometryError: the two are different grids even so.
    """
    turned = mask.reorient(geometry.orientation)
    if not turned.geometry.same_grid(geometry):
        raise GeometryError(
            f"{what} must lie on the same grid.",
            expected=geometry.describe(),
            got=mask.geometry.describe(),
            remedy="resample one onto the other first",
        )
    return turned


def _box_of(mask: Mask, value: int) -> tuple[slice, slice, slice]:
    inside = mask.data == value
    spans = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        along = np.flatnonzero(inside.any(axis=others))
        if along.size == 0:
            raise LabelError("The mask has no voxel of this label.", got=f"{mask.name}: value {value}")
        spans.append(slice(int(along[0]), int(along[-1]) + 1))
    return spans[0], spans[1], spans[2]
