"""``overlay.png`` of one slice or picture: places that were pointed at, the answer's masks, boxes, lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sagittal.answer import RESEARCH_USE_ONLY, Box, Line
from sagittal.asking.consultation import Drawn
from sagittal.asking.pointing import Pointed, View
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
from sagittal.asking.slices import Plane, Slice
from sagittal.draw.overlay import colour_of
from sagittal.files import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_TILE = 640
# Places that were pointed at are white, which no mask is; dark on either side, to be seen on what is white.
_REGION = (255, 255, 255)
# Around what is too small to be seen, in pixels of the tile.
_RING = 7


def draw_view(
    view: View,
    drawn: Sequence[Drawn],
    path: str | Path,
    boxes: Sequence[Box] = (),
    lines: Sequence[Line] = (),
) -> None:
    """Write the picture.

    Args:
        view: what was looked at, and the places on it.
        drawn: the masks, on the grid of the view's image; there may be none.
        path: the PNG to write.
        boxes, lines: on the picture, in its pixels.

    Raises:
        StorageError: it cannot be written.
    """
    from PIL import Image as Pictures
    from PIL import ImageDraw

    on = view.slice
    masks = [on.cut(one.mask) for one in drawn]
    legend: list[Entry] = [(one.name, colour_of(number)) for number, one in enumerate(drawn, start=1)]
    marks: list[Box | Line] = [*boxes, *lines]
    for number, mark in enumerate(marks, start=len(drawn) + 1):
        legend.append((mark.name.replace("_", " "), colour_of(number)))
    if view.regions:
        legend.insert(0, ("pointed at", _REGION))
    width = _TILE + 2 * GAP
    rows = legend_lines(legend, width)
    height = GAP + LINE + _TILE + LINE * len(rows) + LINE + GAP
    sheet = Pictures.new("RGB", (width, height), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    where = f"  {on.name}" if on.name else ""
    pen.text((GAP, GAP), printable(f"{on.image.kind.upper()}  {on.image.name}{where}"), fill=INK)
    tile = _tile(on, view.regions, masks)
    for number, one in enumerate(marks, start=len(drawn) + 1):
        _mark(tile, on, one, colour_of(number))
    sheet.paste(tile, (GAP, GAP + LINE))
    draw_legend(pen, rows, GAP + LINE + _TILE + 2)
    pen.text((GAP, height - LINE), RESEARCH_USE_ONLY, fill=FAINT)
    with atomic_path(path, keep_suffix=".png") as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _tile(on: Slice, regions: Sequence[Pointed], masks: Sequence[Plane]) -> Picture:
    """The slice in a square, its pixels in their true proportions, outlined."""
    from PIL import Image as Pictures
    from PIL import ImageDraw
    from scipy.ndimage import binary_dilation

    pixels_a_mm, size = _fitted(on)
    data = np.swapaxes(on.picture.data[:, :, 0], 0, 1)
    picture = Pictures.fromarray(np.ascontiguousarray(data)).convert("RGB")
    pixels = np.array(picture.resize(size, Pictures.Resampling.BICUBIC))
    pointed = [_outline(one.inside, size) for one in regions]
    if pointed:
        pixels[binary_dilation(np.any(pointed, axis=0), iterations=2)] = 0
    colours = [*([_REGION] * len(regions)), *(colour_of(n + 1) for n in range(len(masks)))]
    small = _paint(pixels, [*pointed, *(_outline(mask, size) for mask in masks)], colours)
    left, top = ((_TILE - n) // 2 for n in size)
    square = Pictures.new("RGB", (_TILE, _TILE), (0, 0, 0))
    square.paste(Pictures.fromarray(pixels), (left, top))
    pen = ImageDraw.Draw(square)
    for (x, y), colour in small:
        x, y = x + left, y + top
        pen.ellipse((x - _RING, y - _RING, x + _RING, y + _RING), outline=colour, width=2)
    if on.grid.spacing_known:
        letter(pen, on.plane, _TILE)
        draw_scale(pen, pixels_a_mm, _TILE)
    return square


def _mark(tile: Picture, on: Slice, mark: Box | Line, colour: tuple[int, int, int]) -> None:
    """A box or a line on the tile; whole numbers are the middles of the film's pixels."""
    from PIL import ImageDraw

    _, size = _fitted(on)
    ends = mark.corners if isinstance(mark, Box) else (*mark.start[:2], *mark.end[:2])
    # A box's corners are its first and last pixel: it is drawn around both.
    grown = (-0.5, -0.5, 0.5, 0.5) if isinstance(mark, Box) else (0, 0, 0, 0)
    places = []
    for n, (value, more) in enumerate(zip(ends, grown, strict=True)):
        axis = n % 2
        places.append((_TILE - size[axis]) / 2 + (value + more + 0.5) * size[axis] / on.size[axis])
    pen = ImageDraw.Draw(tile)
    if isinstance(mark, Box):
        pen.rectangle(places, outline=colour, width=2)
    else:
        pen.line(places, fill=colour, width=3)


def _fitted(on: Slice) -> tuple[float, tuple[int, int]]:
    """Pixels of the tile a millimetre (a pixel, where that is not known), and the slice's size in it."""
    extent = [n * step for n, step in zip(on.size, on.grid.spacing[:2], strict=True)]
    scale = _TILE / max(extent)
    width, height = (max(1, round(length * scale)) for length in extent)
    return scale, (width, height)


def _outline(inside: Plane, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns) of the tile: a mask's outline. What is made smaller keeps all that it touches."""
    from PIL import Image as Pictures

    shades = Pictures.fromarray(np.ascontiguousarray(inside.T).astype(np.uint8) * 255)
    smaller = any(there < here for there, here in zip(size, inside.shape, strict=True))
    least = 1 if smaller else 128
    return outline_of(np.array(shades.resize(size, Pictures.Resampling.BOX)) >= least)


_Spot = tuple[tuple[int, int], tuple[int, int, int]]


def _paint(
    pixels: NDArray[np.uint8],
    outlines: Sequence[NDArray[np.bool_]],
    colours: Sequence[tuple[int, int, int]],
) -> list[_Spot]:
    """Draw outlines; those too small to be seen are returned as a place and a colour."""
    small: list[_Spot] = []
    if not outlines:
        return small
    for colour, whole, where in zip(colours, outlines, taking_turns(np.stack(outlines)), strict=True):
        pixels[where] = colour
        rows, columns = np.nonzero(whole)
        if rows.size and max(np.ptp(rows), np.ptp(columns)) < _RING:
            small.append(((int(columns.mean()), int(rows.mean())), colour))
    return small
