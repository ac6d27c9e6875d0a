"""How a lesion behaves from one image to another: diffusion (DWI and ADC), contrast enhancement, growth.

Each is a rule over intensities or volumes, not a network: VoxelPrompt's agent composes them in programs
(§4.1, lesion characterisation). Thresholds are ours; ``docs/decisions.md`` says where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.measure.block import block_of
from sagittal.measure.intensity import relative_intensity, surroundings, values_in
from sagittal.study import Image, Mask

Diffusion = Literal["restricted", "shine-through", "not restricted"]
Uptake = Literal["enhancing", "not enhancing"]
Course = Literal["growing", "shrinking", "stable", "new", "vanished", "absent"]

#: A voxel takes up contrast when its signal, relative to the surroundings' median, rises by so much.
RISE = 0.25
#: A lesion enhances when at least this share of it does.
ENHANCING_SHARE = 0.2
#: A volume is stable while it changes by less than this, in percent of the earlier.
STABLE_PERCENT = 15.0
#: Multiples of 10⁻³ mm²/s in which maps of ADC are stored.
ADC_SCALES = (1.0, 1e-3, 1e3)
#: Median ADC of a head, 10⁻³ mm²/s: between dense tissue and free water at body temperature.
_LEAST_ADC, _MOST_ADC = 0.2, 3.2


@dataclass(frozen=True)
class Enhancement:
    """Uptake of contrast.

    Attributes:
        rise: mean rise of the signal, as a share of the surroundings' median.
        share: of the lesion's voxels that rise by :data:`RISE` or more.
        word: by :data:`ENHANCING_SHARE`.
    """

    rise: float
    share: float
    word: Uptake


def diffusion(dwi: Image, adc: Image, mask: Mask, name: str, brain: Mask | None = None) -> Diffusion:
    """Whether a lesion restricts diffusion.

    Hyperintense on DWI against its surroundings, with a mean ADC below their median, is *restricted*;
    hyperintense on DWI with a higher ADC is *shine-through* of T2.

    Raises:
        GeometryError: images and mask lie on different grids.
        NoSurroundingsError: the lesion has no surroundings.
        LabelError: the mask has no voxel of the label.
    """
    shell = surroundings(mask, name, brain)
    [around] = shell.labels.values()
    lesion, reference = block_of(mask, name), block_of(shell, around)
    if relative_intensity(dwi, lesion, reference, around).word != "hyperintense":
        return "not restricted"
    # Not by standard deviations: fluid among the surroundings makes those of ADC very wide.
    low = values_in(adc, lesion).mean() < np.median(values_in(adc, reference))
    return "restricted" if low else "shine-through"


def adc_scale(adc: Image) -> float | None:
    """What a map's values are to be multiplied with to be in 10⁻³ mm²/s.

    Files do not say it, but living tissue leaves no choice: scales differ by a thousand, tissues by ten.

    Returns:
        One of :data:`ADC_SCALES`, or ``None`` where the map's median fits none of them (a picture of a map,
        for instance, stretched to 0–255).
    """
    values = adc.data[np.isfinite(adc.data) & (adc.data > 0)]
    if not values.size:
        return None
    typical = float(np.median(values))
    return next((s for s in ADC_SCALES if _LEAST_ADC <= typical * s <= _MOST_ADC), None)


def enhancement(pre: Image, post: Image, mask: Mask, name: str, brain: Mask | None = None) -> Enhancement:
    """Whether a lesion takes up contrast, from T1-weighted images before and after it.

    Each image is taken relative to the median of the lesion's surroundings, so that two exposures compare.

    Raises:
        GeometryError: images and mask lie on different grids.
        InputError: its surroundings have no signal.
        NoSurroundingsError: it has none.
        LabelError: the mask has no voxel of the label.
    """
    shell = surroundings(mask, name, brain)
    [around] = shell.labels.values()
    lesion, reference = block_of(mask, name), block_of(shell, around)
    before, after = (_relative(values_in(i, lesion), values_in(i, reference), i) for i in (pre, post))
    rises = after - before
    share = float((rises >= RISE).mean())
    return Enhancement(
        float(rises.mean()), share, "enhancing" if share >= ENHANCING_SHARE else "not enhancing"
    )


def _relative(
    values: NDArray[np.float64], reference: NDArray[np.float64], image: Image
) -> NDArray[np.float64]:
    level = float(np.median(reference))
    if level <= 0:
        raise InputError(
            "The surroundings of the lesion have no signal to compare with.",
            expected="a positive median",
            got=f"{level:g} in {image.name or image.kind}",
        )
    return values / level


def course(before: float, after: float) -> Course:
    """How a volume went from one visit to the next.

    Args:
        before, after: in one unit, not negative.
    """
    if before == 0 or after == 0:
        return "absent" if before == after else "new" if before == 0 else "vanished"
    percent = 100 * (after - before) / before
    if abs(percent) < STABLE_PERCENT:
        return "stable"
    return "growing" if percent > 0 else "shrinking"
