"""Requests to draw heart or lungs on a chest film: masks by the segmenter, with their areas.

The language model says words and boxes; what is to be outlined goes to the specialist, whose outlines are
better than anything the model could say of them.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace

from sagittal.agent.loop import Outcome
from sagittal.answer import Step
from sagittal.asking.imax_outcome import outcome_of
from sagittal.measure.chest import LUNGS
from sagittal.specialists.chest import SEGMENTER, ChestOrgans
from sagittal.study import Image

#: A request, at the beginning of a question: a verb, or a mask of something.
_DRAW = re.compile(
    r"^(?:please |can you |could you )*"
    r"(?:(?:segment|outline|delineate|contour|draw|trace)\b|(?:give me |show me )?(?:an? |the )?"
    r"(?:masks?|outlines?|segmentations?|contours?) of\b)",
    re.IGNORECASE,
)
#: What is asked of more than an outline is not asked here.
_MORE = re.compile(r"\b(box|ratio|lines?|report)\b", re.IGNORECASE)
NOT_DRAWN = "Of a chest film, heart and lungs can be drawn, and nothing else."
_ORGANS = {
    r"\b(heart|cardiac silhouette|cardiac shadow)\b": ("heart",),
    r"\bleft lung\b": ("left lung",),
    r"\bright lung\b": ("right lung",),
    r"\b(lungs|lung fields|left and (the )?right lung|right and (the )?left lung|(the|a|each) lung)\b": LUNGS,
}  # fmt: skip


def to_be_drawn(question: str) -> tuple[str, ...] | None:
    """Organs that a question wants drawn; empty where it is something else, ``None`` where it is nothing."""
    if not _DRAW.search(question) or _MORE.search(question):
        return None
    found = {
        organ
        for pattern, organs in _ORGANS.items()
        if re.search(pattern, question, re.IGNORECASE)
        for organ in organs
    }
    return tuple(organ for organ in ("heart", *LUNGS) if organ in found)


def drawing_outcome(wanted: tuple[str, ...], organs: ChestOrgans, image: Image) -> Outcome:
    """Masks of the organs that were located, with their areas.

    Args:
        wanted: from :func:`to_be_drawn`, one at the least.
        organs: draws heart and lungs.
        image: the film.
    """
    begun = time.perf_counter()
    drawn = organs.masks(image)
    there = [organ for organ in wanted if organ in drawn.certainty]
    missing = [f"The {organ} is not drawn: {drawn.missing[organ]}." for organ in wanted if organ not in there]
    told = ", ".join(there) or "nothing"
    step = Step("specialist", SEGMENTER, {"image": image.name}, told, time.perf_counter() - begun)
    if not there:
        return outcome_of(" ".join(missing), (step,), reason=" ".join(missing))
    areas = [m for m in drawn.measures().measurements() if m.name == "area" and m.of in there]
    words = [f"{m.of} {m.value:,.0f} {m.unit}" for m in areas]
    return outcome_of(
        f"Drawn: {', '.join(words)}.", (step,), measurements=tuple(replace(m, step=0) for m in areas),
        masks={organ: drawn.of(organ) for organ in there}, warnings=tuple(missing),
    )  # fmt: skip
