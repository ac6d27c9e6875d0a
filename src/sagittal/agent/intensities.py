"""Library functions about how bright a mask is in a volume."""

from __future__ import annotations

from collections.abc import Callable

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.measuring import EMPTY, label_of, measured, method_at
from sagittal.answer import Measurement
from sagittal.measure.block import Block
from sagittal.measure.intensity import Intensity, intensity, relative_intensity, surroundings
from sagittal.study import Image, Mask

INTENSITIES = Library()


def _intensity(
    call: CallContext,
    image: Image,
    mask: Mask,
    name: str,
    method: str,
    pick: Callable[[Intensity], float | None],
) -> Measurement:
    # The kind belongs to the name, the file to the method: two visits stay comparable.
    block = call.block(mask)
    unit = "HU" if image.kind == "ct" and name != "signal-to-noise ratio" else ""
    found = None if block is None else intensity(image, block)
    value = None if found is None else pick(found)
    reason = None if value is not None else (EMPTY if found is None else found.undefined)
    method = method_at(f"{method} in {image.name or image.kind}", mask)
    return Measurement(f"{name} in {image.kind}", value, unit, label_of(mask), method, undefined=reason)


@INTENSITIES.function("number", "HU for CT")
def mean(call: CallContext, volume: Image, mask: Mask) -> Measurement:
    """Mean intensity of a volume inside a mask on its grid."""
    return _intensity(call, volume, mask, "mean intensity", "mean over the mask's voxels", lambda i: i.mean)


@INTENSITIES.function("number", "HU for CT")
def sd(call: CallContext, volume: Image, mask: Mask) -> Measurement:
    """Standard deviation of intensity of a volume inside a mask on its grid."""
    name, method = "standard deviation of intensity", "population's, over the mask's voxels"
    return _intensity(call, volume, mask, name, method, lambda i: i.sd)


@INTENSITIES.function("number", "HU for CT")
def median(call: CallContext, volume: Image, mask: Mask) -> Measurement:
    """Median intensity of a volume inside a mask on its grid."""
    return _intensity(call, volume, mask, "median intensity", "over the mask's voxels", lambda i: i.median)


@INTENSITIES.function("number", "HU for CT")
def lowest(call: CallContext, volume: Image, mask: Mask) -> Measurement:
    """Lowest intensity of a volume inside a mask on its grid."""
    return _intensity(call, volume, mask, "lowest intensity", "over the mask's voxels", lambda i: i.lowest)


@INTENSITIES.function("number", "HU for CT")
def highest(call: CallContext, volume: Image, mask: Mask) -> Measurement:
    """Highest intensity of a volume inside a mask on its grid."""
    return _intensity(call, volume, mask, "highest intensity", "over the mask's voxels", lambda i: i.highest)


@INTENSITIES.function("number")
def snr(call: CallContext, volume: Image, mask: Mask) -> Measurement:
    """Signal-to-noise ratio of a volume inside a mask on its grid: mean ÷ standard deviation."""
    name, method = "signal-to-noise ratio", "mean ÷ standard deviation, both over the mask's voxels"
    return _intensity(call, volume, mask, name, method, lambda i: i.snr)


@INTENSITIES.function("word")
def contrast(call: CallContext, volume: Image, mask: Mask, brain: Mask) -> Measurement:
    """Whether a mask is hyperintense, isointense or hypointense against the brain around it."""
    label = label_of(mask)

    def word(block: Block) -> str:
        shell = surroundings(mask, label, brain)
        around = call.block(shell)
        # An empty shell was refused already.
        assert around is not None
        return relative_intensity(volume, block, around, label_of(shell)).word

    method = f"mean against mean and sd of the shell around it, in {volume.name or volume.kind}"
    return measured(call, mask, f"contrast in {volume.kind}", "", method, word)
