"""One question asked twice: with specialists, and of the picture alone (VILA-M3, Tables 4 to 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sagittal.asking.case import Case, open_case
from sagittal.asking.consultation import consult
from sagittal.asking.models import Offer
from sagittal.score.agreement import mcnemar_exact
from sagittal.study import Image, Study

#: Ways of asking → the specialists that may be called; all that can run where it is ``None``.
WAYS: dict[str, tuple[str, ...] | None] = {"with": None, "alone": ()}


@dataclass(frozen=True)
class Reply:
    """What was answered one way.

    Attributes:
        way: one of :data:`WAYS`.
        text: the words; why, where nothing was answered.
        abstained: whether nothing was answered.
        called: names of the specialists, in their order.
        seconds: that it took, without reading files.
        measured: ``volume of whole tumour`` → number, as it stands beside the words.
    """

    way: str
    text: str
    abstained: bool
    called: tuple[str, ...]
    seconds: float
    measured: Mapping[str, float] = field(default_factory=dict)


def opened(offer: Offer, images: Sequence[Image]) -> Case:
    """Images that are asked about, by one model."""
    return open_case(Study("case", "case", tuple(images)), model=offer)


def both_ways(case: Case, question: str) -> Iterator[Reply]:
    """The same question with specialists and without."""
    for way, names in WAYS.items():
        answer = consult(case, question, specialists=names).answer
        called = tuple(step.name for step in answer.steps if step.kind == "specialist")
        text = answer.text or answer.reason or ""
        measured = {
            f"{one.name} of {one.of}": float(one.value)
            for one in answer.measurements
            if isinstance(one.value, int | float)
        }
        yield Reply(way, text, answer.abstained, called, answer.seconds, measured)


def mcnemar(right_with: Sequence[bool], right_alone: Sequence[bool]) -> tuple[int, int, float]:
    """Questions that only one way got right, and p of McNemar's exact test.

    Args:
        right_with, right_alone: of the same questions in the same order.
    """
    pairs = list(zip(right_with, right_alone, strict=True))
    only_with = sum(a and not b for a, b in pairs)
    only_alone = sum(b and not a for a, b in pairs)
    return only_with, only_alone, mcnemar_exact(only_with, only_alone)
