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

from sagittal.agent.values import rounded, with_unit
from sagittal.answer import RESEARCH_USE_ONLY
from sagittal.asking.consultation import Drawn
from sagittal.asking.sheet import (
    BACKGROUND,
    FAINT,
    GAP,
    INK,
    LINE,
    Entry,
    draw_legend,
    draw_scale,
    legend_lines,
    letter,
    outline_of,
    printable,
    taking_turns,
)
from sagittal.draw.overlay import NORMAL, PLANES, busiest_point, colour_of, draw_slice
from sagittal.files import atomic_path
from sagittal.study import Image, Mask

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_TILE = 320


@dataclass(frozen=True, eq=False)
class _Row:
    """An image and the masks that were drawn on it, each with its place in the answer: its colour."""

    image: Image
    masks: tuple[tuple[int, Mask], ...]
    legend: tuple[Entry, ...]


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
    width = len(PLANES) * (_TILE + GAP) + GAP
    heights = [LINE + _TILE + LINE * len(legend_lines(row.legend, width)) + GAP for row in rows]
    sheet = Pictures.new("RGB", (width, GAP + sum(heights) + LINE + GAP), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        pen.text((GAP, top), printable(f"{row.image.kind.upper()}  {row.image.name}"), fill=INK)
        at = busiest_point(row.masks[0][1])
        for column, plane in enumerate(PLANES):
            sheet.paste(_tile(row, plane, at[plane]), (GAP + column * (_TILE + GAP), top + LINE))
        draw_legend(pen, legend_lines(row.legend, width), top + LINE + _TILE + 2)
        top += height
    pen.text((GAP, top), RESEARCH_USE_ONLY, fill=FAINT)
    with atomic_path(path, keep_suffix=".png") as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _rows(drawn: Sequence[Drawn]) -> list[_Row]:
    rows = []
    for image in dict.fromkeys(one.image for one in drawn):
        own = [(number, one) for number, one in enumerate(drawn, start=1) if one.image is image]
        masks = tuple((number, one.mask) for number, one in own)
        legend = tuple((f"{one.name}  {_size(one)}", colour_of(number)) for number, one in own)
        rows.append(_Row(image, masks, legend))
    return rows


def _size(one: Drawn) -> str:
    assert one.volume_ml is not None, "volumes were looked at"
    return with_unit(rounded(one.volume_ml), "mL")


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
    for (number, _), where in zip(row.masks, taking_turns(outlines), strict=True):
        pixels[where] = colour_of(number)
    square = Pictures.new("RGB", (_TILE, _TILE), (0, 0, 0))
    square.paste(Pictures.fromarray(pixels), ((_TILE - width) // 2, (_TILE - height) // 2))
    pen = ImageDraw.Draw(square)
    letter(pen, plane, _TILE)
    upright = row.image.reorient("RAS").geometry.spacing
    finest = min(step for axis, step in enumerate(upright) if axis != NORMAL[plane])
    draw_scale(pen, scale / finest, _TILE)
    pen.text((6, _TILE - 16), f"{plane} {shown.position_mm:+.0f} mm", fill=INK)
    return square


def _outline(image: Image, mask: Mask, plane: str, index: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns) of the picture: a mask's outline, of one width for voxels of any size."""
    from PIL import Image as Pictures

    blank = Image(np.zeros(image.shape, np.uint8), image.geometry)
    filled = draw_slice(blank, index, plane, mask=mask, alpha=1.0).pixels.any(axis=-1)
    inside = np.array(Pictures.fromarray(filled).resize(size, Pictures.Resampling.NEAREST))
    return outline_of(inside)
