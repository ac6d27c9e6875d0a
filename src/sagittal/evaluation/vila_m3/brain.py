"""Tumours of real scans: whether there is one, on which side, and how large, with specialists and without.

Truth comes from the reference masks; people whose scans were taken for other reasons, and who have none, are
the negatives. Labels that an algorithm made (silver) are told apart from experts'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagittal.asking.models import Offer
from sagittal.evaluation.vila_m3.both_ways import WAYS, Reply, both_ways, mcnemar, opened
from sagittal.measure.asymmetry import brain_plane, sidedness
from sagittal.measure.block import block_of
from sagittal.models.checkpoint import Score
from sagittal.score.cases import Case
from sagittal.score.descriptors import Figure, resampled
from sagittal.score.reals import real_cases
from sagittal.specialists.functions import head_of

TUMOUR = "whole tumour"
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "presence": ("Is there a tumour?", "Does this patient have a brain tumour?"),
    "side": ("Which side is the tumour on?", "Is the tumour left or right?"),
    "size": ("How large is the tumour?", "What is the volume of the whole tumour?"),
}
_SIDES = {
    "on the left": "left", "on the right": "right", "on both sides": "bilateral", "in the midline": "midline",
}  # fmt: skip
# Openings of answers (:mod:`sagittal.language.specialist_answers`): what has a size, a side or an outline is
# there.
_NO = re.compile(r"No\b(?! answer:)")
_YES = re.compile(r"(?:Yes|Size|Side|Outline):")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) mL")
_METRICS = {
    "size in words, median error": "median relative error",
    "size measured beside them, median error": "median relative error",
}
# A size within this share of the true one is right.
_CLOSE = 0.2


@dataclass(frozen=True)
class BrainReply:
    """A question about a case, with what is true and what was said.

    Attributes:
        case, source: whose, and whose labels.
        asked: one of :data:`QUESTIONS`.
        question: in words.
        truth: ``yes`` or ``no``, a side, or mL.
        reply: one way's.
    """

    case: str
    source: str
    asked: str
    question: str
    truth: str | float
    reply: Reply

    @property
    def said(self) -> str | float | None:
        """What the words come to; ``None`` where they answer something else, or nothing."""
        return None if self.reply.abstained else read_reply(self.asked, self.reply.text)

    @property
    def error(self) -> float:
        """Of a size, the relative error; not a number where none was said."""
        said = self.said
        if not isinstance(said, float) or not isinstance(self.truth, float):
            return float("nan")
        return abs(said - self.truth) / self.truth

    @property
    def measured_error(self) -> float:
        """Of a size, the relative error of the volume beside the words; not a number where there is none."""
        found = self.reply.measured.get(f"volume of {TUMOUR}")
        if found is None or not isinstance(self.truth, float):
            return float("nan")
        return abs(found - self.truth) / self.truth

    @property
    def right(self) -> bool:
        """Whether it was said as it is; of a size, within a fifth."""
        return self.error <= _CLOSE if self.asked == "size" else self.said == self.truth


def read_reply(asked: str, text: str) -> str | float | None:
    """``yes``, ``no``, a side, or mL as a reply's words state it; ``None`` where they do not."""
    if asked == "presence":
        return "no" if _NO.match(text) else "yes" if _YES.match(text) else None
    if asked == "side":
        return next((side for words, side in _SIDES.items() if words in text), None)
    found = _SIZE.search(text)
    return float(found[1]) if found else None


def brain_replies(
    offer: Offer, data: Path, *, final: bool, say: Callable[[str], None] = lambda line: None
) -> Iterator[BrainReply]:
    """Ask about every real case, each question both ways.

    Args:
        offer: the model.
        data: folder of the labelled scans.
        final: the test cases instead of those that may be looked at while choosing.
        say: told of each case.
    """
    for case in real_cases(data, final=final):
        truth = _truth(case)
        if truth:
            say(f"{case.name}: {len(case.images)} images")
            yield from _replies(offer, case, truth)


def _replies(offer: Offer, case: Case, truth: Mapping[str, str | float]) -> Iterator[BrainReply]:
    looked = opened(offer, case.images)
    for asked, true in truth.items():
        for question in QUESTIONS[asked]:
            for reply in both_ways(looked, question):
                yield BrainReply(case.name, case.source, asked, question, true, reply)


