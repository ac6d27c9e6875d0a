"""Library functions that measure: each hands its work to :mod:`sagittal.measure`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.values import Quantity
from sagittal.answer import Measurement
from sagittal.errors import InputError
from sagittal.measure.asymmetry import asymmetry_index, brain_plane, sidedness
from sagittal.measure.block import Block
from sagittal.measure.brain import find_brain, percent_of_brain
from sagittal.measure.change import change
from sagittal.measure.components import find_components
from sagittal.measure.diameters import diameters
from sagittal.measure.extent import extent
from sagittal.measure.shape import component_shapes
from sagittal.measure.surface import surface_areas
from sagittal.study import Image, Mask

MEASURES = Library()

EMPTY = "the mask is empty"
_FACES = "between outer voxel faces"


def label_of(mask: Mask) -> str:
    """The name of a mask's one label.

    Raises:
        InputError: it has none or several.
    """
    if len(mask.labels) != 1:
        raise InputError("A mask in a program has one label.", got=", ".join(mask.labels.values()) or "none")
    return next(iter(mask.labels.values()))


def method_at(words: str, mask: Mask) -> str:
    """How a mask was measured, with its visit where it has one."""
    # The visit belongs to the method: two volumes of one structure stay comparable.
    return f"{words}, session {mask.session}" if mask.session else words


def measured(
    call: CallContext,
    mask: Mask,
    name: str,
    unit: str,
    method: str,
    measure: Callable[[Block], float | int | str | None],
    undefined: str = EMPTY,
) -> Measurement:
    """A measurement of a mask's voxels; undefined where it has none, or where ``measure`` gives ``None``."""
    of = label_of(mask)
    block = call.block(mask)
    value = None if block is None else measure(block)
    reason = None if value is not None else (EMPTY if block is None else undefined)
    return Measurement(name, value, unit, of, method_at(method, mask), undefined=reason)


# -- size and place --------------------------------------------------------------------------------


@MEASURES.function("number", "mL")
def volume(call: CallContext, mask: Mask) -> Measurement:
    """Volume of a mask; 0 for an empty one."""
    voxel = mask.geometry.voxel_volume
    block = call.block(mask)
    ml = 0.0 if block is None else block.voxels * voxel / 1000
    return Measurement("volume", ml, "mL", label_of(mask), method_at("voxels × voxel volume", mask))


def _side_length(call: CallContext, mask: Mask, name: str, axis: str) -> Measurement:
    return measured(call, mask, name, "mm", _FACES, lambda block: extent(block).extent_mm[axis])


@MEASURES.function("number", "mm")
def height(call: CallContext, mask: Mask) -> Measurement:
    """Extent of a mask from foot to head."""
    return _side_length(call, mask, "height", "up_down")


@MEASURES.function("number", "mm")
def width(call: CallContext, mask: Mask) -> Measurement:
    """Extent of a mask from left to right."""
    return _side_length(call, mask, "width", "left_right")


@MEASURES.function("number", "mm")
def depth(call: CallContext, mask: Mask) -> Measurement:
    """Extent of a mask from back to front."""
    return _side_length(call, mask, "depth", "front_back")


@MEASURES.function("word", "mm")
def box(call: CallContext, mask: Mask) -> Measurement:
    """Sides of the bounding box along the body's axes: width × depth × height."""
    method = f"width × depth × height {_FACES}"
    return measured(call, mask, "bounding box", "mm", method, _box_words)


def _box_words(block: Block) -> str:
    sides = extent(block).extent_mm
    return " × ".join(f"{sides[axis]:.1f}" for axis in ("left_right", "front_back", "up_down"))


@MEASURES.function("number", "mm")
def diameter(call: CallContext, mask: Mask) -> Measurement:
    """Longest diameter of a mask in one slice as acquired."""
    method = "longest in-plane diameter of one piece, outline midway between voxels"
    return measured(call, mask, "longest diameter", "mm", method, lambda block: diameters(block).longest_mm)


@MEASURES.function("number")
def components(call: CallContext, mask: Mask) -> Measurement:
    """How many separate pieces a mask has; 0 for an empty one."""
    block = call.block(mask)
    count = 0 if block is None else len(find_components(block))
    return Measurement("components", count, "", label_of(mask), method_at("26-connected components", mask))


@MEASURES.function("word")
def side(call: CallContext, mask: Mask, brain: Mask) -> Measurement:
    """Side of the head on which a mask lies: left, right, bilateral or midline."""
    plane = brain_plane(brain)
    method = f"about x = {plane.x_mm:.1f} mm, {plane.source}"
    return measured(call, mask, "side", "", method, lambda block: sidedness(block, plane).side)


# -- shape -----------------------------------------------------------------------------------------


@MEASURES.function("number", "mm²")
def surface(call: CallContext, mask: Mask) -> Measurement:
    """Area of a mask's surface, over all its pieces."""
    return measured(call, mask, "surface area", "mm²", "marching cubes, all pieces", _surface)


def _surface(block: Block) -> float:
    return float(surface_areas(find_components(block)).sum())


@MEASURES.function("number")
def sphericity(call: CallContext, mask: Mask) -> Measurement:
    """How nearly a mask's largest piece is a ball: 1 for a ball, less for anything else."""
    method = "π^⅓ (6V)^⅔ ÷ surface area, of the largest piece"
    return measured(call, mask, "sphericity", "", method, _sphericity, "the surface has no area")


