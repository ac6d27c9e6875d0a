"""Library functions about how a lesion behaves: diffusion, contrast enhancement, course over time."""

from __future__ import annotations

from collections.abc import Callable

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.measuring import label_of
from sagittal.agent.values import Quantity
from sagittal.answer import Measurement
from sagittal.errors import InputError, NoSurroundingsError
from sagittal.measure import behaviour
from sagittal.study import Image, Mask

BEHAVIOUR = Library()


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
    return _of(mask, "diffusion", method, lambda of: behaviour.diffusion(dwi, adc, mask, of, brain))


@BEHAVIOUR.function("word")
def enhancement(call: CallContext, before: Image, after: Image, mask: Mask, brain: Mask) -> Measurement:
    """Whether a mask takes up contrast, from T1-weighted volumes before and after it."""
    _require("t1", before)
    _require("t1c", after)
    method = (
        f"{behaviour.ENHANCING_SHARE:.0%} of it rises by {behaviour.RISE:.0%} of the surroundings' median"
    )
    return _of(
        mask, "enhancement", method, lambda of: behaviour.enhancement(before, after, mask, of, brain).word
    )


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
