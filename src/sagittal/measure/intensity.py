"""How bright a label is in an image: mean, spread, signal-to-noise ratio, contrast to its surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import GeometryError, InputError, NoSurroundingsError
from sagittal.measure.block import Block, block_of, on_grid_of, ras_view, turned_to_ras
from sagittal.study import Image, Mask

#: Difference to the surroundings, in their standard deviations, from which a label is hyper- or hypointense.
CONTRAST_SD = 1.0
#: Width of the shell that counts as a label's surroundings.
SHELL_MM = 5.0

Contrast = Literal["hyperintense", "isointense", "hypointense"]


@dataclass(frozen=True)
class Intensity:
    """Intensities of one label in one image.

    Attributes:
        mean, sd, median, lowest, highest: over the label's voxels; the standard deviation is the
            population's (÷ n).
        snr: signal-to-noise ratio, mean ÷ sd, both inside the label; ``None`` where sd is 0.
        undefined: why ``snr`` is ``None``.
    """

    mean: float
    sd: float
    median: float
    lowest: float
    highest: float
    snr: float | None
    undefined: str | None


@dataclass(frozen=True)
class RelativeIntensity:
    """A label's brightness against another place.

    Attributes:
        mean, reference_mean, reference_sd: inside the label, and inside the reference.
        difference_sd: (mean − reference_mean) ÷ reference_sd; ``None`` where that is 0.
        word: hyperintense from +``threshold_sd``, hypointense to −``threshold_sd``, else isointense.
        threshold_sd: where one word ends.
        reference: what the label was compared with.
    """

    mean: float
    reference_mean: float
    reference_sd: float
    difference_sd: float | None
    word: Contrast
    threshold_sd: float
    reference: str


def values_in(image: Image, block: Block) -> NDArray[np.float64]:
    """(n,) float64 intensities of a label's voxels.

    The image may store its axes in another order than the mask; it must be the same grid.

    Raises:
        GeometryError: the image lies on another grid.
        InputError: a colour image, or values that are not finite.
    """
    if image.channels != 1:
        raise InputError("Intensities are measured in grey images.", got=f"{image.name}: colour")
    grid = turned_to_ras(image.geometry)[0]
    if not grid.same_grid(turned_to_ras(block.source)[0]):
        raise GeometryError(
            "An intensity is measured on the label's own grid.",
            expected=block.source.describe(),
            got=f"{image.name}: {image.geometry.describe()}",
            remedy="resample one onto the other (--resample)",
        )
    start = np.rint(grid.to_voxel(block.geometry.to_world((0, 0, 0)))).astype(int)
    box = tuple(slice(int(a), int(a) + n) for a, n in zip(start, block.inside.shape, strict=True))
    # In double precision from here on: a mean far from 0 must not cost the deviation its digits.
    values = ras_view(image.data, image.geometry)[box][block.inside].astype(np.float64)
    strange = int(np.count_nonzero(~np.isfinite(values)))
    if strange:
        raise InputError(
            "Some of the label's voxels have no finite intensity.",
            got=f"{image.name}: {strange} of {values.size} are NaN or infinite",
        )
    return values


def intensity(image: Image, block: Block) -> Intensity:
    """Mean, standard deviation, median and signal-to-noise ratio of a label.

    Raises:
        GeometryError, InputError: as for :func:`values_in`.
    """
    values = values_in(image, block)
    mean, sd = _mean_sd(values)
    snr = mean / sd if sd > 0 else None
    reason = None if sd > 0 else "all voxels have the same intensity"
    return Intensity(
        mean, sd, float(np.median(values)), float(values.min()), float(values.max()), snr, reason
    )


def surroundings(mask: Mask, name: str, brain: Mask | None = None, shell_mm: float = SHELL_MM) -> Mask:
    """The shell around a label: voxels within ``shell_mm`` of it, inside the brain, of no label.

    Distances run between voxel centres; those of other labels in the mask are left out, so that
    oedema is not the surroundings of the tumour inside it.

    Raises:
        NoSurroundingsError: the shell is empty.
        SpacingUnknownError: the grid has no spacing.
    """
    from scipy.ndimage import distance_transform_edt

    mask.geometry.require_spacing("A shell")
    block = block_of(mask, name)
    start, stop = shell_box(block, shell_mm)
    near = mask.crop(start, stop)
    away = distance_transform_edt(near.data != mask.value_of(name), sampling=mask.geometry.spacing)
    shell = (away <= shell_mm) & (near.data == 0)
    if brain is not None:
        shell &= on_grid_of(brain, mask.geometry, "The brain mask").crop(start, stop).data != 0
    if not shell.any():
        raise NoSurroundingsError(
            f"{name} has no surroundings to compare it with.",
            expected=f"voxels within {shell_mm:g} mm, inside the brain, that no label holds",
            remedy="widen the shell, or compare with a named structure",
        )
    out = np.zeros(mask.shape, dtype=np.uint8)
    out[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = shell
    return Mask(out, mask.geometry, {1: f"{shell_mm:g} mm around {name}"}, mask.name, mask.session)


def shell_box(block: Block, shell_mm: float = SHELL_MM) -> tuple[list[int], list[int]]:
    """First and last index + 1, on a label's source grid, of its box with room for a shell.

    Raises:
        SpacingUnknownError: the grid has no spacing.
    """
    grid = block.source
    grid.require_spacing("A shell")
    margin = [math.ceil(shell_mm / step) + 1 for step in grid.spacing]
    start = [max(0, a - m) for a, m in zip(block.start, margin, strict=True)]
    stop = [min(n, b + m) for n, b, m in zip(grid.shape, block.stop, margin, strict=True)]
    return start, stop


def relative_intensity(
    image: Image, label: Block, reference: Block, called: str, threshold_sd: float = CONTRAST_SD
) -> RelativeIntensity:
    """Whether a label is brighter or darker than a reference (its surroundings, another structure).

    Raises:
        GeometryError, InputError: as for :func:`values_in`.
    """
    mean, _ = _mean_sd(values_in(image, label))
    reference_mean, sd = _mean_sd(values_in(image, reference))
    apart = mean - reference_mean
    difference = apart / sd if sd > 0 else None
    # Against a constant reference any difference is clear.
    scaled = difference if difference is not None else math.copysign(math.inf, apart) if apart else 0.0
    word: Contrast = "isointense"
    if scaled >= threshold_sd:
        word = "hyperintense"
    elif scaled <= -threshold_sd:
        word = "hypointense"
    return RelativeIntensity(mean, reference_mean, sd, difference, word, threshold_sd, called)


def _mean_sd(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.mean()), float(values.std())
