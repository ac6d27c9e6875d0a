"""From a scan as it came to what the networks see, and back (VoxelPrompt, §4.3).

The array is turned to RAS, cropped to 20 mm around the head, optionally brought to a working resolution,
and its intensities to [0, 1] by percentiles of the head's own voxels. The slice axis of a thick-slice scan
(ω > 2) is never resampled. What the networks draw goes back to the grid that the scan came on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sagittal.errors import InputError
from sagittal.geometry import Geometry, Triple
from sagittal.models.voxelprompt.head import Head, find_head, head_values
from sagittal.nn.grids import same_grid_groups
from sagittal.nn.spacing import Factors, SpacingPlan
from sagittal.study import Image, Mask

if TYPE_CHECKING:
    from torch import Tensor

# A resampling by less than this changes nothing that a network could see.
_NEARLY = 0.05


class PreparationConfig(BaseModel):
    """How scans are prepared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin_mm: float = Field(default=20.0, ge=0, description="kept around the head")
    tallest_mm: float = Field(
        default=190.0,
        gt=0,
        description="of the head, from its top: the cranial cavity lies within, the neck does not",
    )
    percentiles: tuple[float, float] = Field(
        default=(0.5, 99.5), description="of the head's voxels, that become 0 and 1"
    )
    ct_window: tuple[float, float] = Field(
        default=(-100.0, 200.0), description="Hounsfield units that become 0 and 1"
    )
    working_mm: float | None = Field(
        default=None,
        gt=0,
        description="in-plane spacing to which finer scans are resampled; None keeps their own",
    )


@dataclass(frozen=True, eq=False)
class Frame:
    """How a prepared volume lies in the scan that it came from.

    Attributes:
        source: grid of the scan as it came.
        start: first voxel of the crop, in the scan turned to RAS.
        cropped: grid of the crop.
        grid: grid of the prepared volume: the crop's, or a coarser one over the same box.
        factors: by how much ``grid`` is coarser on each axis.
    """

    source: Geometry
    start: Triple
    cropped: Geometry
    grid: Geometry
    factors: Factors

    @property
    def native(self) -> bool:
        """Whether no resampling took place."""
        return max(self.factors) == 1.0

    def to_grid(self, mask: Mask) -> NDArray[np.float32]:
        """(X, Y, Z) on ``grid``: the share of each voxel that a mask of the scan's grid fills.

        Any label counts.

        Raises:
            GeometryError: the mask lies on another grid.
        """
        turned = mask.reorient("RAS")
        turned.geometry.require_same_grid(self.source.reoriented("RAS")[0], "A target and its scan")
        stop = [a + n for a, n in zip(self.start, self.cropped.shape, strict=True)]
        part = turned.crop(self.start, stop)
        binary = np.ascontiguousarray(part.data != 0).astype(np.float32)
        if self.native:
            return binary
        return Image(binary, self.cropped).resample_to(self.grid).data

    def restore(self, logits: Tensor, label: str, *, name: str = "", session: str = "") -> Mask:
        """A mask on the scan's own grid, from logits on ``grid``.

        Logits of a coarser grid are interpolated, then cut at probability ½; outside the crop is background.

        Args:
            logits: (X, Y, Z) on ``grid``.
            label: name of the mask's one label.
            name, session: of the mask.
        """
        from sagittal.nn.native import upsample

        if not self.native:
            logits = upsample(logits[None, None].float(), self.factors, self.cropped.shape)[0, 0]
        inside = (logits > 0).cpu().numpy().view(np.uint8)
        whole, _, _ = self.source.reoriented("RAS")
        data = np.zeros(whole.shape, np.uint8)
        data[tuple(slice(a, a + n) for a, n in zip(self.start, inside.shape, strict=True))] = inside
        turned = Mask(data, whole, {1: label}, name, session).reorient(self.source.orientation)
        return Mask(np.ascontiguousarray(turned.data), self.source, {1: label}, name, session)


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """A volume that the networks can take.

    Attributes:
        image: the scan that it was made from.
        frame: where it lies.
        data: (X, Y, Z) float32 in [0, 1] on ``frame.grid``.
    """

    image: Image
    frame: Frame
    data: NDArray[np.float32]


