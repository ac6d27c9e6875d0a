"""What the shipped MedPLIB does: regions, masks, questions, on the frozen world and on real pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sagittal.builders.vqa_sets import load_vqa_set
from sagittal.evaluation.frozen_world import PICTURES, world_table
from sagittal.evaluation.medplib.answers import Given, put
from sagittal.evaluation.medplib.asked import (
    grounding_questions,
    region_questions,
    spoken_questions,
    without_regions,
)
from sagittal.evaluation.medplib.real import RealSet
from sagittal.evaluation.medplib.scores import best_guess, by_class, is_right, mean, over
from sagittal.example import Example, TextPart
from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.model import VLM
from sagittal.score.answers import figures, judge
from sagittal.score.descriptors import Figure
from sagittal.train.picture_bank import MarkedPicture, bank_hash
from sagittal.train.picture_features import PictureFeatures, edges
from sagittal.train.picture_questions import Kind, Part, Question
from sagittal.train.picture_turns import PictureTurns
from sagittal.train.real_pictures import asked_pictures

#: Tokens of an answer that names one thing, or asks for a few masks.
SHORT, MASKS = 24, 80
_PARTS: tuple[Part, ...] = ("train", "test")
_SPOKEN: tuple[Kind, ...] = ("closed", "choice", "open")


@dataclass(frozen=True, eq=False)
class Asked:
    """A model with pictures to be asked about.

    Attributes:
        model: in evaluation mode.
        turns: of the pictures.
        pictures: that are asked about.
    """

    model: VLM
    turns: PictureTurns
    pictures: Sequence[MarkedPicture]

    @classmethod
    def of(
        cls, model: VLM, speech: Speech, pictures: Sequence[MarkedPicture], features: Path,
        *, coordinates: bool = False,
    ) -> Asked:  # fmt: skip
        """With features that are kept in a folder."""
        seen = PictureFeatures.make(model, pictures, features)
        return cls(model, PictureTurns(pictures, seen, speech, edges(model), coordinates), pictures)

    def put(self, questions: Sequence[Question], longest: int = SHORT) -> list[Given]:
        """Answers in the order of the questions."""
        return put(self.model, self.turns, questions, longest=longest)


def frozen_lines(asked: Asked, name: str) -> list[str]:
    """The frozen world."""
    frozen = world_table(PICTURES)["frozen"]
    return [
        f"`{name}` on {len(asked.pictures)} slices of the {frozen['found']['studies']} studies of the "
        f"frozen simulated world (SHA-256 {frozen['sha256'][:16]}… of its label maps, "
        f"{bank_hash(asked.pictures)[:16]}… of the slices), whose heads no training saw. 95 % intervals over "
        "500 resamples of studies.",
        "",
        "## Regions in: what is it?",
        "",
        *region_lines(asked),
        "## Masks out",
        "",
        *grounding_lines(asked),
        "## Questions about the whole picture",
        "",
        *spoken_lines(asked),
    ]


def region_lines(asked: Asked) -> list[str]:
    """Categories of regions: by way of pointing and class; moved; not given."""
    questions = region_questions(asked.pictures)
    given = asked.put(questions)
    lines = ["| | questions | right |", "| --- | --- | --- |"]

    def row(words: str, own: Sequence[Given]) -> None:
        lines.append(f"| {words} | {len(own)} | {_share(over(own, asked.pictures, is_right))} |")

    row("all", given)
    for way, words in (("mask", "by its mask"), ("points", "by a point"), ("box", "by a box")):
        row(words, [one for one in given if one.question.pointed == way])
    row("in wordings that training never had", asked.put(region_questions(asked.pictures, "test")))
    pairs = _in_pairs(given)
    row("moved from one object to another in the same picture: the answer is that object's", pairs)
    row("the same words without a region", alone := asked.put(without_regions(questions)))
    patients = [asked.pictures[one.question.picture].facts.patient for one in alone]
    guess = mean(best_guess(asked.pictures, alone), patients)
    lines.append(f"| *one of the picture's objects, guessed* | {len(alone)} | {_share(guess)} |")
    classes = sorted({one.question.asked[0] for one in given})
    shares = []
    for name in classes:
        own = [one for one in given if one.question.asked[0] == name]
        shares.append(f"{name} {100 * sum(map(is_right, own)) / len(own):.0f} % of {len(own)}")
    return [*lines, "", "By class: " + ", ".join(shares) + ".", ""]


def _in_pairs(given: Sequence[Given]) -> list[Given]:
    """Answers about pictures of which two objects were pointed at, one after the other."""
    counts: dict[int, int] = {}
    for one in given:
        counts[one.question.picture] = counts.get(one.question.picture, 0) + 1
    return [one for one in given if counts[one.question.picture] == 2]


def grounding_lines(asked: Asked) -> list[str]:
    """Masks of what is there, and words about what is not."""
    given = asked.put(grounding_questions(asked.pictures), MASKS)
    there = [one for one in given if not one.question.absent]
    found = by_class(there, asked.pictures)
    every = [pair for own in found.values() for pair in own]
    lines = ["| | masks | mean Dice |", "| --- | --- | --- |"]
    lines.append(f"| all | {len(every)} | {_dice(every)} |")
    withheld = asked.put(grounding_questions(asked.pictures, "test"), MASKS)
    other = by_class([one for one in withheld if not one.question.absent], asked.pictures)
    rest = [pair for own in other.values() for pair in own]
    lines.append(f"| all, in wordings that training never had | {len(rest)} | {_dice(rest)} |")
    for kind in sorted({p.facts.kind for p in asked.pictures}):
        shown = [o for o in there if asked.pictures[o.question.picture].facts.kind == kind]
        own = by_class(shown, asked.pictures)
        pairs = [pair for one in own.values() for pair in one]
        lines.append(f"| {kind} | {len(pairs)} | {_dice(pairs)} |")
    lines += [f"| {name} | {len(own)} | {_dice(own)} |" for name, own in found.items()]
    return [*lines, "", *_absent_lines(given), ""]


def _absent_lines(given: Sequence[Given]) -> list[str]:
    absent = [one for one in given if one.question.absent]
    there = [one for one in given if not one.question.absent]
    silent = sum(not one.masks for one in absent)
    refused = sum(not one.masks for one in there)
    wrong = sum(len(one.masks) != len(one.question.masks) for one in there)
    return [
        f"Asked for a mask of something that is not there, {silent} of {len(absent)} answers give none; of "
        f"{len(there)} requests for what is there, {refused} are given none, {wrong} another number of masks "
        "than was asked for."
    ]


def spoken_lines(asked: Asked) -> list[str]:
    """Presence, choice, modality and plane, in words of training and others."""
    lines = ["| | questions | right | in wordings that training never had |", "| --- " * 4 + "|"]
    for kind in _SPOKEN:
        cells = []
        for part in _PARTS:
            questions = spoken_questions(asked.pictures, kind, part)
            given = asked.put(questions)
            cells.append(_share(over(given, asked.pictures, lambda one: one.text == one.question.answer[0])))
        words = {"closed": "is it there?", "choice": "one of four", "open": "modality, plane"}[kind]
        lines.append(f"| {words} | {len(questions)} | {cells[0]} | {cells[1]} |")
    return [*lines, ""]


def real_lines(asked: Asked, real: RealSet) -> list[str]:
    """A row of a real set: regions, masks."""
    region = asked.put(region_questions(asked.pictures))
    requests = [one for one in grounding_questions(asked.pictures) if not one.absent]
    masks = by_class(asked.put(requests, MASKS), asked.pictures)
    every = [pair for own in masks.values() for pair in own]
    said = ", ".join(f"{name} {_dice(own).split(' ')[0]}" for name, own in masks.items())
    told = _share(over(region, asked.pictures, is_right))
    return [f"| {real.name} ({real.source}) | {len(asked.pictures)} | {told} | {_dice(every)} | {said} |"]


def vqa_rad_lines(model: VLM, speech: Speech, data: Path, features: Path) -> list[str]:
    """VQA-RAD's questions about images that were held out."""
    folder = data / "vqa_rad"
    examples = [
        example
        for example in load_vqa_set("vqa-rad", folder, images=folder / "images").examples
        if example.split == "test"
    ]
    pictures, _ = asked_pictures(data, "test")
    numbers = {picture.facts.patient: number for number, picture in enumerate(pictures)}
    asked = Asked.of(model, speech, pictures, features)
    questions = [Question(numbers[e.images[0].path], "open", _words(e), ("",)) for e in examples]
    judged = [judge(e, given.text) for e, given in zip(examples, asked.put(questions), strict=True)]
    found = figures(judged)
    names = [name for name, figure in found.items() if figure.value == figure.value]
    cells = " | ".join(_share(found[name]) for name in names)
    return [
        f"{len(examples)} questions about {len(pictures)} images, split by image.", "",
        "| " + " | ".join(names) + " |", "| --- " * len(names) + "|", f"| {cells} |", "",
    ]  # fmt: skip


def _words(example: Example) -> str:
    return "".join(part.text for part in example.messages[0].parts if isinstance(part, TextPart))


def _share(figure: Figure) -> str:
    if figure.low != figure.low:
        return f"{100 * figure.value:.1f} % (one patient)"
    return f"{100 * figure.value:.1f} % ({100 * figure.low:.1f}–{100 * figure.high:.1f})"


def _dice(pairs: Sequence[tuple[float, str]]) -> str:
    if not pairs:
        return "none"
    figure = mean([value for value, _ in pairs], [patient for _, patient in pairs])
    if figure.low != figure.low:
        return f"{figure.value:.3f} (one patient)"
    return f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})"
