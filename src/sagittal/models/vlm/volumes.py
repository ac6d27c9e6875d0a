"""From scans as they came to the volumes that an encoder of fixed size takes.

All images of a study are sampled on one grid: a box of fixed size around the brain, in world space, whatever
the order of the scans' axes, their spacing or their grids. So the sequences stay registered to each other,
and a millimetre is as long in every study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.measure.brain import BORDER_SHARE, nonzero, not_stripped
from sagittal.study import Image

#: Share of the brain's voxels that may lie beyond each face of the box that is found around it.
_STRAY = 0.001


class VolumeConfig(BaseModel):
    """How volumes are prepared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    box_mm: tuple[float, float, float] = Field(
        default=(176.0, 200.0, 176.0), description="towards right, front and head; around the brain's middle"
    )
    percentiles: tuple[float, float] = Field(
        default=(0.5, 99.5), description="of the brain's voxels, that become ``darkest`` and 1"
    )
    darkest: float = Field(
        default=0.1, ge=0, lt=1, description="value of the brain's darkest voxels; what is no brain is 0"
    )


@dataclass(frozen=True, eq=False)
class PreparedVolumes:
    """The images of a study, ready for an encoder.

    Attributes:
        data: (M, D, H, W) float32 in [0, 1]: slices from the feet up, rows from back to front, columns from
            left to right.
        grid: of each of them, with axes right, front, head (W, H, D).
    """

    data: NDArray[np.float32]
    grid: Geometry


def prepare_volumes(
    images: Sequence[Image], size: tuple[int, int, int], config: VolumeConfig | None = None
) -> PreparedVolumes:
    """Sample skull-stripped scans of one head on an encoder's grid.

    Args:
        images: at least one; on any grids of one world space.
        size: (D, H, W) of the encoder.
        config: how.

    Raises:
        InputError: no image, one that is flat, in colour or not skull-stripped.
        SpacingUnknownError: an image does not state its spacing.
    """
    config = config or VolumeConfig()
    if not images:
        raise InputError("There is no image to look at.", expected="at least one scan of the head")
    inside = [brain_of(image) for image in images]
    grid = _grid(images[0], inside[0], size, config)
    data = np.zeros((len(images), *size), np.float32)
    for number, (image, brain) in enumerate(zip(images, inside, strict=True)):
        scaled = Image(_scaled(image.data, brain, config), image.geometry, image.kind, image.name)
        data[number] = scaled.resample_to(grid).data.transpose(2, 1, 0)
    return PreparedVolumes(data.clip(0, 1), grid)


def brain_of(image: Image) -> NDArray[np.bool_]:
    """Voxels of the brain of a skull-stripped scan.

    Raises:
        InputError: it shows anything else, or is no volume of one channel.
        SpacingUnknownError: it does not state its spacing.
    """
    image.geometry.require_spacing("Preparing a scan")
    if image.channels != 1 or image.geometry.is_2d:
        raise InputError(
            "A volume of one channel is needed.",
            expected="a scan of several slices",
            got=f"{image.name or image.kind}: {image.data.shape}",
        )
    brain = nonzero(image) & (image.data != _background(image))
    why_not = not_stripped(image, brain)
    if why_not is not None:
        raise InputError(
            f"{image.name or image.kind} does not show the brain alone.",
            expected="a skull-stripped scan: everything but the brain is 0",
            got=why_not,
            remedy="extract the brain first (deepbet, HD-BET, SynthStrip)",
        )
    return brain


def _background(image: Image) -> float:
    """What surrounds the brain: 0, or the one value that a normalised scan has all around."""
    faces = [image.data.take(end, axis).ravel() for axis in range(3) for end in (0, -1)]
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    most = int(counts.argmax())
    return float(values[most]) if counts[most] >= (1 - BORDER_SHARE) * counts.sum() else 0.0


def _grid(
    image: Image, brain: NDArray[np.bool_], size: tuple[int, int, int], config: VolumeConfig
) -> Geometry:
    """A box of fixed size around the brain's middle, with axes right, front, head."""
    matrix = image.geometry.affine
    middle = np.zeros(3)
    for axis in range(3):
        count = np.count_nonzero(brain, axis=tuple(a for a in range(3) if a != axis))
        reached = np.cumsum(count) / count.sum()
        first, last = np.searchsorted(reached, [_STRAY, 1 - _STRAY])
        middle[axis] = (first + last) / 2
    centre = matrix[:3, :3] @ middle + matrix[:3, 3]
    shape = (size[2], size[1], size[0])
    spacing = np.array(config.box_mm) / shape
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = centre - spacing * (np.array(shape) - 1) / 2
    return Geometry(shape, affine)


def _scaled(data: NDArray[np.generic], brain: NDArray[np.bool_], config: VolumeConfig) -> NDArray[np.float32]:
    values = data[brain].astype(np.float32)
    low, high = np.percentile(values, config.percentiles)
    out = np.zeros(data.shape, np.float32)
    share = np.clip((values - low) / max(float(high - low), 1e-12), 0, 1)
    out[brain] = config.darkest + (1 - config.darkest) * share
    return out
