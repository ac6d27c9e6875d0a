"""mpLLM's five tasks as heads (§3.2.2), and what a question's truth is for each of them.

"Not asked" and "N/A" (the label is not there) are classes like the others. The heads of a wholly out-of-scope
question all say that nothing was asked. About "N/A" they decide together, each of the paper's by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.measure.classes import NOT_PRESENT, SHAPE_CLASSES, SPREAD_CLASSES, UNLOCALISED, VOLUME_CLASSES
from sagittal.nn.task_heads import HeadConfig
from sagittal.score.descriptors import Told

NOT_ASKED = "not asked"
IN_SCOPE, BEYOND = "in scope", "out of scope"
SCOPE = "scope"


def _head(name: str, *classes: str, many: bool = False) -> HeadConfig:
    return HeadConfig(
        name=name, classes=(NOT_ASKED, *classes), many=many, unasked=NOT_ASKED, absent=NOT_PRESENT
    )


HEADS = (
    _head("volume", *VOLUME_CLASSES),
    _head("region", NOT_PRESENT, UNLOCALISED, *REGIONS, many=True),
    _head("shape", *SHAPE_CLASSES),
    _head("spread", *SPREAD_CLASSES),
    HeadConfig(name=SCOPE, classes=(IN_SCOPE, BEYOND)),
)


def truth_of(facts: Mapping[str, Any], asked: Sequence[str], *, beyond: bool) -> Told:
    """The truth of a question.

    Args:
        facts: of a label (:func:`sagittal.builders.tumour_vqa.label_facts`).
        asked: tasks that the question asks.
        beyond: whether it asks anything beyond them.
    """
    found: dict[str, tuple[str, ...]] = {}
    for task in asked:
        found[task] = tuple(facts["regions"]) if task == "region" else (facts[task],)
    return Told(found, beyond)


def words_of(told: Told, head: HeadConfig) -> tuple[str, ...]:
    """The classes that a head has for what is said."""
    if head.name == SCOPE:
        return (BEYOND if told.beyond else IN_SCOPE,)
    return told.classes.get(head.name, (NOT_ASKED,))


def encoded(told: Sequence[Told]) -> dict[str, Tensor]:
    """Of each head, (B, classes) 0 or 1."""
    found = {}
    for head in HEADS:
        rows = torch.zeros(len(told), len(head.classes))
        for row, one in enumerate(told):
            for word in words_of(one, head):
                rows[row, head.places[word]] = 1
        found[head.name] = rows
    return found


def decoded(chosen: Mapping[str, Tensor]) -> list[Told]:
    """Inverse of :func:`encoded`; a region that is not asked, or not there, is nothing else."""
    found = []
    for row in range(len(next(iter(chosen.values())))):
        classes: dict[str, tuple[str, ...]] = {}
        beyond = False
        for head in HEADS:
            words = tuple(w for w, on in zip(head.classes, chosen[head.name][row], strict=True) if on)
            if head.name == SCOPE:
                beyond = BEYOND in words
            elif NOT_ASKED not in words:
                classes[head.name] = (NOT_PRESENT,) if NOT_PRESENT in words else words
        found.append(Told(classes, beyond))
    return found
