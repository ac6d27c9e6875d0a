"""One slice of an image as a picture: how it is named, what of it is shown, and masks back onto the image.

A slice is named ``PLANE:INDEX``, with the image first where there are several: ``t1=coronal:80``. The index
counts from the left, the back or the foot, whatever the order of the array. A pixel is counted from the upper
left corner of the slice as it is shown (:mod:`sagittal.draw.slices`), x to the right and y down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sagittal.agent.text import plain
from sagittal.draw.overlay import NORMAL, PLANES, window
from sagittal.draw.slices import (
    in_eight_bits,
    only_plane,
    plane_grid,
    set_plane,
    shown_picture,
    shown_plane,
    slice_picture,
)
from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.study import Image, Mask

#: (width, height) bool, on the pixels of a picture as it is shown.
Plane = NDArray[np.bool_]

_NAME = re.compile(r"(?:(?P<image>.+)=)?(?P<plane>[a-z]+)(?::(?P<index>[0-9]{1,6}))?")


@dataclass(frozen=True)
class SliceName:
    """A slice as the user names it; without an index it follows from the regions."""

    image: str | None
    plane: str
    index: int | None


def parse_slice(text: str) -> SliceName:
    """``PLANE``, ``PLANE:INDEX`` or ``NAME=PLANE:INDEX``.

    Raises:
        InputError: it is none of these.
    """
    found = _NAME.fullmatch(text.strip())
    if found is None or found["plane"] not in PLANES:
        raise InputError(
            "A slice is not named in this way.",
            expected=f"PLANE:INDEX or NAME=PLANE:INDEX, PLANE one of {', '.join(PLANES)}, INDEX from 0",
            got=plain(text, 80) or "nothing",
            remedy="for instance --slice axial:90",
        )
    return SliceName(found["image"], found["plane"], None if found["index"] is None else int(found["index"]))


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice of an image, or a picture: what is looked at.

    Attributes:
        image: the whole image.
        plane: one of :data:`sagittal.draw.overlay.PLANES`.
        index: of the slice, in RAS order along the plane's normal.
    """

    image: Image
    plane: str
    index: int

    @property
    def is_whole(self) -> bool:
        """Whether the image has no other slice."""
        return only_plane(self.image.geometry) is not None

    @property
    def name(self) -> str:
        """``axial:90``; empty of a picture."""
        return "" if self.is_whole else f"{self.plane}:{self.index}"

    @property
    def words(self) -> str:
        """What it is called in an answer."""
        return "the picture" if self.is_whole else f"{self.plane} slice {self.index}"

    @cached_property
    def picture(self) -> Image:
        """What is shown, in 8 bits: one voxel deep, grey or in three colours, each voxel a pixel."""
        if not self.is_whole:
            return slice_picture(self.image.reorient("RAS"), self.plane, self.index, window(self.image))
        return in_eight_bits(shown_picture(self.image))

    @cached_property
    def grid(self) -> Geometry:
        """The picture's own grid."""
        return plane_grid(self._upright, self.plane)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height, _ = self.grid.shape
        return width, height

    @property
    def is_turned(self) -> bool:
        """Whether pixels are counted otherwise than the first two axes of the array."""
        corners = self.voxels_of(np.array([(0, 0), (1, 0), (0, 1)]))
        return not np.array_equal(corners, [(0, 0, 0), (1, 0, 0), (0, 1, 0)])

    def pixels_of(self, voxels: ArrayLike) -> NDArray[np.float64]:
        """(…, 3) voxel indices of the image → (…, 3): x, y and the slice, none of them rounded."""
        world = self.image.geometry.to_world(voxels)
        upright = self._upright.to_voxel(world)
        a, b = self._in_plane
        width, height = self.size
        shown = [width - 1 - upright[..., a], height - 1 - upright[..., b], upright[..., NORMAL[self.plane]]]
        return np.stack(shown, axis=-1)

    def voxels_of(self, pixels: ArrayLike) -> NDArray[np.int64]:
        """(…, 2) pixels of this slice → (…, 3) voxel indices of the image."""
        shown = np.asarray(pixels)
        a, b = self._in_plane
        width, height = self.size
        upright = np.empty((*shown.shape[:-1], 3))
        upright[..., a] = width - 1 - shown[..., 0]
        upright[..., b] = height - 1 - shown[..., 1]
        upright[..., NORMAL[self.plane]] = self.index
        voxels = self.image.geometry.to_voxel(self._upright.to_world(upright))
        return np.rint(voxels).astype(np.int64)

    def world_along(self, axis: int) -> NDArray[np.float64]:
        """(width, height): one RAS coordinate, in millimetres, of the middles of the pixels."""
        corners = self.image.geometry.to_world(self.voxels_of([(0, 0), (1, 0), (0, 1)]))[:, axis]
        x, y = (np.arange(n, dtype=np.float64) for n in self.size)
        along: NDArray[np.float64] = (
            corners[0] + (corners[1] - corners[0]) * x[:, None] + (corners[2] - corners[0]) * y
        )
        return along

    def cut(self, mask: Mask) -> Plane:
        """What of a mask on the image's grid lies in this slice."""
        shown = shown_plane(mask.reorient("RAS").data, self.index, NORMAL[self.plane])
        inside: Plane = shown[:, :, 0] != 0
        return inside

    def whole(self, inside: Plane, name: str, source: str) -> Mask:
        """A mask of this slice as one of the whole image: the other slices are empty.

        Args:
            inside: as large as the picture.
            name: of its one label.
            source: where it came from.
        """
        image = self.image
        mask = Mask(np.zeros(image.shape, np.uint8), image.geometry, {1: name}, source, image.session)
        # Turning gives a view: what is written there stands in the mask itself.
        set_plane(mask.reorient("RAS").data, self.index, NORMAL[self.plane], inside)
        return mask

    @cached_property
    def _upright(self) -> Geometry:
        return self.image.geometry.reoriented("RAS")[0]

    @property
    def _in_plane(self) -> tuple[int, int]:
        a, b = (axis for axis in range(3) if axis != NORMAL[self.plane])
        return a, b


def slice_of(image: Image, plane: str, index: int) -> Slice:
    """A slice of a volume.

    Raises:
        InputError: the volume has several channels, or no such slice.
    """
    if image.channels != 1:
        raise InputError("A volume has one channel.", got=f"{image.channels} in {image.name}")
    count = slices_in(image, plane)
    if not 0 <= index < count:
        raise InputError(
            f"The {plane} slice is outside the image.",
            expected=f"{plane}:0 to {plane}:{count - 1} for {image.name}",
            got=f"{plane}:{index}",
        )
    return Slice(image, plane, index)


def slices_in(image: Image, plane: str) -> int:
    """How many slices of a plane an image has."""
    return image.geometry.reoriented("RAS")[0].shape[NORMAL[plane]]


def whole_picture(image: Image) -> Slice | None:
    """A picture, or any image of one slice, as that slice; ``None`` for a volume."""
    plane = only_plane(image.geometry)
    return None if plane is None else Slice(image, plane, 0)
