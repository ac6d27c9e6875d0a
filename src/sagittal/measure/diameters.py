"""The longest diameter of a lesion in one slice, and its longest perpendicular (RANO, RECIST).

Definitions, all in the plane of the slices as they were acquired:

- A *piece* is a set of the label's pixels in one slice that touch at a side or a corner. A diameter
  never runs from one piece to another.
- A piece's *outline* is its contour at level 0.5: it passes midway between pixel centres, so one
  pixel of 1 mm is 1 mm wide. (Centre-to-centre distances come out a pixel too short, corner-to-corner
  ones up to a diagonal too long.)
- *Longest*: the greatest distance between two points of any piece's outline, exactly.
- *Perpendicular*: in the same piece, the greatest distance between two points of the outline on a
  line at exactly 90° to the longest. Both lines end on the outline; in a concave piece either may
  cross the outside in between, as when drawn by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.measure.block import Block
from sagittal.measure.components import label_touching

#: A slice tilted further than this from axial, coronal and sagittal is called oblique.
OBLIQUE_DEGREES = 20.0
_PLANES = ("sagittal", "coronal", "axial")
# Directions in which every piece's width is taken to find the few that can hold the longest diameter.
_DIRECTIONS = 16
_EQUAL = 1e-9

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Diameters:
    """The two diameters of a label.

    Attributes:
        longest_mm, perpendicular_mm: their lengths.
        product_mm2: longest × perpendicular, the bidimensional product.
        plane: ``axial``, ``coronal``, ``sagittal`` or ``oblique``.
        slice: index of the slice along the mask's own slice axis.
        longest_ends, perpendicular_ends: end points in RAS millimetres.
    """

    longest_mm: float
    perpendicular_mm: float
    plane: str
    slice: int
    longest_ends: tuple[Point, Point]
    perpendicular_ends: tuple[Point, Point]

    @property
    def product_mm2(self) -> float:
        """Bidimensional product."""
        return self.longest_mm * self.perpendicular_mm


def diameters(block: Block) -> Diameters:
    """Longest in-plane diameter of a label and its longest perpendicular.

    Of equally long ones, the slice that is first towards left, back or low is taken.

    Raises:
        SpacingUnknownError: the grid has no spacing.
    """
    block.geometry.require_spacing("A diameter")
    axis = block.slice_axis
    slices = np.moveaxis(block.inside, axis, 0)
    pieces = _pieces(slices)
    flat = _in_plane(block, axis)
    number, points, owner = _edge_points(pieces, flat)
    best, ends = _longest(points, owner, number)
    where = int(number[best])
    outline = _outline(pieces[where], best, flat)
    across = _perpendicular(outline, ends)

    def world(point: NDArray[np.float64]) -> Point:
        index = np.empty(3)
        index[[a for a in range(3) if a != axis]] = np.linalg.solve(flat, point)
        index[axis] = where
        x, y, z = block.geometry.to_world(index)
        return float(x), float(y), float(z)

    centre = [0.0, 0.0, 0.0]
    centre[axis] = where
    own = block.own_index((centre[0], centre[1], centre[2]))
    own_axis = 2 if block.source.is_2d else block.source.slice_axis
    return Diameters(
        longest_mm=float(np.linalg.norm(ends[1] - ends[0])),
        perpendicular_mm=float(np.linalg.norm(across[1] - across[0])),
        plane=plane_name(block),
        slice=own[own_axis],
        longest_ends=(world(ends[0]), world(ends[1])),
        perpendicular_ends=(world(across[0]), world(across[1])),
    )


def plane_name(block: Block) -> str:
    """Name of the plane that the slices were acquired in."""
    columns = block.geometry.affine[:3, :3]
    one, two = (columns[:, a] for a in range(3) if a != block.slice_axis)
    normal = np.cross(one, two)
    towards = np.abs(normal) / np.linalg.norm(normal)
    axis = int(towards.argmax())
    near = towards[axis] >= np.cos(np.deg2rad(OBLIQUE_DEGREES))
    return _PLANES[axis] if near else "oblique"


def _in_plane(block: Block, axis: int) -> NDArray[np.float64]:
    """(2, 2) in-plane index → millimetres in an orthonormal basis of the slice plane."""
    columns = block.geometry.affine[:3, :3][:, [a for a in range(3) if a != axis]]
    # columns = Q R with orthonormal Q, so R carries all lengths and angles.
    return np.asarray(np.linalg.qr(columns)[1], dtype=np.float64)


def _pieces(slices: NDArray[np.bool_]) -> NDArray[Any]:
    """(s, r, c) number of the piece of each pixel, 1 … P."""
    # Empty slices in between keep neighbours apart, so one pass labels all slices in 2D.
    spread = np.zeros((2 * slices.shape[0], *slices.shape[1:]), dtype=bool)
    spread[::2] = slices
    return np.ascontiguousarray(label_touching(spread)[0][::2])


def _edge_points(
    pieces: NDArray[Any], flat: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """The outline points of all pieces: half a pixel beyond both ends of each run of pixels.

    Returns:
        (P + 1,) slice of each piece, (m, 2) points in mm, (m,) the piece of each, ascending.
    """
    inside = pieces != 0
    number = np.zeros(int(pieces.max()) + 1, dtype=np.intp)
    points, owners = [], []
    for axis in (1, 2):
        for shift, edge in ((-0.5, _run_starts(inside, axis)), (0.5, _run_starts(inside, axis, last=True))):
            index = np.unravel_index(np.flatnonzero(edge), edge.shape)
            owner = pieces[index].astype(np.intp)
            number[owner] = index[0]
            place = np.stack(index[1:], axis=1).astype(np.float64)
            place[:, axis - 1] += shift
            points.append(place)
            owners.append(owner)
    every = np.concatenate(owners)
    order = np.argsort(every, kind="stable")
    return number, np.concatenate(points)[order] @ flat.T, every[order]


def _run_starts(inside: NDArray[np.bool_], axis: int, *, last: bool = False) -> NDArray[np.bool_]:
    """Pixels whose neighbour before them along an axis (after them, for ``last``) is outside."""
    edge = inside.copy()
    here = [slice(None)] * 3
    there = [slice(None)] * 3
    here[axis], there[axis] = (slice(None, -1), slice(1, None)) if last else (slice(1, None), slice(None, -1))
    edge[tuple(here)] &= ~inside[tuple(there)]
    return edge


def _longest(
    points: NDArray[np.float64], owner: NDArray[np.intp], number: NDArray[np.intp]
) -> tuple[int, NDArray[np.float64]]:
    """The piece with the greatest diameter, and that diameter's (2, 2) end points.

    A piece's width in each of k directions bounds its diameter d from below, and from above:
    some direction is within π/2k of the diameter, so d ≤ width / cos(π/2k).
    """
    starts = np.flatnonzero(np.r_[True, np.diff(owner) != 0])
    stops = np.r_[starts[1:], owner.size]
    angles = np.arange(_DIRECTIONS) * (np.pi / _DIRECTIONS)
    widths = np.zeros(starts.size)
    for angle in angles:
        along = points @ np.array([np.cos(angle), np.sin(angle)])
        widths = np.maximum(widths, np.maximum.reduceat(along, starts) - np.minimum.reduceat(along, starts))
    bound = widths / np.cos(np.pi / (2 * _DIRECTIONS)) * (1 + _EQUAL)
    best, found, ends = 0.0, 0, points[:2]
    slices = number[owner[starts]]
    for row in np.lexsort((owner[starts], slices)):
        if bound[row] < max(best, widths.max()):
            continue
        own = points[starts[row] : stops[row]]
        length, pair = _farthest(own)
        if length > best * (1 + _EQUAL):
            best, found, ends = length, int(owner[starts[row]]), pair
    return found, ends


def _farthest(points: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The greatest distance between two of the points, over the vertices of their convex hull."""
    from scipy.spatial import ConvexHull

    hull = points[np.sort(ConvexHull(points).vertices)]
    apart = ((hull[:, None] - hull[None]) ** 2).sum(axis=2)
    # The first of equals, so that round-off does not choose.
    first = int(np.flatnonzero(apart >= apart.max() * (1 - _EQUAL))[0])
    a, b = divmod(first, len(hull))
    return float(np.sqrt(apart[a, b])), hull[[a, b]]


