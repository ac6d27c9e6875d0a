"""Library functions about how a lesion behaves: diffusion, contrast enhancement, course over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.measuring import label_of, measured
from sagittal.agent.values import Quantity
from sagittal.answer import Measurement
from sagittal.errors import InputError, NoSurroundingsError
from sagittal.measure import behaviour
from sagittal.measure.block import Block
from sagittal.measure.intensity import values_in
from sagittal.resampling import resample
from sagittal.study import Image, Mask

BEHAVIOUR = Library()

_DAYS_A_MONTH = 30.44


def _of(mask: Mask, name: str, method: str, judge: Callable[[str], str]) -> Measurement:
    of = label_of(mask)
    if not mask.data.any():
        return Measurement(name, None, "", of, method, undefined="the mask is empty")
    try:
        return Measurement(name, judge(of), "", of, method)
    except NoSurroundingsError as error:
        return Measurement(name, None, "", of, method, undefined=error.message)


@BEHAVIOUR.function("word")
def diffusion(call: CallContext, dwi: Image, adc: Image, mask: Mask, brain: Mask) -> Measurement:
    """Whether a mask restricts diffusion: restricted, shine-through or not restricted."""
    _require("dwi", dwi)
    _require("adc", adc)
    method = "hyperintense on DWI, ADC below the median of the surroundings"
    first, second = _beside(dwi, mask), _beside(adc, mask)
    return _of(mask, "diffusion", method, lambda of: behaviour.diffusion(first, second, mask, of, brain))


@BEHAVIOUR.function("word")
def enhancement(call: CallContext, before: Image, after: Image, mask: Mask, brain: Mask) -> Measurement:
    """Whether a mask takes up contrast, from T1-weighted volumes before and after it."""
    _require("t1", before)
    _require("t1c", after)
    method = (
        f"{behaviour.ENHANCING_SHARE:.0%} of it rises by {behaviour.RISE:.0%} of the surroundings' median"
    )
    pre, post = _beside(before, mask), _beside(after, mask)
    return _of(mask, "enhancement", method, lambda of: behaviour.enhancement(pre, post, mask, of, brain).word)


def _beside(volume: Image, mask: Mask) -> Image:
    """A volume on the grid of a mask: as it is where that is its own, else interpolated linearly.

    Two images of one visit may lie on two grids: thick slices beside a 3D scan.
    """
    if mask.reorient(volume.geometry.orientation).geometry.same_grid(volume.geometry):
        return volume
    data = resample(volume.data, volume.geometry, mask.geometry, order=1)
    return replace(volume, data=data, geometry=mask.geometry)


def _require(kind: str, volume: Image) -> None:
    if volume.kind != kind:
        raise InputError("This needs another sequence.", expected=kind, got=volume.kind)


@BEHAVIOUR.function("word")
def course(call: CallContext, before: Quantity, after: Quantity) -> Measurement:
    """How a volume went between two visits: growing, shrinking, stable, new, vanished or absent."""
    if before.unit != "mL" or after.unit != "mL" or before.of != after.of:
        raise InputError(
            "A course is of two volumes of one thing.",
            expected="two volumes in mL",
            got=f"{before} of {before.of or 'nothing'} and {after} of {after.of or 'nothing'}",
        )
    method = f"stable within {behaviour.STABLE_PERCENT:g} %"
    reason = before.undefined or after.undefined
    word = None
    if before.value is not None and after.value is not None:
        word = behaviour.course(before.value, after.value)
    return Measurement("course", word, "", before.of, method, undefined=reason)


@BEHAVIOUR.function("number", "day")
def days(call: CallContext, before: Image, after: Image) -> Measurement:
    """Days between the visits of two volumes."""
    start, end = before.acquired, after.acquired
    if start is not None and end is not None and end < start:
        raise InputError("The later visit lies before the earlier one.", expected=f"from {start}", got=end)
    known = start is not None and end is not None
    return Measurement(
        "time between visits",
        (end - start).days if start is not None and end is not None else None,
        "day",
        "",
        "dates of acquisition",
        undefined=None if known else "a date is not known",
    )


@BEHAVIOUR.function("number", "mL/month")
def growth_rate(call: CallContext, before: Quantity, after: Quantity, days: Quantity) -> Measurement:
    """Growth of a volume per month of 30.44 days; undefined where a date is not known."""
    if before.unit != "mL" or after.unit != "mL" or before.of != after.of or days.unit != "day":
        raise InputError(
            "A growth rate is of two volumes of one thing and of the days between them.",
            expected="two volumes in mL, then days",
            got=f"{before} of {before.of or 'nothing'}, {after} of {after.of or 'nothing'}, {days}",
        )
    reason = before.undefined or after.undefined or days.undefined
    rate = None
    if before.value is not None and after.value is not None and days.value is not None:
        rate = _DAYS_A_MONTH * (after.value - before.value) / days.value if days.value else None
        reason = None if days.value else "both visits are on one day"
    method = f"(later − earlier) ÷ days × {_DAYS_A_MONTH:g}"
    return Measurement("growth rate", rate, "mL/month", before.of, method, undefined=reason)


@BEHAVIOUR.function("number", "×10⁻³ mm²/s")
def diffusivity(call: CallContext, adc: Image, mask: Mask) -> Measurement:
    """Mean apparent diffusion coefficient inside a mask; undefined where the map's unit cannot be told."""
    _require("adc", adc)
    scale = behaviour.adc_scale(adc)

    def mean(block: Block) -> float | None:
        return None if scale is None else float(values_in(adc, block).mean()) * scale

    return measured(
        call, mask, "mean ADC", "×10⁻³ mm²/s", f"mean over the mask's voxels in {adc.name or adc.kind}", mean,
        "the unit of the map cannot be told from its values",
    )  # fmt: skip