def _truth(case: Case) -> dict[str, str | float]:
    """What is known of a case; nothing of one that shows neither a tumour nor that there is none."""
    if TUMOUR in case.truth:
        mask, image = case.truth[TUMOUR], case.images[0]
        block = block_of(mask, TUMOUR)
        side = sidedness(block, brain_plane(head_of(image))).side
        size = block.voxels * block.geometry.voxel_volume / 1000
        return {"presence": "yes", "side": side, "size": size}
    # Each of these people comes twice; with the FLAIR there is what a tumour would be seen on.
    if any(image.kind == "flair" for image in case.images):
        return {"presence": "no"}
    return {}


def brain_figures(replies: Sequence[BrainReply]) -> dict[str, Figure]:
    """Shares that are right, sizes' median error, and shares that were declined; by resampled cases."""
    cases = np.array([one.case for one in replies])
    right = np.array([one.right for one in replies], float)
    errors = {
        "size in words, median error": np.array([one.error for one in replies]),
        "size measured beside them, median error": np.array([one.measured_error for one in replies]),
    }
    declined = np.array([one.reply.abstained for one in replies], float)
    asked = np.array([one.asked for one in replies])
    truth = np.array([str(one.truth) for one in replies])

    def figures(weights: np.ndarray) -> dict[str, float]:
        groups = {
            "presence, tumours": (asked == "presence") & (truth == "yes"),
            "presence, none": (asked == "presence") & (truth == "no"),
            "side": asked == "side", "size in words, within a fifth": asked == "size",
        }  # fmt: skip
        found = {name: _mean(right, weights * which) for name, which in groups.items()}
        for name, values in errors.items():
            sizes = np.repeat(values, weights.astype(int) * ~np.isnan(values))
            found[name] = float(np.median(sizes)) if len(sizes) else float("nan")
        return found | {"declined": _mean(declined, weights)}

    return resampled(figures, cases)


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    return float((values * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def brain_lines(replies: Sequence[BrainReply]) -> list[str]:
    """Tables: experts' labels, silver ones, both ways of asking; and McNemar's test of presence and side."""
    lines = []
    for title, own in _by_labels(replies).items():
        ways = {way: [one for one in own if one.reply.way == way] for way in WAYS}
        cases = len({one.case for one in own})
        lines += [f"### {title}", "", f"{cases} cases, {len(ways['with'])} questions each way.", ""]
        lines += ["| | with specialists | of the picture alone |", "| --- | --- | --- |"]
        figures = {way: brain_figures(found) for way, found in ways.items()}
        lines += [
            f"| {name} | {figures['with'][name].text()} | {figures['alone'][name].text()} |"
            for name in figures["with"]
        ]
        rights = {way: [one.right for one in found if one.asked != "size"] for way, found in ways.items()}
        first, second, p = mcnemar(rights["with"], rights["alone"])
        lines += [
            "",
            f"Presence and side: only with specialists right {first}, only alone right {second}; McNemar's "
            f"exact test p = {p:.3g} (it takes questions as independent; those about one case are not).",
            "",
        ]  # fmt: skip
    return lines


def card_scores(replies: Sequence[BrainReply]) -> tuple[Score, ...]:
    """What was found with specialists, as a card has it: labels of each kind apart."""
    return tuple(
        Score(
            data=f"real scans: {title.lower()}", metric=_METRICS.get(name, "share of questions"), of=name,
            value=round(figure.value, 3), case=f"{cases} cases", cases=cases, low=None, high=None,
        )
        for title, found in _by_labels([one for one in replies if one.reply.way == "with"]).items()
        for cases in [len({one.case for one in found})]
        for name, figure in brain_figures(found).items()
        if not np.isnan(figure.value)
    )  # fmt: skip


def _by_labels(replies: Sequence[BrainReply]) -> dict[str, list[BrainReply]]:
    """Experts' labels with the people without a tumour; silver ones by themselves."""
    experts = [one for one in replies if "experts" in one.source or one.truth == "no"]
    silver = [one for one in replies if one not in experts]
    found = {"Experts' labels, and people without a tumour": experts, "Labels by algorithms (silver)": silver}
    return {title: own for title, own in found.items() if own}
