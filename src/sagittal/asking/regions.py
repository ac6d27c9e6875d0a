"""Places that the asker points at: how they are written, and which pixels of a slice they cover.

    point:X,Y            box:X0,Y0,X1,Y1                 in pixels of the picture, both corners inside
    point:mm:X,Y,Z       box:mm:X0,Y0,Z0,X1,Y1,Z1        in RAS millimetres
    mask:FILE            a picture as large as the slice that is shown, or a volume on the image's grid
    t1=point:X,Y         the image first, where there are several

Nothing is clipped: a place that lies outside of its picture, wholly or in part, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sagittal.agent.text import plain
from sagittal.asking.slices import Plane, Slice
from sagittal.draw.overlay import NORMAL
from sagittal.errors import FileFormatError, GeometryError, InputError, SpacingUnknownError
from sagittal.io import nifti, raster
from sagittal.io.volume_file import SUFFIXES, suffix_of
from sagittal.study import Image, Mask, Region

#: How a region is written; for errors and help.
FORMS = "point:X,Y, box:X0,Y0,X1,Y1, point:mm:X,Y,Z, box:mm:X0,Y0,Z0,X1,Y1,Z1 or mask:FILE"
_LONGEST = 4_096
_SPEC = re.compile(r"(?P<kind>point|box|mask):(?P<mm>mm:)?(?P<rest>.*)", re.DOTALL)
# The image's name may hold an equals sign itself: the first that a region follows ends it.
_NAMED = re.compile(r"(?P<image>.+?)=(?P<spec>(?:point|box|mask):.*)", re.DOTALL)
_WHOLE = re.compile(r"[-+]?[0-9]{1,9}")
_DECIMAL = re.compile(r"[-+]?([0-9]{1,9}(\.[0-9]{0,15})?|\.[0-9]{1,15})([eE][-+]?[0-9]{1,2})?")
_NUMBERS = {("point", False): 2, ("box", False): 4, ("point", True): 3, ("box", True): 6}


@dataclass(frozen=True)
class RegionSpec:
    """A region as it is written.

    Attributes:
        kind: what stands before the colon.
        image: name of the image, or ``None`` where it is not said.
        in_mm: whether the numbers are RAS millimetres, not pixels.
        numbers: of a point or a box.
        file: of a mask.
    """

    kind: Literal["point", "box", "mask"]
    image: str | None
    in_mm: bool = False
    numbers: tuple[float, ...] = ()
    file: Path | None = None


def parse_region(text: str) -> RegionSpec:
    """Read a region as it is written.

    Raises:
        InputError: it is written in another way, a number is not finite, or a box's corners are exchanged.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise _malformed(text)
    image, found = None, _SPEC.fullmatch(text)
    if found is None and (named := _NAMED.fullmatch(text)) is not None:
        image, found = named["image"], _SPEC.fullmatch(named["spec"])
    if found is None:
        raise _malformed(text)
    if found["kind"] == "mask":
        return _mask_spec(text, image, (found["mm"] or "") + found["rest"])
    kind: Literal["point", "box"] = "box" if found["kind"] == "box" else "point"
    in_mm = found["mm"] is not None
    parts = [part.strip() for part in found["rest"].split(",")]
    number = _DECIMAL if in_mm else _WHOLE
    if len(parts) != _NUMBERS[kind, in_mm] or not all(number.fullmatch(part) for part in parts):
        raise _malformed(text)
    numbers = tuple(float(part) for part in parts)
    half = len(numbers) // 2
    if kind == "box" and any(a > b for a, b in zip(numbers[:half], numbers[half:], strict=True)):
        raise InputError(
            "The corners of a box are exchanged.",
            expected="the lesser numbers first: box:X0,Y0,X1,Y1 with X0 ≤ X1 and Y0 ≤ Y1",
            got=plain(text, 80),
            remedy="exchange the numbers",
        )
    return RegionSpec(kind, image, in_mm, numbers)


def _mask_spec(text: str, image: str | None, path: str) -> RegionSpec:
    if not path.strip() or "\0" in path:
        raise _malformed(text)
    return RegionSpec("mask", image, file=Path(path))


