"""How well two boxes agree (IMAX §4.1.1)."""

from __future__ import annotations

from sagittal.score.strict import Corners

#: From this share on a box counts as found: "recall at 0.5 IOU threshold", the threshold being in.
THRESHOLD = 0.5


def iou(first: Corners, second: Corners) -> float:
    """Area of both over area of either; edges are lines, so that a box from 0 to 10 is 10 wide.

    Args:
        first, second: x1, y1, x2, y2 with x1 < x2 and y1 < y2, as :func:`sagittal.score.strict.read_box`
            gives them.
    """
    wide = min(first[2], second[2]) - max(first[0], second[0])
    tall = min(first[3], second[3]) - max(first[1], second[1])
    both = max(0, wide) * max(0, tall)
    return both / (_area(first) + _area(second) - both)


def is_found(share: float) -> bool:
    """Whether a box with this :func:`iou` counts for R@0.5."""
    return share >= THRESHOLD


def _area(box: Corners) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
