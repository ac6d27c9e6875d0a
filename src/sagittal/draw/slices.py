"""Slices of volumes as pictures, each voxel a pixel: what is asked about, and what models of pictures see.

A slice is shown as a radiologist sees it (the patient's right, or front, on the left; front, or head, up).
Which way it lies comes from the affine alone. Overlays for people are :mod:`sagittal.draw.overlay`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.draw.overlay import NORMAL, PLANES, planes_of, window
from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.io.raster import picture_geometry
from sagittal.study import Image, Mask


def shown_plane(data: NDArray[Any], index: int, normal: int) -> NDArray[Any]:
    """A slice of RAS voxels as (width, height, 1), colour channels behind.

    Args:
        data: voxels whose axes run to the right, to the front and up.
        index: of the slice along ``normal``.
        normal: axis that is cut across.
    """
    plane: NDArray[Any] = np.take(data, index, axis=normal)[::-1, ::-1, None]
    return np.ascontiguousarray(plane)


def set_plane(data: NDArray[Any], index: int, normal: int, shown: NDArray[Any]) -> None:
    """Write pixels, (width, height), into a slice of RAS voxels: what :func:`shown_plane` shows then."""
    np.moveaxis(data, normal, 0)[index] = shown[::-1, ::-1]


def shown_picture(image: Image) -> Image:
    """An image of one slice as it is shown, (width, height, 1), in its own values.

    Raises:
        InputError: it is a volume.
    """
    plane = only_plane(image.geometry)
    if plane is None:
        raise InputError(
            "A volume is no picture.", expected="one slice", got=f"{'×'.join(map(str, image.shape))} voxels"
        )
    upright = image.reorient("RAS")
    shown = shown_plane(upright.data, 0, NORMAL[plane])
    return replace(image, data=shown, geometry=plane_grid(upright.geometry, plane))


def whole_mask(shown: NDArray[Any], image: Image, labels: Mapping[int, str], source: str) -> Mask:
    """What was drawn on a picture (:func:`shown_picture`), on the grid of the image that it shows.

    Args:
        shown: label values, (width, height).
        image: of one slice.
        labels: value → name.
        source: where it came from.
    """
    plane = only_plane(image.geometry)
    assert plane is not None, "a mask of a picture goes back to one slice"
    mask = Mask(np.zeros(image.shape, np.uint8), image.geometry, labels, source, image.session)
    # Turning gives a view: what is written there stands in the mask itself.
    set_plane(mask.reorient("RAS").data, 0, NORMAL[plane], shown)
    return mask


def plane_grid(upright: Geometry, plane: str) -> Geometry:
    """The grid of a plane's slices as pictures; ``upright`` is that of the volume, turned to RAS."""
    in_plane = [axis for axis in range(3) if axis != NORMAL[plane]]
    spacing = [upright.spacing[axis] for axis in in_plane]
    width, height = (upright.shape[axis] for axis in in_plane)
    return picture_geometry(width, height, spacing if upright.spacing_known else None)


def slice_picture(upright: Image, plane: str, index: int, limits: tuple[float, float]) -> Image:
    """One slice of a grey volume in 8 bits.

    Args:
        upright: turned to RAS.
        plane: one of :data:`sagittal.draw.overlay.PLANES`.
        index: of the slice, from the left, the back or the foot.
        limits: what is shown black and white, see :func:`sagittal.draw.overlay.window`.
    """
    shown = shades(shown_plane(upright.data, index, NORMAL[plane]), *limits)
    return Image(shown, plane_grid(upright.geometry, plane), upright.kind, upright.name)


def only_plane(geometry: Geometry) -> str | None:
    """The plane of an image of one slice; ``None`` of a volume."""
    if geometry.is_2d:
        return planes_of(geometry)[0]
    flat = [axis for axis in range(3) if geometry.shape[axis] == 1]
    if not flat:
        return None
    return next(plane for plane in PLANES if geometry.axis_towards(NORMAL[plane])[0] == flat[0])


def in_eight_bits(image: Image) -> Image:
    """A picture as it is shown: deeper grey is windowed (1st to 99th percentile), colour scaled to 8 bits."""
    if image.data.dtype == np.uint8:
        return image
    if image.channels > 1 and image.data.dtype == np.uint16:
        return Image((image.data >> 8).astype(np.uint8), image.geometry, image.kind, image.name)
    return Image(shades(image.data, *window(image)), image.geometry, image.kind, image.name)


def shades(data: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Intensities as 0–255 between two limits."""
    scaled = np.clip((data.astype(np.float32) - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.rint(scaled * 255).astype(np.uint8)