def _malformed(text: str) -> InputError:
    return InputError(
        "A region is not written in this way.",
        expected=f"{FORMS}; pixels are whole numbers from 0, the image's name comes first: t1=point:X,Y",
        got=plain(text, 80) or "nothing",
        remedy="for instance --region box:40,52,80,95",
    )


# -- what is written → regions of the image ------------------------------------------------------


def read_mask_of(path: Path) -> Mask:
    """A mask's file: a picture or a volume; every value but 0 belongs to the region.

    Raises:
        FileFormatError: another kind of file, or a damaged one.
        LabelError: the values are no labels.
        InputError: nothing is marked in it.
        StorageError: it cannot be read.
    """
    if path.suffix.lower() in raster.SUFFIXES:
        mask = raster.read_picture_mask(path)
    elif suffix_of(path):
        mask = nifti.read_mask(path)
    else:
        raise FileFormatError(
            f"{plain(path.name, 80)} is not a mask that is read.",
            expected=", ".join((*SUFFIXES, *raster.SUFFIXES)),
            got=path,
        )
    if not mask.data.any():
        raise _empty(plain(path.name, 80), "anywhere")
    return mask


def on_image(mask: Mask, image: Image) -> Mask | None:
    """A volume's mask with its axes turned to the image's; ``None`` where it does not lie on its grid."""
    turned = mask.reorient(image.geometry.orientation)
    return turned if turned.geometry.same_grid(image.geometry) else None


def drawn_region(mask: Mask, on: Slice) -> Region:
    """A drawn mask as a region.

    Args:
        mask: on the grid of the slice's image; or one pixel deep, as large as the slice is shown.
        on: the slice.

    Raises:
        GeometryError: it is of another size.
        InputError: it marks nothing in this slice.
    """
    image = on.image
    own = None if _is_plain(mask) else on_image(mask, image)
    if own is None and mask.shape == (*on.size, 1):
        own = on.whole(mask.data[:, :, 0] != 0, "region", mask.name)
    if own is None:
        width, height = on.size
        grid = "" if on.is_whole else f", or {image.name}'s own grid: {image.geometry.describe()}"
        raise GeometryError(
            f"The mask {mask.name} does not fit what it is drawn on.",
            expected=f"{width}×{height} pixels{grid}",
            got=f"{mask.shape[0]}×{mask.shape[1]} pixels" if _is_plain(mask) else mask.geometry.describe(),
            remedy="draw it on this image, at its full size",
        )
    if not on.cut(own).any():
        raise _empty(mask.name, f"in {on.words}")
    return Region("mask", image.name, mask=own)


def _is_plain(mask: Mask) -> bool:
    """Whether it is a picture, which lies nowhere in space."""
    return mask.geometry.is_2d and not mask.geometry.spacing_known


def _empty(name: str, where: str) -> InputError:
    return InputError(
        f"The mask {name} marks nothing {where}.",
        expected="at least one pixel that is not 0",
        got="zeros alone",
        remedy="give the mask that was meant, or name the slice that it marks",
    )


def pixel_region(spec: RegionSpec, on: Slice) -> Region:
    """A point or a box in pixels of a slice as a region in voxels of its image.

    Raises:
        InputError: it reaches outside the picture.
    """
    corners = np.array(spec.numbers).reshape(-1, 2)
    if (corners < 0).any() or (corners >= on.size).any():
        width, height = on.size
        raise InputError(
            f"The {spec.kind} reaches outside {on.words}.",
            expected=f"x from 0 to {width - 1} and y from 0 to {height - 1} in {on.image.name}",
            got=f"{spec.kind}:{','.join(f'{n:.0f}' for n in spec.numbers)}",
            remedy="count pixels from the upper left corner, x to the right and y down",
        )
    voxels = [(float(x), float(y), float(z)) for x, y, z in on.voxels_of(corners)]
    return Region("box" if spec.kind == "box" else "points", on.image.name, coordinates=tuple(voxels))


