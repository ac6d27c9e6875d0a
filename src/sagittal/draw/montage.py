"""Pictures for people: slices side by side, with captions, a legend, and the research-use line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sagittal.answer import RESEARCH_USE_ONLY, Line
from sagittal.draw.overlay import NORMAL, Slice, busiest_point, draw_slice, label_colours, planes_of
from sagittal.files import atomic_path
from sagittal.study import Image, Mask

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_TILE = 300
_GAP = 6
_CAPTION = 18
_BACKGROUND = (16, 16, 16)
_INK = (230, 230, 230)
# Which way the left edge of each plane's picture faces.
_LEFT_EDGE = {"axial": "R", "coronal": "R", "sagittal": "A"}


def draw_montage(images: Sequence[Image], mask: Mask | None, path: str | Path, *, title: str = "") -> None:
    """Write a PNG: one row an image, one column a plane (a picture has one), cut where the mask is largest.

    Args:
        images: one or more, on the mask's grid.
        mask: labels to fill; ``None`` shows the middle slices alone.
        path: the PNG to write.
        title: first line of the caption.

    Raises:
        GeometryError: an image lies on another grid than the mask.
    """
    from PIL import Image as Pictures
    from PIL import ImageDraw

    at = None if mask is None else busiest_point(mask)
    planes = planes_of(images[0].geometry)
    tiles = [[_tile(image, _slice(image, mask, plane, at)) for plane in planes] for image in images]
    # Wide enough for the line at the foot, also over a single picture.
    width = max(len(planes), 2) * (_TILE + _GAP) + _GAP
    header = _CAPTION + _GAP if title else _GAP
    row = _TILE + _CAPTION + _GAP
    legend = label_colours(mask) if mask is not None else {}
    footer = (_CAPTION if legend else 0) + _CAPTION + _GAP
    sheet = Pictures.new("RGB", (width, header + row * len(images) + footer), _BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    if title:
        pen.text((_GAP, 4), title, fill=_INK)
    for r, (image, line) in enumerate(zip(images, tiles, strict=True)):
        top = header + r * row
        for c, tile in enumerate(line):
            sheet.paste(tile, (_GAP + c * (_TILE + _GAP), top + _CAPTION))
        pen.text((_GAP, top + 2), f"{image.kind.upper()}  {image.name}", fill=_INK)
    y = header + row * len(images)
    if legend:
        _draw_legend(pen, legend, y)
        y += _CAPTION
    pen.text((_GAP, y), RESEARCH_USE_ONLY, fill=(150, 150, 150))
    _save(sheet, path)


def draw_diameters(image: Image, mask: Mask, lines: Sequence[Line], path: str | Path) -> None:
    """Write a PNG of the one slice that the lines lie in, with the lines drawn over it.

    Args:
        image: on the mask's grid.
        mask: labels to outline.
        lines: end points in RAS millimetres, all in one slice of the image's slice axis.
        path: the PNG to write.
    """
    from PIL import ImageDraw

    ras = image.reorient("RAS")
    ends = ras.geometry.to_voxel(np.array([[line.start, line.end] for line in lines], dtype=float))
    spread = np.ptp(ends.reshape(-1, 3), axis=0)
    # Measured in acquired slices where they can be; the flattest direction otherwise.
    acquired = ras.geometry.slice_axis
    normal = acquired if spread[acquired] < 0.5 else int(spread.argmin())
    plane = next(name for name, axis in NORMAL.items() if axis == normal)
    index = int(np.clip(np.round(ends[..., normal].mean()), 0, ras.shape[normal] - 1))
    shown = draw_slice(image, index, plane, mask=mask, alpha=0.0)
    picture = _picture(shown)
    in_plane = [a for a in range(3) if a != normal]
    finest = min(ras.geometry.spacing[a] for a in in_plane)
    scale = max(1, 720 // max(picture.size))
    picture = picture.resize((picture.width * scale, picture.height * scale))
    pen = ImageDraw.Draw(picture)
    size = [ras.shape[a] * ras.geometry.spacing[a] / finest for a in in_plane]
    for line, (start, end) in zip(lines, ends, strict=True):
        points = [
            tuple(
                (size[k] - (point[a] + 0.5) * ras.geometry.spacing[a] / finest) * scale
                for k, a in enumerate(in_plane)
            )
            for point in (start, end)
        ]
        pen.line([points[0], points[1]], fill=(255, 255, 255), width=2)
        length = float(np.linalg.norm(np.subtract(line.end, line.start)))
        pen.text(points[0], f"{line.name} {length:.1f} mm", fill=(255, 255, 255))
    pen.text((4, picture.height - 14), RESEARCH_USE_ONLY, fill=(150, 150, 150))
    _save(picture, path)


def _slice(image: Image, mask: Mask | None, plane: str, at: Mapping[str, int] | None) -> Slice:
    if at is None:
        return draw_slice(image, image.reorient("RAS").shape[NORMAL[plane]] // 2, plane)
    return draw_slice(image, at[plane], plane, mask=mask)


def _picture(shown: Slice) -> Picture:
    from PIL import Image as Pictures

    return Pictures.fromarray(np.ascontiguousarray(shown.pixels))


def _tile(image: Image, shown: Slice) -> Picture:
    """The slice fitted into a square; with plane, place and side where the image knows its own."""
    from PIL import Image as Pictures
    from PIL import ImageDraw

    picture = _picture(shown)
    scale = _TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    square = Pictures.new("RGB", (_TILE, _TILE), (0, 0, 0))
    square.paste(
        picture.resize(size, Pictures.Resampling.BICUBIC), ((_TILE - size[0]) // 2, (_TILE - size[1]) // 2)
    )
    if not image.geometry.spacing_known:
        return square
    pen = ImageDraw.Draw(square)
    pen.text((4, _TILE - 14), f"{shown.plane} {shown.position_mm:+.0f} mm", fill=_INK)
    pen.text((4, _TILE // 2 - 6), _LEFT_EDGE[shown.plane], fill=_INK)
    return square


def _draw_legend(pen: ImageDraw, legend: Mapping[str, tuple[int, int, int]], y: int) -> None:
    x = _GAP
    for name, colour in legend.items():
        pen.rectangle((x, y + 3, x + 10, y + 13), fill=colour)
        pen.text((x + 15, y + 2), name, fill=_INK)
        x += 30 + int(pen.textlength(name))


def _save(picture: Picture, path: str | Path) -> None:
    with atomic_path(path, keep_suffix=".png") as temporary:
        picture.save(temporary, format="PNG")
