"""What the pictures of an answer share: outlines that take turns, legends, colours of the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

GAP, LINE = 6, 18
BACKGROUND, INK, FAINT = (16, 16, 16), (230, 230, 230), (150, 150, 150)
#: An entry of a legend: its words and its colour.
Entry = tuple[str, tuple[int, int, int]]
_OUTLINE, _DASH = 2, 6
_BAR_MM = 50
#: What the left, right, upper and lower edge of each plane's picture face.
_EDGES = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}


def outline_of(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The border of a mask, of one width; the picture's own border is none: what reaches it goes on."""
    from scipy.ndimage import binary_erosion

    return np.asarray(inside & ~binary_erosion(inside, iterations=_OUTLINE, border_value=1))


def taking_turns(outlines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(masks, rows, columns): where outlines share a border each has a dash of it, and none hides another."""
    rows, columns = np.indices(outlines.shape[1:])
    shared = np.maximum(outlines.sum(axis=0), 1)
    turn = ((rows + columns) // _DASH) % shared
    return outlines & (outlines.cumsum(axis=0) - 1 == turn)


def letter(pen: ImageDraw, plane: str, edge: int) -> None:
    """Say where the edges of a square tile of ``edge`` pixels face."""
    left, right, upper, lower = tuple(_EDGES[plane])
    middle = edge // 2
    pen.text((6, middle - 6), left, fill=INK)
    pen.text((edge - 14, middle - 6), right, fill=INK)
    pen.text((middle - 3, 4), upper, fill=INK)
    pen.text((middle - 3, edge - 16), lower, fill=INK)


def draw_scale(pen: ImageDraw, pixels_a_mm: float, edge: int) -> None:
    """Draw a bar of 50 mm into the lower right corner of a tile."""
    length = round(_BAR_MM * pixels_a_mm)
    x, y = edge - 10 - length, edge - 8
    pen.line([(x, y), (x + length, y)], fill=INK, width=2)
    pen.text((x, y - 15), f"{_BAR_MM} mm", fill=INK)


def legend_lines(legend: Sequence[Entry], width: int) -> list[list[Entry]]:
    """Entries of a legend, broken into lines that fit."""
    lines: list[list[Entry]] = [[]]
    used = 0
    for text, colour in legend:
        need = 36 + 7 * len(text)
        if lines[-1] and used + need > width:
            lines.append([])
            used = 0
        lines[-1].append((printable(text), colour))
        used += need
    return lines


def draw_legend(pen: ImageDraw, lines: Sequence[Sequence[Entry]], y: int) -> None:
    """Write a legend's lines from ``y`` downwards."""
    for line in lines:
        x = GAP
        for text, colour in line:
            pen.rectangle((x, y + 3, x + 10, y + 13), fill=colour)
            pen.text((x + 15, y + 1), text, fill=INK)
            x += 36 + int(pen.textlength(text))
        y += LINE


def printable(text: str) -> str:
    """What the built-in font can draw; other characters become question marks."""
    return text.encode("latin-1", "replace").decode("latin-1")