def _sphericity(block: Block) -> float | None:
    pieces = find_components(block)
    return component_shapes(pieces, [pieces.core]).value(0, "sphericity")[0]


# -- numbers from numbers --------------------------------------------------------------------------


def _from_two(
    a: Quantity, b: Quantity, name: str, unit: str, method: str, result: float | None, why_not: str | None
) -> Measurement:
    of = a.of if a.of == b.of else f"{a.of}, {b.of}"
    reason = a.undefined or b.undefined or why_not
    return Measurement(name, result, unit, of, method, undefined=None if result is not None else reason)


def _require_measured(a: Quantity, b: Quantity, doing: str) -> None:
    """Refuse numbers that the program wrote down: what is made of them would look measured."""
    if a.step is None and b.step is None:
        raise InputError(f"{doing} is of measured numbers.", got=f"{a} and {b}")


def _numbers(a: Quantity, b: Quantity, doing: str) -> tuple[float, float] | None:
    """Both values, or ``None`` when one is undefined."""
    _require_measured(a, b, doing)
    if a.unit != b.unit:
        raise InputError(
            f"{doing} is of two numbers in one unit.",
            expected=a.unit or "two pure numbers",
            got=b.unit or "a number without unit",
        )
    return None if a.value is None or b.value is None else (a.value, b.value)


@MEASURES.function("number")
def ratio(call: CallContext, a: Quantity, b: Quantity) -> Measurement:
    """a ÷ b, undefined where b is 0."""
    both = _numbers(a, b, "A ratio")
    value = both[0] / both[1] if both is not None and both[1] != 0 else None
    return _from_two(a, b, "ratio", "", f"{a.name} ÷ {b.name}", value, "the divisor is 0")


@MEASURES.function("number", "as given")
def difference(call: CallContext, a: Quantity, b: Quantity) -> Measurement:
    """a − b."""
    both = _numbers(a, b, "A difference")
    value = both[0] - both[1] if both is not None else None
    return _from_two(a, b, "difference", a.unit, f"{a.name} − {b.name}", value, None)


@MEASURES.function("number", "%")
def percentage_change(call: CallContext, before: Quantity, after: Quantity) -> Measurement:
    """Change of one measurement from an earlier to a later visit, in percent of the earlier."""
    _require_measured(before, after, "A change")
    _, percent, _ = change(before.measurement(), after.measurement()).measurements()
    return percent


@MEASURES.function("number")
def asymmetry(call: CallContext, left: Quantity, right: Quantity) -> Measurement:
    """(left − right) ÷ their mean: 0 for equal sides, +2 for left alone, −2 for right alone."""
    both = _numbers(left, right, "An asymmetry")
    value, reason = asymmetry_index(*both) if both is not None else (None, None)
    return _from_two(left, right, "asymmetry", "", "(left − right) ÷ their mean", value, reason)


@MEASURES.function("number", "%")
def share(call: CallContext, part: Mask, whole: Mask) -> Measurement:
    """Volume of a mask in percent of another, such as the brain."""
    block = call.block(part)
    brain = find_brain(given=Mask(whole.data, whole.geometry, whole.labels, label_of(whole), whole.session))
    value, reason = percent_of_brain(part, 0 if block is None else block.voxels, brain)
    method = f"volume ÷ volume of {label_of(whole)}"
    return Measurement("share", value, "%", label_of(part), method_at(method, part), undefined=reason)


# -- volumes from masks -----------------------------------------------------------------------------


@MEASURES.function("Volume")
def crop(call: CallContext, volume: Image, mask: Mask) -> Image:
    """The part of a volume inside the bounding box of a mask on its grid."""
    block = _block_on(call, volume, mask)
    part = volume.crop(block.start, block.stop)
    # A copy: a view would keep all of a volume alive that nothing else holds.
    name = f"{volume.name or volume.kind} around {label_of(mask)}"
    return replace(part, data=part.data.copy(), name=name)


@MEASURES.function("Volume")
def mask_out(call: CallContext, volume: Image, mask: Mask) -> Image:
    """A volume with the inside of a mask on its grid removed."""
    return _filled(volume, mask, inside=True)


@MEASURES.function("Volume")
def extract(call: CallContext, volume: Image, mask: Mask) -> Image:
    """A volume with everything but the inside of a mask on its grid removed."""
    return _filled(volume, mask, inside=False)


def _turned(image: Image, mask: Mask) -> Mask:
    """The mask with its axes in the order of the image's."""
    turned = mask.reorient(image.geometry.orientation)
    image.geometry.require_same_grid(turned.geometry, "A volume and a mask")
    return turned


def _block_on(call: CallContext, image: Image, mask: Mask) -> Block:
    block = call.block(_turned(image, mask))
    if block is None:
        raise InputError("The mask is empty.", got=label_of(mask))
    return block


def _filled(image: Image, mask: Mask, *, inside: bool) -> Image:
    where = (_turned(image, mask).data != 0) == inside
    if image.channels != 1:
        where = where[..., None]
    # Air: 0 in MR, the lowest value in CT.
    fill = image.data.dtype.type(min(0, image.data.min()))
    name = f"{image.name or image.kind} {'without' if inside else 'only'} {label_of(mask)}"
    return replace(image, data=np.where(where, fill, image.data), name=name)
