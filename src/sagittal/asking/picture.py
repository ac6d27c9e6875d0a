"""``overlay.png``: the outlines of an answer's masks on the images that they were drawn on, for people.

One row an image: the axial, coronal and sagittal slice where the first mask is largest, in radiological
convention, with the sides lettered and a scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sagittal.answer import RESEARCH_USE_ONLY
from sagittal.asking.consultation import Drawn
from sagittal.draw.overlay import NORMAL, PLANES, busiest_point, colour_of, draw_slice
from sagittal.files import atomic_path
from sagittal.study import Image, Mask

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_TILE, _GAP, _LINE = 320, 6, 18
_BACKGROUND, _INK, _FAINT = (16, 16, 16), (230, 230, 230), (150, 150, 150)
_BAR_MM = 50
_OUTLINE, _DASH = 2, 6
#: What the left, right, upper and lower edge of each plane's picture face.
_EDGES = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}


@dataclass(frozen=True, eq=False)
class _Row:
    """An image and the masks that were drawn on it, each with its place in the answer: its colour."""

    image: Image
    masks: tuple[tuple[int, Mask], ...]
    legend: tuple[tuple[str, tuple[int, int, int]], ...]


def draw_overlay(drawn: Sequence[Drawn], path: str | Path) -> None:
    """Write the picture.

    Args:
        drawn: at least one mask, none of them empty.
        path: the PNG to write; a picture of four rows takes about 500 kB.

    Raises:
        StorageError: it cannot be written.
    """
    from PIL import Image as Pictures
    from PIL import ImageDraw

    rows = _rows(drawn)
    width = len(PLANES) * (_TILE + _GAP) + _GAP
    heights = [_LINE + _TILE + _LINE * len(_legend_lines(row, width)) + _GAP for row in rows]
    sheet = Pictures.new("RGB", (width, _GAP + sum(heights) + _LINE + _GAP), _BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        pen.text((_GAP, top), _printable(f"{row.image.kind.upper()}  {row.image.name}"), fill=_INK)
        at = busiest_point(row.masks[0][1])
        for column, plane in enumerate(PLANES):
            sheet.paste(_tile(row, plane, at[plane]), (_GAP + column * (_TILE + _GAP), top + _LINE))
        _draw_legend(pen, _legend_lines(row, width), top + _LINE + _TILE + 2)
        top += height
    pen.text((_GAP, top), RESEARCH_USE_ONLY, fill=_FAINT)
    with atomic_path(path, keep_suffix=".png") as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _rows(drawn: Sequence[Drawn]) -> list[_Row]:
    rows = []
    for image in dict.fromkeys(one.image for one in drawn):
        own = [(number, one) for number, one in enumerate(drawn, start=1) if one.image is image]
        masks = tuple((number, one.mask) for number, one in own)
        legend = tuple((f"{one.name}  {one.volume_ml:.3g} mL", colour_of(number)) for number, one in own)
        rows.append(_Row(image, masks, legend))
    return rows


def _tile(row: _Row, plane: str, index: int) -> Picture:
    """A slice fitted into a square, outlined, its edges lettered, with a scale."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    shown = draw_slice(row.image, index, plane)
    scale = _TILE / max(shown.pixels.shape[:2])
    height, width = (max(1, round(n * scale)) for n in shown.pixels.shape[:2])
    picture = Pictures.fromarray(shown.pixels).resize((width, height), Pictures.Resampling.BICUBIC)
    pixels = np.array(picture)
    outlines = np.stack([_outline(row.image, mask, plane, index, (width, height)) for _, mask in row.masks])
    for (number, _), where in zip(row.masks, _taking_turns(outlines), strict=True):
        pixels[where] = colour_of(number)
    square = Pictures.new("RGB", (_TILE, _TILE), (0, 0, 0))
    square.paste(Pictures.fromarray(pixels), ((_TILE - width) // 2, (_TILE - height) // 2))
    pen = ImageDraw.Draw(square)
    _letter(pen, plane)
    upright = row.image.reorient("RAS").geometry.spacing
    finest = min(step for axis, step in enumerate(upright) if axis != NORMAL[plane])
    _draw_scale(pen, scale / finest)
    pen.text((6, _TILE - 16), f"{plane} {shown.position_mm:+.0f} mm", fill=_INK)
    return square


def _outline(image: Image, mask: Mask, plane: str, index: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns) of the picture: a mask's outline, of one width for voxels of any size."""
    from PIL import Image as Pictures
    from scipy.ndimage import binary_erosion

    blank = Image(np.zeros(image.shape, np.uint8), image.geometry)
    filled = draw_slice(blank, index, plane, mask=mask, alpha=1.0).pixels.any(axis=-1)
    inside = np.array(Pictures.fromarray(filled).resize(size, Pictures.Resampling.NEAREST))
    # The picture's border is no outline: a mask that reaches it goes on.
    return np.asarray(inside & ~binary_erosion(inside, iterations=_OUTLINE, border_value=1))


def _taking_turns(outlines: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(masks, rows, columns): where outlines share a border each has a dash of it, and none hides another."""
    rows, columns = np.indices(outlines.shape[1:])
    shared = np.maximum(outlines.sum(axis=0), 1)
    turn = ((rows + columns) // _DASH) % shared
    return outlines & (outlines.cumsum(axis=0) - 1 == turn)


def _letter(pen: ImageDraw, plane: str) -> None:
    left, right, upper, lower = tuple(_EDGES[plane])
    middle = _TILE // 2
    pen.text((6, middle - 6), left, fill=_INK)
    pen.text((_TILE - 14, middle - 6), right, fill=_INK)
    pen.text((middle - 3, 4), upper, fill=_INK)
    pen.text((middle - 3, _TILE - 16), lower, fill=_INK)


def _draw_scale(pen: ImageDraw, pixels_a_mm: float) -> None:
    length = round(_BAR_MM * pixels_a_mm)
    x, y = _TILE - 10 - length, _TILE - 8
    pen.line([(x, y), (x + length, y)], fill=_INK, width=2)
    pen.text((x, y - 15), f"{_BAR_MM} mm", fill=_INK)


def _legend_lines(row: _Row, width: int) -> list[list[tuple[str, tuple[int, int, int]]]]:
    """Entries of the legend, broken into lines that fit."""
    lines: list[list[tuple[str, tuple[int, int, int]]]] = [[]]
    used = 0
    for text, colour in row.legend:
        need = 36 + 7 * len(text)
        if lines[-1] and used + need > width:
            lines.append([])
            used = 0
        lines[-1].append((_printable(text), colour))
        used += need
    return lines


def _draw_legend(pen: ImageDraw, lines: list[list[tuple[str, tuple[int, int, int]]]], y: int) -> None:
    for line in lines:
        x = _GAP
        for text, colour in line:
            pen.rectangle((x, y + 3, x + 10, y + 13), fill=colour)
            pen.text((x + 15, y + 1), text, fill=_INK)
            x += 36 + int(pen.textlength(text))
        y += _LINE


def _printable(text: str) -> str:
    """What the built-in font can draw; other characters become question marks."""
    return text.encode("latin-1", "replace").decode("latin-1")
