"""Library functions that pick pieces of a mask: those that a question means (VoxelPrompt §4.1, Figure 3)."""

from __future__ import annotations

import math

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.measuring import label_of
from sagittal.agent.values import Quantity
from sagittal.answer import Measurement
from sagittal.errors import InputError
from sagittal.measure import pieces
from sagittal.measure.asymmetry import Side, brain_plane
from sagittal.measure.components import find_components
from sagittal.measure.intensity import Contrast
from sagittal.study import Image, Mask

TARGETS = Library()


def _pieces(call: CallContext, mask: Mask, choice: pieces.Choice, words: str) -> Mask:
    # Other masks come onto this one's grid: sequences and visits of one world may lie on different ones.
    return pieces.choose(mask, call.block(mask), choice, words.format(label_of(mask)))


# -- by size ---------------------------------------------------------------------------------------


@TARGETS.function("Mask")
def largest(call: CallContext, mask: Mask) -> Mask:
    """The largest separate piece of a mask."""
    return _pieces(call, mask, pieces.by_size(1), "largest piece of {}")


@TARGETS.function("Mask")
def smallest(call: CallContext, mask: Mask) -> Mask:
    """The smallest separate piece of a mask."""
    return _pieces(call, mask, pieces.by_size(-1), "smallest piece of {}")


@TARGETS.function("Mask")
def ranked(call: CallContext, mask: Mask, rank: Quantity) -> Mask:
    """A piece of a mask by its place in the order of size: 2 for the second largest."""
    place = rank.value
    if place is None or place != int(place) or rank.unit or place < 1:
        raise InputError("A place in an order is a whole number from 1.", got=str(rank))
    return _pieces(call, mask, pieces.by_size(int(place)), f"piece number {int(place)} by size of {{}}")


# -- by place --------------------------------------------------------------------------------------


@TARGETS.function("Mask")
def left_pieces(call: CallContext, mask: Mask, brain: Mask) -> Mask:
    """The pieces of a mask that lie on the left side of the head."""
    return _on_side(call, mask, brain, "left")


@TARGETS.function("Mask")
def right_pieces(call: CallContext, mask: Mask, brain: Mask) -> Mask:
    """The pieces of a mask that lie on the right side of the head."""
    return _on_side(call, mask, brain, "right")


def _on_side(call: CallContext, mask: Mask, brain: Mask, side: Side) -> Mask:
    return _pieces(call, mask, pieces.on_side(brain_plane(brain), side), f"pieces of {{}} on the {side}")


@TARGETS.function("Mask")
def pieces_in(call: CallContext, mask: Mask, place: Mask) -> Mask:
    """The pieces of a mask that lie, by half or more, in another mask."""
    return _pieces(
        call, mask, pieces.inside(place.on_grid(mask.geometry)), f"pieces of {{}} in {label_of(place)}"
    )


@TARGETS.function("Mask")
def pieces_near(call: CallContext, mask: Mask, other: Mask) -> Mask:
    """The pieces of a mask within 10 mm of another mask."""
    words = f"pieces of {{}} within {pieces.NEAR_MM:g} mm of {label_of(other)}"
    return _pieces(call, mask, pieces.near(other.on_grid(mask.geometry)), words)


@TARGETS.function("Mask")
def nearest(call: CallContext, mask: Mask, other: Mask) -> Mask:
    """The piece of a mask that comes nearest to another mask."""
    return _pieces(
        call,
        mask,
        pieces.nearest(other.on_grid(mask.geometry)),
        f"piece of {{}} nearest to {label_of(other)}",
    )


@TARGETS.function("number", "mm")
def distance(call: CallContext, mask: Mask, other: Mask) -> Measurement:
    """Shortest distance between two masks; 0 where they overlap."""
    one, two = label_of(mask), label_of(other)
    block, away = call.block(mask), math.inf
    if block is not None:
        away = float(pieces.distances_mm(find_components(block), other.on_grid(mask.geometry)).min())
    apart = math.isfinite(away)
    return Measurement(
        "distance",
        away if apart else None,
        "mm",
        f"{one}, {two}",
        "between the nearest voxel centres",
        undefined=None if apart else f"the mask of {two if block is not None else one} is empty",
    )


# -- by brightness, and by visit -------------------------------------------------------------------


@TARGETS.function("Mask")
def bright_pieces(call: CallContext, volume: Image, mask: Mask, brain: Mask) -> Mask:
    """The pieces of a mask that are hyperintense in a volume, each against the brain around it."""
    return _looking(call, volume, mask, brain, "hyperintense")


@TARGETS.function("Mask")
def dark_pieces(call: CallContext, volume: Image, mask: Mask, brain: Mask) -> Mask:
    """The pieces of a mask that are hypointense in a volume, each against the brain around it."""
    return _looking(call, volume, mask, brain, "hypointense")


def _looking(call: CallContext, volume: Image, mask: Mask, brain: Mask, word: Contrast) -> Mask:
    return _pieces(call, mask, pieces.looking(volume, word, brain), f"{word} pieces of {{}} in {volume.kind}")


@TARGETS.function("Mask")
def new_pieces(call: CallContext, before: Mask, after: Mask) -> Mask:
    """The pieces of a later mask that do not overlap an earlier one, in one world."""
    return _pieces(call, after, pieces.apart_from(before.on_grid(after.geometry)), "new pieces of {}")


@TARGETS.function("Mask")
def vanished_pieces(call: CallContext, before: Mask, after: Mask) -> Mask:
    """The pieces of an earlier mask that do not overlap a later one, in one world."""
    return _pieces(call, before, pieces.apart_from(after.on_grid(before.geometry)), "vanished pieces of {}")
