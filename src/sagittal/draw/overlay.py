"""Masks over slices, as a reader is used to seeing them.

Slices are shown in radiological convention: the patient's right on the viewer's left, front up in
axial slices, head up in the others. Voxels keep their physical shape. An overlay can be a model's
input too, so colours are fixed by label value and nothing depends on which labels happen to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.study import Image, Mask

#: Okabe–Ito, which colour-blind readers can tell apart, led by the customary colours of glioma labels.
PALETTE: tuple[tuple[int, int, int], ...] = (
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
    (204, 121, 167),
    (0, 158, 115),
    (230, 159, 0),
    (0, 114, 178),
)
#: What these colours are called.
COLOUR_NAMES = ("vermilion", "sky blue", "yellow", "purple", "green", "orange", "blue")
PLANES = ("axial", "coronal", "sagittal")
#: World axis that a plane's slices are stacked along.
NORMAL: Mapping[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}


def planes_of(geometry: Geometry) -> tuple[str, ...]:
    """The planes worth showing: all three of a volume, the picture's own of a 2D image."""
    if not geometry.is_2d:
        return PLANES
    return tuple(plane for plane in PLANES if geometry.axis_towards(NORMAL[plane])[0] == 2)


def colour_of(value: int) -> tuple[int, int, int]:
    """The fixed colour of a label value (1, 2, …)."""
    return PALETTE[(value - 1) % len(PALETTE)]


@dataclass(frozen=True)
class Slice:
    """A slice as it is shown.

    Attributes:
        pixels: (rows, columns, 3) uint8.
        plane: ``axial``, ``coronal`` or ``sagittal``.
        position_mm: RAS coordinate of the slice along the plane's normal, at the volume's centre.
    """

    pixels: NDArray[np.uint8]
    plane: str
    position_mm: float


def window(image: Image) -> tuple[float, float]:
    """Grey-level limits: the 1st and 99th percentile of the voxels that are not background.

    Background is the most common extreme value (0 in a skull-stripped scan, air in CT).
    """
    data = np.asarray(image.data, dtype=np.float32)
    inside = data[data != data.min()]
    if inside.size == 0:
        return float(data.min()), float(data.min()) + 1
    low, high = np.percentile(inside[:: max(1, inside.size // 200_000)], (1, 99))
    # A flat foreground is shown bright, against its background.
    return (float(low), float(high)) if high > low else (float(data.min()), float(high))


def draw_slice(
    image: Image, index: int, plane: str = "axial", *, mask: Mask | None = None, alpha: float = 0.45
) -> Slice:
    """One slice with the mask's labels filled in colour and outlined.

    Args:
        image: grey, or colour in 8 bits; ``index`` counts its voxels in RAS order along the plane's normal.
        index: slice number, 0 at left, back or foot.
        plane: one of :data:`PLANES`.
        mask: on the image's grid.
        alpha: strength of the fill, 0 to 1; outlines are always solid.

    Raises:
        GeometryError: the mask lies on another grid.
        InputError: an unknown plane, or a slice outside the image.
    """
    if plane not in PLANES:
        raise InputError("The plane is not known.", expected=", ".join(PLANES), got=plane)
    ras = image.reorient("RAS")
    normal = NORMAL[plane]
    if not 0 <= index < ras.shape[normal]:
        raise InputError(
            f"The {plane} slice is outside the image.", expected=f"0 to {ras.shape[normal] - 1}", got=index
        )
    plane_data = _as_shown(np.take(ras.data, index, axis=normal), ras.geometry.spacing, normal, order=1)
    pixels = plane_data.astype(np.float32) if image.channels == 3 else _grey(plane_data, *window(image))
    if mask is not None:
        image.geometry.require_same_grid(mask.geometry, "The mask and the image under it")
        plane_labels = np.take(mask.reorient("RAS").data, index, axis=normal)
        labels = _as_shown(plane_labels, ras.geometry.spacing, normal, order=0)
        _paint(pixels, labels, alpha)
    centre = (np.asarray(ras.shape) - 1) / 2
    centre[normal] = index
    position = float(ras.geometry.to_world(centre)[normal])
    return Slice(pixels.round().astype(np.uint8), plane, position)


def _grey(plane: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    shade = np.clip((plane.astype(np.float32) - low) / (high - low), 0, 1) * 255
    return np.repeat(shade[..., None], 3, axis=-1)


def _as_shown(
    plane: NDArray[Any], spacing: tuple[float, float, float], normal: int, *, order: int
) -> NDArray[Any]:
    """A RAS plane, as rows from top to bottom and columns from left to right, with square pixels."""
    steps = [spacing[a] for a in range(3) if a != normal]
    finest = min(steps)
    if max(steps) > 1.01 * finest:
        from scipy.ndimage import zoom

        factors = [s / finest for s in steps] + [1.0] * (plane.ndim - 2)
        plane = zoom(plane, factors, order=order, mode="nearest", grid_mode=True)
    # Columns run along the first remaining axis; right (or front, in a sagittal slice) is shown left.
    return np.flip(np.swapaxes(plane, 0, 1), axis=(0, 1))


def _paint(pixels: NDArray[np.float32], labels: NDArray[Any], alpha: float) -> None:
    from scipy.ndimage import binary_erosion

    for value in np.unique(labels):
        if value == 0:
            continue
        here = labels == value
        colour = np.array(colour_of(int(value)), dtype=np.float32)
        edge = here & ~binary_erosion(here)
        pixels[here] = (1 - alpha) * pixels[here] + alpha * colour
        pixels[edge] = colour


def busiest_point(mask: Mask) -> dict[str, int]:
    """For each plane, the slice (in RAS order) that shows most of the mask; the middle one if it is empty."""
    ras = mask.reorient("RAS")
    here = ras.data != 0
    at = {}
    for plane, normal in NORMAL.items():
        counts = here.sum(axis=tuple(a for a in range(3) if a != normal))
        at[plane] = int(counts.argmax()) if counts.any() else ras.shape[normal] // 2
    return at


def label_colours(mask: Mask) -> Mapping[str, tuple[int, int, int]]:
    """Name → colour for the labels that are present."""
    return {mask.labels.get(v, f"label {v}"): colour_of(v) for v in mask.values()}
