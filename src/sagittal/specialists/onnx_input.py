"""Images as an ONNX network takes them, and its probabilities back on their grid.

A picture is brought to size by Pillow, in 8 bits where the network takes these, as most programs do that such
networks were trained with. A volume is resampled by :mod:`sagittal.resampling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.draw.slices import in_eight_bits, shown_picture, whole_mask
from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.resampling import resample
from sagittal.specialists.onnx_settings import BACKGROUND, OnnxSettings
from sagittal.study import Image, Mask

_ORDER = {"nearest": 0, "linear": 1, "cubic": 3}
_SHADES = 255


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """What a network takes.

    Attributes:
        values: float32, in the layout of the settings.
        grid: where its voxels lie; of a picture, (columns, rows, 1) as it is shown.
    """

    values: NDArray[np.float32]
    grid: Geometry


def network_input(images: Sequence[Image], settings: OnnxSettings) -> NetworkInput:
    """Images as the network takes them.

    Args:
        images: in the card's order; a picture alone.
        settings: the network's.

    Raises:
        InputError: an image cannot be taken: colours in a volume, values that are no numbers, the same
            everywhere.
        SpacingUnknownError: a volume does not state its spacing, and the network wants one.
    """
    for image in images:
        _require_contrast(image)
    if settings.is_flat:
        [image] = images
        shown = shown_picture(image)
        height, width = settings.size
        channels, grid = _picture(shown, settings), shown.geometry.with_shape((width, height, 1))
    else:
        grid = network_grid(images[0].geometry, settings)
        channels = np.stack([_volume(image, grid, settings) for image in images])
    shape = (-1, *(1 for _ in settings.size))
    mean, std = (np.asarray(n, np.float32).reshape(shape) for n in (settings.mean, settings.std))
    values = np.moveaxis((channels - mean) / std, 0, settings.channel_axis - 1)
    return NetworkInput(np.ascontiguousarray(values[None], np.float32), grid)


def network_grid(own: Geometry, settings: OnnxSettings) -> Geometry:
    """The grid on which a network sees a volume that lies on ``own``."""
    upright, _, _ = own.reoriented(settings.orientation)
    if settings.spacing is None:
        return upright.with_shape(settings.size)
    own.require_spacing("The network's view")
    affine = np.eye(4)
    affine[:3, :3] = upright.affine[:3, :3] * (np.array(settings.spacing) / upright.spacing)
    middle = upright.to_world((np.array(upright.shape) - 1) / 2)
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(settings.size) - 1) / 2)
    columns, rows, slices = settings.size
    return Geometry((columns, rows, slices), affine)


def _require_contrast(image: Image) -> None:
    low, high = float(np.min(image.data)), float(np.max(image.data))
    name = image.name or image.kind
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError("The image holds values that are no numbers.", got=f"{name}: {low} to {high}")
    if low == high:
        raise InputError("The image is the same everywhere; there is nothing to see.", got=f"{name}: {low}")


def _picture(shown: Image, settings: OnnxSettings) -> NDArray[np.float32]:
    """(channels, rows, columns) of a picture."""
    if settings.values == "unit":
        shown = in_eight_bits(shown)
    pixels = shown.data[:, :, 0]
    planes = [pixels] if pixels.ndim == 2 else list(np.moveaxis(pixels, -1, 0))
    if len(planes) not in (1, 3):
        raise InputError("A picture is grey or of three colours.", got=f"{len(planes)} channels")
    if len(planes) > settings.channels:
        mean = np.mean(planes, axis=0, dtype=np.float32)
        planes = [np.rint(mean).astype(np.uint8) if settings.values == "unit" else mean]
    values = np.stack([_resized(plane.T, settings) for plane in planes])
    if settings.values == "z-score":
        values = _standardised(values)
    return np.broadcast_to(values, (settings.channels, *values.shape[1:]))


def _resized(rows: NDArray[Any], settings: OnnxSettings) -> NDArray[np.float32]:
    """One channel at the network's size, (rows, columns)."""
    from PIL import Image as Pictures

    ways = {"nearest": Pictures.Resampling.NEAREST, "linear": Pictures.Resampling.BILINEAR,
            "cubic": Pictures.Resampling.BICUBIC}  # fmt: skip
    height, width = settings.size
    whole = settings.values == "unit"
    picture = Pictures.fromarray(np.ascontiguousarray(rows, np.uint8 if whole else np.float32))
    sized = np.asarray(picture.resize((width, height), ways[settings.resize]), np.float32)
    return sized / np.float32(_SHADES) if whole else sized


def _volume(image: Image, grid: Geometry, settings: OnnxSettings) -> NDArray[np.float32]:
    """One channel of a volume on the network's grid; beyond the scan it is as dark as its darkest voxel."""
    if image.channels != 1:
        raise InputError("A volume has one channel.", got=f"{image.channels} in {image.name or image.kind}")
    values = np.asarray(in_eight_bits(image).data if settings.values == "unit" else image.data, np.float32)
    if settings.values == "unit":
        values = values / np.float32(_SHADES)
    elif settings.values == "z-score":
        values = _standardised(values)
    order, darkest = _ORDER[settings.resize], float(values.min())
    return np.asarray(resample(values, image.geometry, grid, order=order, fill=darkest), np.float32)


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean 0 and deviation 1 over all of it."""
    wide = values.astype(np.float64)
    made: NDArray[np.float32] = ((wide - wide.mean()) / wide.std()).astype(np.float32)
    return made


def network_mask(
    probabilities: NDArray[np.float32], grid: Geometry, image: Image, settings: OnnxSettings, source: str
) -> Mask:
    """The likeliest label of each voxel of an image.

    Probabilities are brought to the image's voxels linearly before they are compared, so that outlines do not
    show the network's grid. Where it did not look there is nothing.

    Args:
        probabilities: one of each output, (outputs, rows, columns) or (outputs, x, y, z) on ``grid``.
        grid: of the network.
        image: that was looked at; of several, the first.
        settings: the network's.
        source: who drew it.
    """
    if settings.is_flat:
        target = shown_picture(image).geometry
        probabilities = np.swapaxes(probabilities, 1, 2)[..., None]
    else:
        target = image.geometry
    drawn = np.zeros(target.shape, np.uint8)
    # Without a background, a label is drawn from the threshold on, that included.
    least = 0 if BACKGROUND in settings.outputs else np.nextafter(np.float32(settings.threshold), 0)
    best = np.full(target.shape, least, np.float32)
    for value, (name, own) in enumerate(zip(settings.outputs, probabilities, strict=True), 1):
        nothing = name == BACKGROUND
        here = resample(own, grid, target, order=1, fill=1 if nothing else 0)
        better = here > best
        drawn[better], best[better] = 0 if nothing else value, here[better]
    labels = {value: name for value, name in enumerate(settings.outputs, 1) if name != BACKGROUND}
    if settings.is_flat:
        return whole_mask(drawn[:, :, 0], image, labels, source)
    return Mask(drawn, target, labels, source, image.session)
