"""Masks as runs of pixels, in the form in which CheXmask publishes them, ↔ :class:`Mask`.

One mask is a line of text, ``start length start length …``. Pixels are counted from 1, row by row from
the upper left corner, so the pixel at (x, y) is y · width + x + 1, and a run may go on into the next row.
This is how the code published with CheXmask (Gaggion et al. 2024, ``DataPostprocessing/utils.py``) reads
and writes it; Kaggle's run lengths look the same and go column by column. An empty text is an empty mask.

The published reader takes anything; here, runs must lie inside the film, in ascending order, and not
overlap. Text made for a *larger* film is thereby found out. Text made for a smaller one, or for one that
lies on its side, is not: it decodes to a slanted smear, which the measures call implausible where it
reaches across the film.

What is asked of a mask most often (:mod:`sagittal.measure.silhouette`) follows from the runs alone; the
pixels are never made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, GeometryError
from sagittal.geometry import Geometry
from sagittal.io.raster import MAX_PIXELS
from sagittal.study import Mask

#: How a picture's grid lies (:func:`sagittal.io.raster.picture_geometry`): x to the patient's left, y down.
UPRIGHT = "LIP"
_FORM = "pairs of whole numbers, start and length, counted from 1"
# So much of a strange text is shown.
_SHOWN = 40


@dataclass(frozen=True, eq=False)
class Runs:
    """One structure on one picture.

    Attributes:
        starts: (n,) int64 first pixel of each run, y · width + x, counted from 0; ascending.
        lengths: (n,) int64 pixels of each run, at least 1.
        geometry: the picture's grid; one voxel deep, lying as pictures do.

    Raises:
        GeometryError: the grid is not a picture's.
        FileFormatError: the picture is too large to be decoded; a run is empty, reaches outside of the
            picture, or begins before the one before it has ended.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    geometry: Geometry

    def __post_init__(self) -> None:
        _check_picture(self.geometry)
        width, height, _ = self.geometry.shape
        # Not start + length: the sum of two hostile numbers may overflow.
        room = width * height - self.starts
        strange = (self.starts < 0) | (self.lengths < 1) | (self.lengths > room)
        if strange.any():
            raise FileFormatError(
                "A run of pixels does not lie inside the picture.",
                expected=f"runs of at least one pixel within 1 to {width * height} ({width}×{height})",
                got=self._written(int(strange.argmax())),
                remedy="check that width and height are those of this mask, and that it counts from 1",
            )
        early = self.starts[1:] < (self.starts + self.lengths)[:-1]
        if early.any():
            second = int(early.argmax()) + 1
            raise FileFormatError(
                "Runs of pixels overlap or are out of order.",
                expected="each run to begin after the one before it",
                got=f"{self._written(second - 1)}, then {self._written(second)}",
                remedy="write the mask again",
            )

    def _written(self, index: int) -> str:
        return f"run {index + 1}: {int(self.starts[index]) + 1} {int(self.lengths[index])}"

    @property
    def pixels(self) -> int:
        """How many pixels the structure has."""
        return int(self.lengths.sum())

    def to_text(self) -> str:
        """``start length start length …``, counted from 1: the inverse of :func:`parse_runs`."""
        return " ".join(map(str, np.stack([self.starts + 1, self.lengths], axis=1).ravel().tolist()))

    def to_mask(self, name: str) -> Mask:
        """The pixels, value 1 for ``name``; (W, H, 1)."""
        width, height, _ = self.geometry.shape
        edges = np.zeros(2 * self.starts.size + 2, dtype=np.int64)
        edges[1:-1:2], edges[2:-1:2], edges[-1] = self.starts, self.starts + self.lengths, width * height
        inside = np.arange(edges.size - 1) % 2 == 1
        flat = np.repeat(inside, np.diff(edges))
        return Mask(flat.reshape(height, width).T[:, :, None], self.geometry, {1: name}, name)


def parse_runs(text: str, geometry: Geometry) -> Runs:
    """Read one mask.

    Args:
        text: ``start length start length …``; empty for a mask without a pixel.
        geometry: the grid of the film that the mask belongs to, of CheXmask's ``Width`` and ``Height``
            (:func:`sagittal.io.raster.picture_geometry`).

    Raises:
        FileFormatError: something else than whole numbers, an odd count of them, or as for :class:`Runs`.
        GeometryError: as for :class:`Runs`.
    """
    text = text.strip()
    if text and not (text.isascii() and text.replace(" ", "").isdigit()):
        strange = next(part for part in text.split(" ") if part and not (part.isascii() and part.isdigit()))
        raise FileFormatError(
            "A mask's runs hold something that is not a whole number.",
            expected=_FORM,
            got=repr(strange[:_SHOWN]),
            remedy="give the column of one structure as it was published",
        )
    # What does not fit in 64 bits becomes the largest number that does, which lies outside of any picture.
    numbers = np.fromstring(text, dtype=np.int64, sep=" ")
    if numbers.size % 2:
        raise FileFormatError(
            "A mask's runs are cut off: a start is without its length.",
            expected=_FORM,
            got=f"{numbers.size} numbers",
            remedy="fetch the file again",
        )
    return Runs(numbers[::2] - 1, numbers[1::2], geometry)


def runs_of(mask: Mask, name: str) -> Runs:
    """The runs of one label of a mask on a picture, as few as there can be: the inverse of decoding.

    Raises:
        LabelError: there is no such label.
        GeometryError, FileFormatError: as for :class:`Runs`.
    """
    rows = mask.data[:, :, 0].T
    # Outside before the first pixel and after the last, so that every run has two ends.
    inside = np.zeros(rows.size + 2, dtype=bool)
    np.equal(rows, mask.value_of(name), out=inside[1:-1].reshape(rows.shape))
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return Runs(edges[::2], edges[1::2] - edges[::2], mask.geometry)


def _check_picture(geometry: Geometry) -> None:
    if not geometry.is_2d or geometry.orientation != UPRIGHT:
        raise GeometryError(
            "Runs of pixels go row by row over an upright picture.",
            expected=f"a grid one voxel deep, {UPRIGHT}",
            got=geometry.describe(),
            remedy=f'turn it first: reorient("{UPRIGHT}")',
        )
    if geometry.shape[0] * geometry.shape[1] > MAX_PIXELS:
        raise FileFormatError(
            "The picture is said to have more pixels than are decoded.",
            expected=f"at most {MAX_PIXELS}",
            got=f"{geometry.shape[0]}×{geometry.shape[1]}",
            remedy="check width and height",
        )
