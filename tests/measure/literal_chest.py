"""Measures of a chest film by scanning its pixels row by row; the oracle of what follows from runs."""

from __future__ import annotations

import numpy as np


def scan(inside: np.ndarray) -> dict[int, tuple[int, int, int]]:
    """Row → first column, last column and pixels, of the rows of (W, H) that hold any."""
    found = {}
    for y in range(inside.shape[1]):
        row = inside[:, y].astype(np.uint8).tobytes()
        if b"\1" in row:
            found[y] = (row.index(b"\1"), row.rindex(b"\1"), row.count(b"\1"))
    return found


def area(inside: np.ndarray) -> int:
    return sum(pixels for _, _, pixels in scan(inside).values())


def box(inside: np.ndarray) -> tuple[int, int, int, int]:
    rows = scan(inside)
    return (
        min(first for first, _, _ in rows.values()),
        min(rows),
        max(last for _, last, _ in rows.values()),
        max(rows),
    )


def width(inside: np.ndarray) -> int:
    """Largest right edge − smallest left edge."""
    x0, _, x1, _ = box(inside)
    return (x1 + 1) - x0


def lung_extent(left: np.ndarray, right: np.ndarray) -> tuple[int, int, int, int] | None:
    """Width, row, first and last column: the widest row that has both lungs, of equals the lowest."""
    best = None
    rows, others = scan(left), scan(right)
    for y in sorted(set(rows) & set(others)):
        first = min(rows[y][0], others[y][0])
        last = max(rows[y][1], others[y][1])
        if best is None or last - first + 1 >= best[0]:
            best = (last - first + 1, y, first, last)
    return best
