"""What MedPLIB said, put into order: words, masks on the image's own grid, their sizes, and reservations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sagittal.agent.loop import Outcome
from sagittal.answer import Measurement, Step
from sagittal.asking.grounding import asks_for_mask, mask_names, says_absent, spoken_text
from sagittal.asking.pointing import View
from sagittal.asking.slices import Plane, Slice
from sagittal.models.medplib.pictures import Frame
from sagittal.models.medplib.words import Mark
from sagittal.study import Mask

if TYPE_CHECKING:
    from torch import Tensor

#: Masks of one answer that are brought onto the picture; a slice shows fewer things that were asked for.
MOST_MASKS = 16
_NOTHING = "The model said nothing about this."
_OF_REGIONS = ("What is in this region?", "Please describe this region briefly.")
_OF_PICTURES = ("What does this medical image show as a whole?",)


@dataclass(frozen=True, eq=False)
class Spoken:
    """What a model said.

    Attributes:
        pieces: words, and marks where masks stand.
        ended: whether it came to an end by itself.
        logits: (R, h, w) of the masks, over the whole square of the pixel encoder.
        frame: where the picture lies in that square.
        step: how it came about, with the words as they were generated.
    """

    pieces: Sequence[str | Mark]
    ended: bool
    logits: Tensor
    frame: Frame
    step: Step


def outcome_of(question: str, view: View, said: Spoken) -> Outcome:
    """The pieces of an answer; an answer without words and masks is an abstention."""
    names = mask_names(said.pieces)
    text = spoken_text(said.pieces) or ", ".join(names)
    masks, measurements, empty = _masks(names[:MOST_MASKS], view.slice, said)
    warnings = [f"The mask of “{name}” is empty: nothing was drawn for it." for name in empty]
    if len(names) > MOST_MASKS:
        warnings.append(f"The answer holds {len(names)} masks; the first {MOST_MASKS} are drawn.")
    if text and asks_for_mask(question) and not names and not says_absent(text):
        warnings.append("A mask was asked for, and the model drew none: its words are all there is.")
    if not said.ended:
        warnings.append("The words came to no end, and were cut.")
    drawn = {"words": said.step.output, "masks": [mask.labels[1] for mask in masks.values()]}
    asked = _OF_REGIONS if view.regions else _OF_PICTURES
    return Outcome(
        text=text or _NOTHING,
        abstained=not text,
        reason=None if text else _NOTHING,
        measurements=tuple(measurements),
        masks=masks,
        volumes={},
        steps=(replace(said.step, output=drawn),),
        programs=(),
        warnings=tuple(warnings),
        suggestions=tuple(one for one in asked if one != question),
    )


def _masks(
    names: Sequence[str], on: Slice, said: Spoken
) -> tuple[dict[str, Mask], list[Measurement], list[str]]:
    """Masks that hold anything, their sizes, and the names of those that hold nothing."""
    masks: dict[str, Mask] = {}
    measurements: list[Measurement] = []
    empty = []
    for number, name in enumerate(names):
        inside = said.frame.back(said.logits[number]) > 0
        if not inside.any():
            empty.append(name)
            continue
        masks[f"mask_{number + 1}"] = on.whole(inside, name, said.step.name)
        measurements += _sizes(inside, name, on)
    return masks, measurements, empty


def _sizes(inside: Plane, name: str, on: Slice) -> list[Measurement]:
    """Area and share of a mask; the answer's one step made them."""
    count = int(np.count_nonzero(inside))
    width, height, _ = on.grid.spacing
    if on.grid.spacing_known:
        how = f"{count} pixels of {width:.3g} × {height:.3g} mm in {on.words}"
        area = Measurement("area", count * width * height, "mm²", name, how, 0)
    else:
        how = f"pixels in {on.words}, whose size in millimetres is not known"
        area = Measurement("area", count, "pixels", name, how, 0)
    share = 100 * count / inside.size
    return [area, Measurement("share", share, "%", name, f"of the pixels of {on.words}", 0)]
