"""Horizontal distances on a frontal chest film, and the lines that they are measured along.

A width runs from pixel edge to pixel edge: one pixel is one pixel wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagittal.answer import Line
from sagittal.geometry import Geometry
from sagittal.measure.silhouette import Silhouette


@dataclass(frozen=True)
class Width:
    """A horizontal distance on a film.

    Attributes:
        first, last: columns at its ends, both within it.
        row: the height at which it is drawn; may lie between two rows.
        geometry: the film's grid.
    """

    first: int
    last: int
    row: float
    geometry: Geometry

    @property
    def pixels(self) -> int:
        """Columns covered."""
        return self.last - self.first + 1

    @property
    def mm(self) -> float:
        """Length on the film in millimetres.

        Raises:
            SpacingUnknownError: the film does not state the size of its pixels.
        """
        self.geometry.require_spacing("A width")
        return self.pixels * self.geometry.spacing[0]

    def line(self, name: str, image: str) -> Line:
        """The line that is measured along, in the film's own pixels; the middle of a pixel is whole."""
        return Line(name, image, (self.first - 0.5, self.row), (self.last + 0.5, self.row), "voxel")


def extreme_width(shape: Silhouette) -> Width:
    """The distance between the extremes of a shadow: largest right edge − smallest left edge, over all rows.

    The extremes may lie at different heights; the line is drawn halfway between the two. Where an extreme is
    reached in several rows, the middle of them counts.
    """
    x0, y0, x1, _ = shape.box
    left, right = np.flatnonzero(shape.first == x0), np.flatnonzero(shape.last == x1)
    row = y0 + (int(left[0]) + int(left[-1]) + int(right[0]) + int(right[-1])) / 4
    return Width(x0, x1, row, shape.geometry)


def widest_lung_extent(one: Silhouette, other: Silhouette) -> Width | None:
    """The largest distance, along one row that has both lungs, between their outer edges.

    Of equal ones the lowest is taken, which is nearest the hemidiaphragms. ``None`` where no row has both.
    """
    top, bottom = max(one.box[1], other.box[1]), min(one.box[3], other.box[3])
    if top > bottom:
        return None
    (first, last), (other_first, other_last) = one.rows(top, bottom), other.rows(top, bottom)
    both = (first <= last) & (other_first <= other_last)
    begins, ends = np.minimum(first, other_first), np.maximum(last, other_last)
    extent = np.where(both, ends - begins + 1, 0)
    row = extent.size - 1 - int(extent[::-1].argmax())
    if extent[row] == 0:
        return None
    return Width(int(begins[row]), int(ends[row]), top + row, one.geometry)