def world_region(spec: RegionSpec, image: Image) -> Region:
    """A point or a box in millimetres as a region.

    Raises:
        SpacingUnknownError: the image has no millimetres.
    """
    if not image.geometry.spacing_known:
        raise SpacingUnknownError(
            f"{image.name} has no places in millimetres: it does not state the size of its pixels.",
            expected="pixels: point:X,Y or box:X0,Y0,X1,Y1",
            got=f"{spec.kind}:mm:{','.join(f'{n:g}' for n in spec.numbers)}",
            remedy="give the place in pixels",
        )
    x = spec.numbers
    corners = tuple((x[i], x[i + 1], x[i + 2]) for i in range(0, len(x), 3))
    return Region("box" if spec.kind == "box" else "points", image.name, "mm", corners)


# -- regions of the image → pixels of a slice ----------------------------------------------------


def indices_along(region: Region, on: Slice) -> list[int]:
    """First and last slice of the plane of ``on`` that a region reaches into.

    Raises:
        InputError: a point or a corner lies outside the image.
    """
    if region.mask is not None:
        marked = np.nonzero(region.mask.reorient("RAS").data.any(axis=_others(on.plane)))[0]
        return [int(marked[0]), int(marked[-1])]
    at = _pixels(region, on)[:, 2]
    return [int(at.min()), int(at.max())]


def pixels_inside(region: Region, on: Slice) -> Plane:
    """The pixels of a slice that a region covers: at least one, none outside.

    Raises:
        InputError: it lies outside the image, or has nothing in the slice.
    """
    if region.mask is not None:
        return on.cut(region.mask)
    inside = np.zeros(on.size, np.bool_)
    at = _pixels(region, on)[:, :2]
    if region.kind == "points":
        inside[tuple(at.T)] = True
    elif region.space == "mm":
        inside = _box_in_mm(region, on)
    else:
        (x0, y0), (x1, y1) = at.min(axis=0), at.max(axis=0)
        inside[x0 : x1 + 1, y0 : y1 + 1] = True
    return inside


def _box_in_mm(region: Region, on: Slice) -> Plane:
    """Pixels of a slice whose middles lie in a box, or within half a pixel of it."""
    low, high = np.array(region.coordinates).min(axis=0), np.array(region.coordinates).max(axis=0)
    inside: Plane = np.ones(on.size, np.bool_)
    for axis, step in zip(_others(on.plane), on.grid.spacing[:2], strict=True):
        along = on.world_along(axis)
        # Half open, so that a box without width has one pixel, not two.
        inside &= (along >= low[axis] - step / 2) & (along < high[axis] + step / 2)
    if not inside.any():
        raise InputError(
            f"The box holds no pixel of {on.words}.", expected="at least one", got=_written(region)
        )
    return inside


def _pixels(region: Region, on: Slice) -> np.ndarray:
    """(n, 3) x, y and slice of each point or corner, rounded to the voxel that it lies in."""
    given = np.array(region.coordinates)
    voxels = given if region.space == "voxel" else on.image.geometry.to_voxel(given)
    at = np.floor(on.pixels_of(voxels) + 0.5)
    upright = on.image.geometry.reoriented("RAS")[0]
    depth = upright.shape[NORMAL[on.plane]]
    if (at < 0).any() or (at >= (*on.size, depth)).any():
        corners = upright.corners()
        low, high = (
            ", ".join(f"{n:.1f}" for n in ends) for ends in (corners.min(axis=0), corners.max(axis=0))
        )
        raise InputError(
            "A region reaches outside the image.",
            expected=f"from ({low}) to ({high}) mm" if region.space == "mm" else on.image.geometry.describe(),
            got=_written(region),
            remedy="millimetres count to the right, to the front and up (RAS)",
        )
    return at.astype(np.int64)


def _written(region: Region) -> str:
    """A region's coordinates, for an error."""
    return f"{region.kind} {'; '.join(str(corner) for corner in region.coordinates)} ({region.space})"


def _others(plane: str) -> tuple[int, int]:
    a, b = (axis for axis in range(3) if axis != NORMAL[plane])
    return a, b
