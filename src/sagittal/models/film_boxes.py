"""Boxes on a film ↔ boxes on the square that a model sees of it, both in thousandths.

A model sees a film with its blank borders cut off and padded to a square (:class:`Frame`): it is asked, and
answers, about the square; everyone else speaks of the film.
"""

from __future__ import annotations

from sagittal.models.medplib.pictures import Frame
from sagittal.score.strict import LARGEST_CORNER, Corners


def into_square(box: Corners, frame: Frame) -> Corners:
    """A box of the film on the square; what of it is not shown there is cut off."""
    x1, x2 = (_into(corner, frame, 0) for corner in (box[0], box[2]))
    y1, y2 = (_into(corner, frame, 1) for corner in (box[1], box[3]))
    return x1, y1, x2, y2


def out_of_square(box: Corners, frame: Frame) -> Corners:
    """A box of the square on the film; what lies beside the film is cut off."""
    x1, x2 = (_out(corner, frame, 0) for corner in (box[0], box[2]))
    y1, y2 = (_out(corner, frame, 1) for corner in (box[1], box[3]))
    return x1, y1, x2, y2


def _scales(frame: Frame, axis: int) -> tuple[float, float]:
    """Pixels of the square for one of the film, and where the film's first pixel lies in the square."""
    first, last = frame.box[axis], frame.box[axis + 2]
    start, end = frame.inner[axis], frame.inner[axis + 2]
    scale = (end - start) / (last - first)
    return scale, start - first * scale


def _into(corner: int, frame: Frame, axis: int) -> int:
    scale, start = _scales(frame, axis)
    place = corner / LARGEST_CORNER * frame.size[axis] * scale + start
    # Beyond what is shown there is padding.
    return _kept(min(max(place, frame.inner[axis]), frame.inner[axis + 2]) / frame.edge)


def _out(corner: int, frame: Frame, axis: int) -> int:
    scale, start = _scales(frame, axis)
    place = (corner / LARGEST_CORNER * frame.edge - start) / scale
    return _kept(place / frame.size[axis])


def _kept(share: float) -> int:
    return min(LARGEST_CORNER, max(0, round(LARGEST_CORNER * share)))
