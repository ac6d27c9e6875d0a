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

_DRAW = re.compile(r"\b(segment\w*|outlines?|delineat\w*|contours?|draw\w*|masks?)\b", re.IGNORECASE)
_ORGANS = {
    r"\b(heart|cardiac silhouette|cardiac shadow)\b": ("heart",),
    r"\bleft lung\b": ("left lung",),
    r"\bright lung\b": ("right lung",),
    r"\b(lungs|both lungs|lung fields)\b": LUNGS,
}  # fmt: skip


def to_be_drawn(question: str) -> tuple[str, ...] | None:
    """Organs that a question wants drawn; empty where it is something else, ``None`` where it is nothing.

    One with a tag of IMAX's is its task's.
    """
    if question.startswith("[") or not _DRAW.search(question):
        return None
    found = [organs for pattern, organs in _ORGANS.items() if re.search(pattern, question, re.IGNORECASE)]
    return tuple(dict.fromkeys(organ for organs in found for organ in organs))


def drawing_outcome(wanted: tuple[str, ...], organs: ChestOrgans, image: Image) -> Outcome:
    """Masks of the organs that were located, with their areas.

    Args:
        wanted: from :func:`to_be_drawn`; nothing is drawn where it is empty.
        organs: draws heart and lungs.
        image: the film.
    """
    if not wanted:
        reason = "Of a chest film, heart and lungs can be drawn, and nothing else."
        return outcome_of(reason, (), reason=reason)
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