def prepare(images: Sequence[Image], config: PreparationConfig | None = None) -> list[PreparedVolume]:
    """Prepare the volumes of a study together: those on one grid keep one grid.

    Args:
        images: volumes of one channel with a known spacing.
        config: how; the paper's when ``None``.

    Raises:
        InputError: a colour image, or one that holds nothing.
        SpacingUnknownError: an image does not state its spacing.
    """
    config = config or PreparationConfig()
    for image in images:
        image.geometry.require_spacing("Preparing a scan")
        if image.channels != 1:
            raise InputError("A volume has one channel.", got=f"{image.channels} in {image.name}")
    turned = [image.reorient("RAS") for image in images]
    heads = [find_head(image) for image in turned]
    prepared: dict[int, PreparedVolume] = {}
    for group in same_grid_groups([image.geometry for image in turned]):
        start, stop = _box(turned[group[0]].geometry, [heads[i] for i in group], config)
        for i in group:
            frame = _frame(images[i].geometry, turned[group[0]].geometry, start, stop, config)
            prepared[i] = PreparedVolume(images[i], frame, _volume(turned[i], heads[i], frame, config))
    return [prepared[i] for i in range(len(images))]


def _box(geometry: Geometry, heads: Sequence[Head], config: PreparationConfig) -> tuple[Triple, Triple]:
    """The box around all heads of a grid, without necks, with its margin, inside the grid."""
    margin = np.ceil(config.margin_mm / np.asarray(geometry.spacing) - 1e-6).astype(int)
    start = np.maximum(np.min([h.start for h in heads], axis=0) - margin, 0)
    stop = np.minimum(np.max([h.stop for h in heads], axis=0) + margin, geometry.shape)
    tallest = math.ceil((config.tallest_mm + config.margin_mm) / geometry.spacing[2])
    start[2] = max(start[2], stop[2] - tallest)
    a, b, c = (int(v) for v in start)
    d, e, f = (int(v) for v in stop)
    return (a, b, c), (d, e, f)


def _frame(
    source: Geometry, turned: Geometry, start: Triple, stop: Triple, config: PreparationConfig
) -> Frame:
    cropped = turned.cropped(start, stop)
    spacing, axis = np.asarray(cropped.spacing), cropped.slice_axis
    factors = np.ones(3) if config.working_mm is None else np.maximum(config.working_mm / spacing, 1)
    # What is nearly whole is whole: spacings come from affines in single precision.
    factors = np.where(np.abs(factors - factors.round()) < _NEARLY, factors.round(), factors)
    if SpacingPlan.of(cropped, 1).levels[0].flat_axis is not None:
        factors[axis] = 1
    x, y, z = (float(f) for f in factors)
    if (x, y, z) == (1.0, 1.0, 1.0):
        return Frame(source, start, cropped, cropped, (x, y, z))
    coarse = cropped.with_spacing((spacing * factors).tolist())
    grid = Geometry(coarse.shape, coarse.affine, slice_axis=axis)
    return Frame(source, start, cropped, grid, (x, y, z))


def _volume(image: Image, head: Head, frame: Frame, config: PreparationConfig) -> NDArray[np.float32]:
    """Intensities in [0, 1]: only voxels inside the head decide what 0 and 1 are."""
    if image.kind == "ct":
        low, high = config.ct_window
    else:
        low, high = (float(v) for v in np.percentile(head_values(image, head), config.percentiles))
    stop = [a + n for a, n in zip(frame.start, frame.cropped.shape, strict=True)]
    part = image.crop(frame.start, stop)
    values = np.nan_to_num(np.asarray(part.data, np.float32), nan=low, posinf=high, neginf=low)
    scaled = np.clip((values - low) / (high - low if high > low else 1.0), 0, 1)
    if head.stripped:
        # The background of a stripped scan is nothing, wherever its zero lies among the intensities.
        scaled[part.data == 0] = 0
    if frame.native:
        return np.ascontiguousarray(scaled, np.float32)
    resampled = Image(scaled.astype(np.float32), frame.cropped).resample_to(frame.grid).data
    return np.clip(resampled, 0, 1)
