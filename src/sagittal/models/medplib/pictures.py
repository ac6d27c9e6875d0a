"""Pictures of any size as the encoders take them, regions onto them, and masks back (MedPLIB).

A picture keeps its proportions in millimetres where its spacing is known, in pixels otherwise; without its
blank borders it lies in the middle of a black square. Arrays of the project are (width, height), x to the
right; tensors are (height, width), as networks have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sagittal.errors import InputError
from sagittal.io.raster import picture_geometry
from sagittal.study import Image

#: A region takes a pixel of the square where it covers at least so much of it.
_COVERED = 0.5
#: Less than that, as a point of a large picture covers, is not told by 8 bits.
_TOLD = 8 / 255
#: Columns and rows at the border are blank where at most this share of their pixels is brighter than that.
_BLANK_SHARE, _BLANK = 0.01, 20
#: Kept around what is not blank, as a share of its longer side.
_MARGIN = 0.04
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Frame:
    """Where a picture lies in a square.

    Attributes:
        size: width and height of the picture, in its own pixels.
        box: left, top, right, bottom of what is shown of it, in its own pixels; the last two excluded.
        edge: of the square.
        inner: the same of where that lies in the square, in the square's pixels.
    """

    size: tuple[int, int]
    box: Box
    edge: int
    inner: Box

    def place(self, region: NDArray[np.bool_]) -> Tensor:
        """A region of the picture in the square.

        Args:
            region: (width, height) bool, at least one pixel of what is shown.

        Returns:
            (edge, edge) bool, at least one pixel: where none is half covered, those that are covered most.

        Raises:
            InputError: the region is of another size than the picture, or holds nothing of what is shown.
        """
        if region.shape != self.size:
            raise InputError(
                "A region is as large as its picture.",
                expected=f"{self.size[0]}×{self.size[1]} pixels",
                got="×".join(str(n) for n in region.shape),
            )
        covered = self._fitted(region).float() / 255
        if float(covered.max()) < _TOLD:
            covered = self._fitted(region, torch.float32) / 255
        if not float(covered.max()):
            raise InputError("The region is empty.", expected="at least one pixel of the picture in it")
        out = torch.zeros(self.edge, self.edge, dtype=torch.bool)
        out[self._inside] = covered >= min(_COVERED, float(covered.max()))
        return out

    def nearest(self, numbers: NDArray[np.uint8]) -> Tensor:
        """Numbered parts of the picture in the square: (width, height) → (edge, edge) uint8, 0 around it."""
        left, top, right, bottom = self.box
        rows = _rows(numbers[left:right, top:bottom])[None, None]
        out = torch.zeros(self.edge, self.edge, dtype=torch.uint8)
        size = out[self._inside].shape
        out[self._inside] = functional.interpolate(rows, size=size, mode="nearest-exact")[0, 0]
        return out

    def back(self, values: Tensor) -> NDArray[np.float32]:
        """What a network says of the square, on the picture's own pixels.

        Args:
            values: (h, h) over the whole square, of any resolution.

        Returns:
            (width, height); −∞ where the picture is not shown.
        """
        scale = values.shape[-1] / self.edge
        found = np.full(self.size, -np.inf, np.float32)
        # Middles of the picture's pixels, in pixels of ``values``.
        x, y = (
            (first + (torch.arange(count) + 0.5) * (last - first) / count) * scale
            for first, last, count in (
                (self.inner[0], self.inner[2], self.box[2] - self.box[0]),
                (self.inner[1], self.inner[3], self.box[3] - self.box[1]),
            )
        )
        # In bands: what lies between is never larger than a few columns of a large picture.
        for columns in torch.split(torch.arange(len(x)), max(1, (1 << 22) // len(y))):
            grid = torch.stack(torch.meshgrid(x[columns], y, indexing="ij"), dim=-1)
            band = functional.grid_sample(
                values.float()[None, None], (2 * grid / values.shape[-1] - 1)[None],
                padding_mode="border", align_corners=False,
            )  # fmt: skip
            first = self.box[0] + int(columns[0])
            found[first : first + len(columns), self.box[1] : self.box[3]] = band[0, 0].numpy()
        return found

    def _fitted(
        self, plane: NDArray[np.uint8] | NDArray[np.bool_], kind: torch.dtype = torch.uint8
    ) -> Tensor:
        """A plane of the picture, (width, height), as it lies in the square: (rows, columns), 0 to 255."""
        left, top, right, bottom = self.box
        size = (self.inner[3] - self.inner[1], self.inner[2] - self.inner[0])
        return _resized(_rows(plane[left:right, top:bottom]).to(kind), size)

    @property
    def _inside(self) -> tuple[slice, slice]:
        left, top, right, bottom = self.inner
        return slice(top, bottom), slice(left, right)


def frame_of(image: Image, edge: int, regions: Sequence[NDArray[np.bool_]] = ()) -> Frame:
    """Where a picture lies in a square of ``edge`` pixels; blank borders are cut off.

    Args:
        image: one voxel deep, 8 bits.
        edge: of the square.
        regions: (width, height) bool; nothing of them is cut off.
    """
    pixels = image.data[:, :, 0]
    box = _box((pixels if pixels.ndim == 2 else pixels.max(axis=2)) > _BLANK, regions)
    # Without a spacing it is 1.
    size = np.array([box[2] - box[0], box[3] - box[1]]) * np.array(image.geometry.spacing[:2])
    inner = np.maximum(1, np.rint(size * edge / size.max())).astype(int)
    left, top = (int(n) for n in (edge - inner) // 2)
    return Frame(
        (image.shape[0], image.shape[1]), box, edge, (left, top, left + int(inner[0]), top + int(inner[1]))
    )


def _box(shown: NDArray[np.bool_], regions: Sequence[NDArray[np.bool_]]) -> Box:
    """What is not blank, with a margin, and all regions; the whole picture where all is blank."""
    ends = []
    for axis in (0, 1):
        bright = np.count_nonzero(shown, axis=1 - axis) > _BLANK_SHARE * shown.shape[1 - axis]
        ends.append(np.flatnonzero(bright) if bright.any() else np.arange(shown.shape[axis]))
    margin = round(_MARGIN * max(int(own[-1] - own[0]) + 1 for own in ends))
    low = [max(0, int(own[0]) - margin) for own in ends]
    high = [min(n, int(own[-1]) + 1 + margin) for own, n in zip(ends, shown.shape, strict=True)]
    for region in regions:
        for axis in (0, 1):
            own = np.flatnonzero(region.any(axis=1 - axis))
            if len(own):
                low[axis], high[axis] = min(low[axis], int(own[0])), max(high[axis], int(own[-1]) + 1)
    return low[0], low[1], high[0], high[1]


def squared(image: Image, frame: Frame) -> Tensor:
    """A picture as an encoder takes it.

    Args:
        image: one voxel deep, 8 bits, grey or in three colours.
        frame: of this picture.

    Returns:
        (3, edge, edge) uint8; grey pictures have three equal channels.
    """
    pixels = image.data[:, :, 0]
    planes = [pixels] if pixels.ndim == 2 else [pixels[..., c] for c in range(3)]
    out = torch.zeros(3, frame.edge, frame.edge, dtype=torch.uint8)
    for channel, plane in enumerate(planes):
        own = slice(None) if len(planes) == 1 else slice(channel, channel + 1)
        out[(own, *frame._inside)] = frame._fitted(plane)
    return out


def squared_pixels(pixels: NDArray[np.uint8], edge: int) -> Tensor:
    """A picture as it is shown, (rows, columns, 3) in 8 bits → (3, edge, edge) uint8."""
    rows, columns, _ = pixels.shape
    image = Image(pixels.swapaxes(0, 1)[:, :, None], picture_geometry(columns, rows), "photo")
    return squared(image, frame_of(image, edge))


def _rows(plane: NDArray[np.uint8] | NDArray[np.bool_]) -> Tensor:
    """(width, height) → (height, width) in 8 bits, 255 for True."""
    if plane.dtype == np.bool_:
        plane = plane.astype(np.uint8) * 255
    # A copy: of a single column's transpose the strides are odd, and torch would resize it wrongly.
    return torch.from_numpy(plane.T.copy())


def _resized(rows: Tensor, size: tuple[int, int]) -> Tensor:
    """A plane, reduced by averaging or enlarged by interpolation."""
    if size[1] == 1 < size[0]:
        # A single column of floats, but not a single row, comes out as nonsense (torch 2.13).
        return _resized(rows.T.contiguous(), size[::-1]).T
    found: Tensor = functional.interpolate(
        rows[None, None], size=size, mode="bilinear", antialias=True, align_corners=False
    )
    return found[0, 0]
