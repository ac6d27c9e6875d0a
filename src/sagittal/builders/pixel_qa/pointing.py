"""How an instance is pointed at: by its mask; by a point or a box only where these can mean nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sagittal.builders.pixel_qa.places import Plane
from sagittal.builders.pixel_qa.records import Instance

POINTING = ("mask", "points", "box")
#: A box means the instance that fills at least so much of it.
_FILLED = 0.5


def ways_of(instances: Sequence[Instance], number: int) -> list[str]:
    """The ways of :data:`POINTING` in which an instance can be pointed at."""
    one = instances[number]
    ways = ["mask"]
    if one.point is not None:
        ways.append("points")
    x1, y1, x2, y2 = one.box
    if one.pixels >= _FILLED * (x2 - x1 + 1) * (y2 - y1 + 1) and not any(
        other.box == one.box and other.name != one.name for other in instances
    ):
        ways.append("box")
    return ways


def pointed_at(
    instances: Sequence[Instance], number: int, mask: Plane, way: str, rng: np.random.Generator
) -> tuple[Plane, str]:
    """The pixels that are pointed at.

    Args:
        instances: of the picture.
        number: of the one that is meant.
        mask: (W, H) of it; no pixel of it is another class's, for any may be drawn.
        way: of :data:`POINTING`; its mask where that way could mean something else.
        rng: decides which point: the deepest, or any.

    Returns:
        (W, H) bool, and the way.
    """
    one = instances[number]
    if way not in ways_of(instances, number) or way == "mask":
        return mask, "mask"
    region = np.zeros_like(mask)
    if way == "box":
        x1, y1, x2, y2 = one.box
        region[x1 : x2 + 1, y1 : y2 + 1] = True
    elif rng.random() < 0.5 and one.point is not None:
        region[one.point] = True
    else:
        inside = np.argwhere(mask)
        region[tuple(inside[int(rng.integers(len(inside)))])] = True
    return region, way
