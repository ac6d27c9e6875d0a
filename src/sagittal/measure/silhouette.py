"""What one structure covers on a picture: its pixels, its box, and how far it reaches in every row.

All of it follows from the runs of a mask (:mod:`sagittal.io.run_lengths`), at the cost of the runs and not
of the pixels. Nothing is cleaned up: a stray pixel far from the organ is part of its box.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.answer import Box
from sagittal.errors import LabelError
from sagittal.geometry import Geometry
from sagittal.io.run_lengths import Runs


@dataclass(frozen=True, eq=False)
class Silhouette:
    """One structure with at least one pixel; indices are of the picture's own pixels, x right and y down.

    Attributes:
        pixels: how many.
        box: first and last column and row, x0, y0, x1, y1; both ends belong to it.
        first, last: (y1 − y0 + 1,) first and last column of the structure in each row of the box. A row
            without a pixel has the picture's width and −1, which no other row can exceed.
        geometry: the picture's grid.
    """

    pixels: int
    box: tuple[int, int, int, int]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    geometry: Geometry

    @property
    def area_mm2(self) -> float:
        """Area on the film.

        Raises:
            SpacingUnknownError: the picture does not state the size of its pixels.
        """
        self.geometry.require_spacing("An area")
        across, down = self.geometry.affine[:3, 0], self.geometry.affine[:3, 1]
        return self.pixels * float(np.linalg.norm(np.cross(across, down)))

    @property
    def spans_the_picture(self) -> bool:
        """Whether it touches the left edge of the picture and the right one."""
        return self.box[0] == 0 and self.box[2] == self.geometry.shape[0] - 1

    def answer_box(self, name: str, image: str) -> Box:
        """The box as an answer has it: corners are the first and the last pixel."""
        x0, y0, x1, y1 = self.box
        return Box(name, image, (x0, y0, x1, y1))

    def rows(self, top: int, bottom: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``first`` and ``last`` of the picture's rows ``top`` to ``bottom``, both within the box."""
        window = slice(top - self.box[1], bottom - self.box[1] + 1)
        return self.first[window], self.last[window]


def silhouette_of(runs: Runs) -> Silhouette:
    """What a structure covers.

    Raises:
        LabelError: it has no pixel.
    """
    if not runs.starts.size:
        raise LabelError("A structure without a pixel covers nothing.")
    width = runs.geometry.shape[0]
    row, column = np.divmod(runs.starts, width)
    last_row, last_column = np.divmod(runs.starts + runs.lengths - 1, width)
    # A run may go on over the ends of rows; one piece a row.
    crossed = last_row - row
    pieces = crossed + 1
    run = np.repeat(np.arange(row.size), pieces)
    piece = np.arange(run.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    rows = row[run] + piece
    begins = np.where(piece == 0, column[run], 0)
    ends = np.where(piece == crossed[run], last_column[run], width - 1)
    top, bottom = int(rows[0]), int(rows[-1])
    first = np.full(bottom - top + 1, width, dtype=np.int64)
    last = np.full(bottom - top + 1, -1, dtype=np.int64)
    np.minimum.at(first, rows - top, begins)
    np.maximum.at(last, rows - top, ends)
    box = (int(first.min()), top, int(last.max()), bottom)
    return Silhouette(runs.pixels, box, first, last, runs.geometry)
