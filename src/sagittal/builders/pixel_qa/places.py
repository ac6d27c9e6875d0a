"""Exact facts about masks on one picture: size, place, box, a point inside, contact.

Arrays are (width, height) bool, x to the right and y down; everything is said in the picture's own frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.bool_]
CENTRE = "centre"


@dataclass(frozen=True)
class Measured:
    """See :class:`sagittal.builders.pixel_qa.records.Instance`."""

    pixels: int
    share: float
    centroid: tuple[float, float]
    box: tuple[int, int, int, int]
    place: str
    point: tuple[int, int] | None
    touches: tuple[int, ...]
    has_twin: bool


def measured(masks: Sequence[Plane], names: Sequence[str]) -> list[Measured]:
    """The facts about each mask.

    Args:
        masks: none is empty, all of one shape.
        names: the class of each.
    """
    boxes = [box_of(mask) for mask in masks]
    pairs = _touching(masks, boxes)
    found = []
    for number, (mask, name, box) in enumerate(zip(masks, names, boxes, strict=True)):
        unlike = [n for n, own in enumerate(names) if own != name]
        window = (slice(box[0], box[2] + 1), slice(box[1], box[3] + 1))
        x, y = np.nonzero(mask)
        found.append(
            Measured(
                pixels=len(x),
                share=len(x) / mask.size,
                centroid=(float(x.mean()), float(y.mean())),
                box=box,
                place=place_of(int(x.sum()), int(y.sum()), len(x), mask.shape),
                point=_deepest(mask[window], [masks[n][window] for n in unlike], box[:2]),
                touches=tuple(
                    sorted({b for a, b in pairs if a == number} | {a for a, b in pairs if b == number})
                ),
                has_twin=any(
                    boxes[n] == box and np.array_equal(mask[window], masks[n][window]) for n in unlike
                ),
            )
        )
    return found


def box_of(mask: Plane) -> tuple[int, int, int, int]:
    """First and last column and row of a mask that is not empty: x1, y1, x2, y2."""
    x, y = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(x[0]), int(y[0]), int(x[-1]), int(y[-1])


def place_of(x_sum: int, y_sum: int, pixels: int, shape: tuple[int, ...]) -> str:
    """In which third the centroid lies, each way: "upper left", "left", "lower" or "centre".

    Whole numbers throughout, so that a mirrored picture has the mirrored word; a centroid on the line
    between two thirds is in the middle one.
    """
    vertical = _third(y_sum, pixels, shape[1], ("upper", "", "lower"))
    horizontal = _third(x_sum, pixels, shape[0], ("left", "", "right"))
    return " ".join(word for word in (vertical, horizontal) if word) or CENTRE


def _third(total: int, pixels: int, size: int, words: tuple[str, str, str]) -> str:
    # (total / pixels + 1/2) / size against 1/3 and 2/3.
    position, unit = 3 * (2 * total + pixels), 2 * pixels * size
    return words[0] if position < unit else words[2] if position > 2 * unit else words[1]


def _touching(masks: Sequence[Plane], boxes: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int]]:
    """Pairs that share a pixel or the edge of one."""
    pairs = []
    for a in range(len(masks)):
        for b in range(a + 1, len(masks)):
            x1, y1 = max(boxes[a][0], boxes[b][0]) - 1, max(boxes[a][1], boxes[b][1]) - 1
            x2, y2 = min(boxes[a][2], boxes[b][2]) + 1, min(boxes[a][3], boxes[b][3]) + 1
            if x2 <= x1 or y2 <= y1:
                continue
            window = (slice(max(x1, 0), x2 + 1), slice(max(y1, 0), y2 + 1))
            if _meet(masks[a][window], masks[b][window]):
                pairs.append((a, b))
    return pairs


def _meet(a: Plane, b: Plane) -> bool:
    if (a & b).any():
        return True
    along_x = (a[1:] & b[:-1]).any() or (a[:-1] & b[1:]).any()
    return bool(along_x or (a[:, 1:] & b[:, :-1]).any() or (a[:, :-1] & b[:, 1:]).any())


def _deepest(mask: Plane, others: Sequence[Plane], corner: tuple[int, int]) -> tuple[int, int] | None:
    """The pixel deepest in what no other class covers; of equals the first by x, then y.

    Args:
        mask, others: within the mask's box.
        corner: first column and row of the box.
    """
    from scipy.ndimage import distance_transform_edt

    own = mask.copy()
    for other in others:
        own &= ~other
    if not own.any():
        return None
    depth = distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1]
    x, y = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x) + corner[0], int(y) + corner[1]
