"""The images of a study as the channels of one array, on the grid of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.resampling import resample
from sagittal.study import Image

# Of the first image's box, so much lies in another one that shows the same place.
_LEAST_COVERED = 0.5


def why_not(images: Sequence[Image], *, resampled: bool) -> str | None:
    """Why images cannot be the channels of one array; ``None`` when they can.

    Args:
        images: of one visit.
        resampled: whether one on another grid may be resampled onto the first.
    """
    first = images[0]
    for image in images:
        name, other = image.name or image.kind, first.name or first.kind
        if image.channels != 1:
            return f"{name} has colours"
        if not image.geometry.spacing_known:
            return f"{name} does not state its spacing"
        if _turned(image, first).geometry.same_grid(first.geometry):
            continue
        if not resampled:
            return f"{name} lies on another grid than {other}; resample one onto the other"
        if _covered(first, image) < _LEAST_COVERED:
            return f"{name} shows another place than {other}"
    return None


def as_channels(images: Sequence[Image], order: Sequence[int]) -> NDArray[np.float32]:
    """(C, X, Y, Z) on the first image's grid, linearly resampled where a grid is another one.

    Args:
        images: of one visit.
        order: the image of each channel.

    Raises:
        InputError: a value is no number, or there is nothing but 0.
    """
    stacked = np.stack([_on_grid(images[number], images[0]) for number in order])
    stacked = stacked.astype(np.float32, copy=False)
    if not np.isfinite(stacked).all():
        raise InputError("A scan holds values that are no numbers.", got=", ".join(i.name for i in images))
    if not stacked.any():
        raise InputError("The scan is empty: every voxel is 0.", got=", ".join(i.name for i in images))
    return stacked


def _turned(image: Image, first: Image) -> Image:
    """The same voxels with axes as the first image's."""
    return image.reorient(first.geometry.orientation)


def _on_grid(image: Image, first: Image) -> NDArray[Any]:
    turned = _turned(image, first)
    if turned.geometry.same_grid(first.geometry):
        return turned.data
    return resample(image.data, image.geometry, first.geometry, order=1)


def _covered(first: Image, other: Image) -> float:
    """How much of the first image's box the other one covers, of a lattice of points."""
    steps = [np.linspace(0, n - 1, 9) for n in first.shape]
    points = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1)
    place = other.geometry.to_voxel(first.geometry.to_world(points))
    inside = (place >= -0.5) & (place <= np.array(other.shape) - 0.5)
    return float(inside.all(axis=-1).mean())
