"""Library functions that say where in the brain a mask lies: lobe or part, arterial territory, tentorium."""

from __future__ import annotations

from collections.abc import Callable

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.measuring import EMPTY, label_of, method_at
from sagittal.agent.values import Text
from sagittal.answer import Measurement
from sagittal.errors import InputError
from sagittal.measure import pieces, places
from sagittal.measure.block import Block
from sagittal.study import Mask

PLACES = Library()

_NO_CEREBRUM = "there is no cerebrum to take proportions from"


def _word(
    call: CallContext, mask: Mask, frame: Mask, name: str, method: str, judge: Callable[[Block], str]
) -> Measurement:
    block = call.block(mask)
    reason = EMPTY if block is None else None if frame.data.any() else _NO_CEREBRUM
    word = judge(block) if block is not None and reason is None else None
    return Measurement(name, word, "", label_of(mask), method_at(method, mask), undefined=reason)


@PLACES.function("word")
def location(
    call: CallContext, mask: Mask, cerebrum: Mask, cerebellum: Mask, brainstem: Mask, ventricle: Mask,
    fourth: Mask,
) -> Measurement:  # fmt: skip
    """The lobe or part of the brain that holds most of a mask; lobes are proportions of the cerebrum."""
    structures = (cerebrum, cerebellum, brainstem, ventricle, fourth)

    def judge(block: Block) -> str:
        return places.location_of(block, places.Anatomy(*(m.on_grid(mask.geometry) for m in structures)))

    return _word(
        call, mask, cerebrum, "location", "nearest structure; lobes by proportion of the cerebrum", judge
    )


@PLACES.function("word")
def territory(call: CallContext, mask: Mask, cerebrum: Mask) -> Measurement:
    """The arterial territory that holds most of a mask, by proportion of the cerebrum."""
    method = "by proportion of the cerebrum"
    return _word(
        call, mask, cerebrum, "territory", method, lambda block: places.territory_of(block, cerebrum)
    )


@PLACES.function("word")
def tentorium(
    call: CallContext, mask: Mask, cerebrum: Mask, cerebellum: Mask, brainstem: Mask
) -> Measurement:
    """Whether a mask lies supratentorial, infratentorial or both."""

    def judge(block: Block) -> str:
        structures = (m.on_grid(mask.geometry) for m in (cerebrum, cerebellum, brainstem))
        return places.tentorium_of(block, *structures)

    return _word(call, mask, cerebrum, "side of the tentorium", "nearest structure", judge)


@PLACES.function("Mask")
def pieces_in_lobe(
    call: CallContext, mask: Mask, cerebrum: Mask, cerebellum: Mask, brainstem: Mask, lobe: Text
) -> Mask:
    """The pieces of a mask that lie, by half or more, in a lobe; lobes are proportions of the cerebrum."""
    others = [m.on_grid(mask.geometry) for m in (cerebrum, cerebellum, brainstem)]
    if not others[0].data.any():
        raise InputError(
            "There is no cerebrum to take proportions from.", got=f"an empty {label_of(cerebrum)}"
        )
    choice = places.inside_lobe(others[0], lobe.value, others[1:])
    return pieces.choose(mask, call.block(mask), choice, f"pieces of {label_of(mask)} in {lobe.value}")