def _outline(pieces: NDArray[Any], piece: int, flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, 2, 2) sections of a piece's outline in mm; pixels that touch at a corner are joined."""
    from skimage.measure import find_contours

    member = pieces == piece
    rows, columns = np.flatnonzero(member.any(axis=1)), np.flatnonzero(member.any(axis=0))
    small = member[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    contours = find_contours(np.pad(small, 1).astype(np.float64), 0.5, fully_connected="high")
    offset = np.array([rows[0] - 1, columns[0] - 1])
    return np.concatenate([np.stack([line[:-1], line[1:]], axis=1) + offset for line in contours]) @ flat.T


def _perpendicular(outline: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 2) end points of the longest chord at 90° to ``ends``.

    Along the diameter, the upper and the lower envelope of the outline are straight between the
    outline's vertices, so the longest chord passes through a vertex: all of them are tried.
    """
    direction = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    frame = np.stack([direction, [-direction[1], direction[0]]])
    turned = outline @ frame.T
    here = np.unique(np.round(turned[:, :, 0], 9))
    t0, t1 = turned[:, 0, 0], turned[:, 1, 0]
    left = np.searchsorted(here, np.minimum(t0, t1) - _EQUAL)
    right = np.searchsorted(here, np.maximum(t0, t1) + _EQUAL)
    # One row for each section and each place at which it is crossed.
    crossed = right - left
    section = np.repeat(np.arange(len(turned)), crossed)
    place = np.arange(section.size) - np.repeat(np.cumsum(crossed) - crossed - left, crossed)
    span = np.where(np.abs(t1 - t0) > _EQUAL, t1 - t0, np.inf)
    part = np.clip((here[place] - t0[section]) / span[section], 0, 1)
    v0, v1 = turned[section, 0, 1], turned[section, 1, 1]
    at = v0 + part * (v1 - v0)
    high, low = np.full(here.size, -np.inf), np.full(here.size, np.inf)
    # A section that runs across the diameter is crossed along its whole length: part is 0 there.
    whole = np.isinf(span[section])
    np.maximum.at(high, place, np.where(whole, np.maximum(v0, v1), at))
    np.minimum.at(low, place, np.where(whole, np.minimum(v0, v1), at))
    chords = high - low
    first = int(np.flatnonzero(chords >= chords.max() * (1 - _EQUAL))[0])
    return np.array([[here[first], low[first]], [here[first], high[first]]]) @ frame
