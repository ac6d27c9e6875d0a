"""Pictures of any size as the encoders take them, regions onto them, and masks back (MedPLIB).

A picture keeps its proportions in millimetres where its spacing is known, in pixels otherwise; it lies in the
middle of a black square. Arrays of the project are (width, height), x to the right; tensors are (height,
width), as networks have them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sagittal.errors import InputError
from sagittal.study import Image

#: A region takes a pixel of the square where it covers at least so much of it.
_COVERED = 0.5


@dataclass(frozen=True)
class Frame:
    """Where a picture lies in a square.

    Attributes:
        width, height: of the picture, in its own pixels.
        edge: of the square.
        left, top, right, bottom: of the picture in the square, in its pixels; the last two excluded.
    """

    width: int
    height: int
    edge: int
    left: int
    top: int
    right: int
    bottom: int

    def place(self, region: NDArray[np.bool_]) -> Tensor:
        """A region of the picture in the square.

        Args:
            region: (width, height) bool, at least one pixel.

        Returns:
            (edge, edge) bool, at least one pixel: where none is half covered, those that are covered most.

        Raises:
            InputError: the region is empty, or of another size than the picture.
        """
        if region.shape != (self.width, self.height):
            raise InputError(
                "A region is as large as its picture.",
                expected=f"{self.width}×{self.height} pixels",
                got="×".join(str(n) for n in region.shape),
            )
        if not region.any():
            raise InputError("The region is empty.", expected="at least one pixel of the picture in it")
        covered = _area(_rows(region), self._inner).float() / 255
        inside = covered >= min(_COVERED, float(covered.max()))
        out = torch.zeros(self.edge, self.edge, dtype=torch.bool)
        out[self.top : self.bottom, self.left : self.right] = inside
        return out

    def back(self, values: Tensor) -> NDArray[np.float32]:
        """What a network says of the square, on the picture's own pixels.

        Args:
            values: (h, h) over the whole square, of any resolution.

        Returns:
            (width, height).
        """
        scale = values.shape[-1] / self.edge
        # Middles of the picture's pixels, in pixels of ``values``.
        x = (self.left + (torch.arange(self.width) + 0.5) * (self.right - self.left) / self.width) * scale
        y = (self.top + (torch.arange(self.height) + 0.5) * (self.bottom - self.top) / self.height) * scale
        found = torch.empty(self.height, self.width)
        # In bands: what lies between is never larger than a few rows of a large picture.
        for rows in torch.split(torch.arange(self.height), max(1, (1 << 22) // self.width)):
            grid = torch.stack(torch.meshgrid(x, y[rows], indexing="xy"), dim=-1)
            grid = 2 * grid / values.shape[-1] - 1
            found[rows] = functional.grid_sample(
                values.float()[None, None], grid[None], padding_mode="border", align_corners=False
            )[0, 0]
        return found.T.contiguous().numpy()

    @property
    def _inner(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left


def frame_of(image: Image, edge: int) -> Frame:
    """Where a picture lies in a square of ``edge`` pixels."""
    width, height = image.shape[:2]
    # Without a spacing it is 1.
    size = np.array([width, height]) * np.array(image.geometry.spacing[:2])
    inner = np.maximum(1, np.rint(size * edge / size.max())).astype(int)
    left, top = (int(n) for n in (edge - inner) // 2)
    return Frame(width, height, edge, left, top, left + int(inner[0]), top + int(inner[1]))


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
        inside = _area(_rows(plane), frame._inner)
        own = slice(None) if len(planes) == 1 else slice(channel, channel + 1)
        out[own, frame.top : frame.bottom, frame.left : frame.right] = inside
    return out


def _rows(plane: NDArray[np.uint8] | NDArray[np.bool_]) -> Tensor:
    """(width, height) → (height, width) in 8 bits, 255 for True."""
    if plane.dtype == np.bool_:
        plane = plane.astype(np.uint8) * 255
    return torch.from_numpy(np.ascontiguousarray(plane.T))


def _area(rows: Tensor, size: tuple[int, int]) -> Tensor:
    """A plane in 8 bits, reduced by averaging or enlarged by interpolation."""
    found: Tensor = functional.interpolate(
        rows[None, None], size=size, mode="bilinear", antialias=True, align_corners=False
    )
    return found[0, 0]
