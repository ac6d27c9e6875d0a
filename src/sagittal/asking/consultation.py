"""A question to a case → the answer with its masks: the agent's loop, and its outcome put into order."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sagittal import __version__
from sagittal.agent.host import Host
from sagittal.agent.library import Library
from sagittal.agent.loop import ASKED, Limits, Outcome, converse
from sagittal.agent.standard import STANDARD
from sagittal.answer import Answer, FieldValue, MaskFile, VolumeFile
from sagittal.asking.case import Case, Report
from sagittal.asking.models import Answerer, Choice, Consultant, Offer, PictureSpeaker, Speaker
from sagittal.asking.pointing import View
from sagittal.asking.question import clean_question
from sagittal.asking.stages import Stages, TimedPlanner
from sagittal.asking.suggesting import suggest
from sagittal.builders.voxel.structures import structure_table
from sagittal.errors import InputError
from sagittal.specialists.pool import shared_pool
from sagittal.study import Image, Mask, Region

_WRITING, _RUNNING, _SPEAKING = "write programs", "run programs", "look and answer"
_ALONE = "answered from one picture alone: no specialist was called, and nothing was measured"
# Where structures that no sequence is needed for are seen best.
_LESIONS_SHOW, _ANATOMY_SHOWS = ("flair", "t2", "t1c"), ("t1", "t1c")
_ENCODED = re.compile(r"\bencode\(([^()]*)\)")


@dataclass(frozen=True, eq=False)
class Drawn:
    """A mask of the answer and the image to show it on.

    Attributes:
        name: the structure, with the visit where there are several; unique within the answer.
        mask: one label, on the image's grid.
        image: of those on the mask's grid, the one that shows the first mask's structure best.
        volume_ml: its volume; ``None`` where one slice was looked at.
    """

    name: str
    mask: Mask
    image: Image
    volume_ml: float | None


@dataclass(frozen=True, eq=False)
class Consultation:
    """An answer with everything around it.

    Attributes:
        case: what was asked about.
        answer: what was said; its masks and volumes have no files until they are written.
        drawn: the masks, in the order of ``answer.masks``; none when nothing was answered.
        volumes: the images that were made, in the order of ``answer.volumes``; likewise.
        suggestions: up to three questions that could be asked next.
    """

    case: Case
    answer: Answer
    drawn: tuple[Drawn, ...]
    volumes: tuple[Image, ...]
    suggestions: tuple[str, ...]


def consult(
    case: Case,
    question: str,
    *,
    regions: Sequence[str | Region] = (),
    slice: str | None = None,
    specialists: Sequence[str] | None = None,
    report: Report | None = None,
) -> Consultation:
    """Ask one question.

    Args:
        case: from :func:`sagittal.asking.case.open_case`.
        question: in words.
        regions, slice: what is looked at, see :meth:`sagittal.asking.case.Case.pointed`; without them, what
            the case says.
        specialists: names of those that a model may call; all that can run when ``None``.
        report: told of each stage.

    Raises:
        InputError: the question cannot be asked, or the model cannot see anything in an image.
        IntegrityError, FileFormatError, StorageError: the model is damaged.
    """
    begun = time.perf_counter()
    question = clean_question(question)
    stages = Stages({"read images": case.seconds})
    if regions or slice is not None:
        with stages("read regions"):
            case = case.pointed(regions, slice)
    asked = _Asked(question, _looked_at(case), case.view, specialists)
    tell = report or (lambda _: None)
    name, outcome, tried = _first_answer(case.choice, asked, stages, tell)
    several = case.view is None and len(case.volumes.visits) > 1
    drawn = () if outcome.abstained else _drawn(outcome, asked, several=several)
    edited = () if outcome.abstained else tuple(outcome.volumes.values())
    seconds = case.seconds + time.perf_counter() - begun
    answer = Answer(
        question=question,
        text=outcome.text,
        abstained=outcome.abstained,
        reason=outcome.reason,
        # What was computed on the way to no answer answers nothing; it stands in the steps.
        measurements=() if outcome.abstained else outcome.measurements,
        fields={**outcome.fields, **({ASKED: FieldValue(outcome.asked)} if outcome.asked else {})},
        masks=tuple(MaskFile(d.name, "", d.volume_ml) for d in drawn),
        volumes=tuple(VolumeFile(image.name, "") for image in edited),
        boxes=() if outcome.abstained else outcome.boxes,
        lines=() if outcome.abstained else outcome.lines,
        steps=(*outcome.steps, *stages.steps(name)),
        images=tuple(image.name for image in asked.volumes.values()),
        warnings=(*case.remarks, *_turned(case.view), *tried, *outcome.warnings),
        model=name,
        version=__version__,
        seconds=seconds,
    )
    # What is suggested otherwise is asked of whole heads.
    more = () if case.view is not None else suggest(case.volumes, answer)
    return Consultation(case, answer, drawn, edited, outcome.suggestions or more)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A question and what it is asked of: images by variable, or one slice of the only one."""

    question: str
    volumes: Mapping[str, Image]
    view: View | None
    specialists: Sequence[str] | None = None


def _looked_at(case: Case) -> Mapping[str, Image]:
    volumes = case.volumes.volumes
    if case.view is None:
        return volumes
    return {name: image for name, image in volumes.items() if image is case.view.slice.image}


def _turned(view: View | None) -> list[str]:
    """Pixels of a picture are those that people see elsewhere, too; where they are not, it is said."""
    if view is None or not view.slice.is_whole or not view.slice.is_turned:
        return []
    return [
        f"{view.slice.image.name} is shown turned round, as a radiologist sees it: "
        "pixels are counted in overlay.png's picture, not in the order of the file"
    ]


def _first_answer(
    choice: Choice, asked: _Asked, stages: Stages, tell: Report
) -> tuple[str, Outcome, list[str]]:
    """The first model that does not abstain, its outcome, and what became of those before it.

    Where all abstain, the chosen model's own words stand.
    """
    chosen = _attempt(choice.offer, asked, stages, tell)
    tried = [f"{choice.offer.name} did not answer: {chosen.reason}"]
    for offer in choice.others if chosen.abstained else ():
        try:
            outcome = _attempt(offer, asked, stages, tell)
        except InputError as error:
            tried.append(f"{offer.name} cannot be asked about these images: {error.message}")
            continue
        if not outcome.abstained:
            return offer.name, outcome, tried
        tried.append(f"{offer.name} did not answer: {outcome.reason}")
    return choice.offer.name, chosen, tried[1:]


def _attempt(offer: Offer, asked: _Asked, stages: Stages, tell: Report) -> Outcome:
    tell(f"loading {offer.name}")
    if offer.consults and (asked.specialists is None or asked.specialists):
        shared_pool().expect()
    with stages("load the model"):
        answerer = offer.load()
    with stages("check images"):
        answerer.check(list(asked.volumes.values()))
    tell("answering")
    if isinstance(answerer, PictureSpeaker):
        assert asked.view is not None, "chosen for a picture or a slice"
        with stages(_SPEAKING):
            return answerer.reply_about(asked.question, asked.view)
    if isinstance(answerer, Speaker):
        with stages(_SPEAKING):
            return answerer.reply(asked.question, asked.volumes)
    if isinstance(answerer, Consultant):
        return _consult(answerer, asked, stages)
    return _converse(answerer, asked.question, asked.volumes, stages)


def _consult(answerer: Consultant, asked: _Asked, stages: Stages) -> Outcome:
    """A conversation with specialists, by the same loop; a call that fails is no reason to end it."""
    with stages(_RUNNING):
        planner, library, images = answerer.consultation(
            asked.question, asked.volumes, asked.view, asked.specialists
        )
        timed = TimedPlanner(planner, stages, _WRITING)
        outcome = converse(timed, Host(Library(STANDARD, library)), images, limits=Limits(24, 12))
    stages.seconds[_RUNNING] -= stages.seconds.get(_WRITING, 0.0)
    if asked.specialists is not None and not asked.specialists:
        return replace(outcome, warnings=(*outcome.warnings, _ALONE))
    return outcome


def _converse(answerer: Answerer, question: str, volumes: Mapping[str, Image], stages: Stages) -> Outcome:
    with stages(_RUNNING):
        planner, toolbox = answerer.session(question, volumes)
        timed = TimedPlanner(planner, stages, _WRITING)
        outcome = converse(timed, Host(STANDARD, toolbox), volumes)
    # The loop holds the planner; what is left is the work of the library.
    stages.seconds[_RUNNING] -= stages.seconds.get(_WRITING, 0.0)
    return outcome


def _drawn(outcome: Outcome, asked: _Asked, *, several: bool) -> tuple[Drawn, ...]:
    """The masks that hold anything, each with an image of its grid."""
    volumes = asked.volumes
    first = [names.split(",")[0].strip() for p in outcome.programs for names in _ENCODED.findall(p)]
    # In the order of the programs; images that were never first in an encoding come last.
    images = [volumes[n] for n in dict.fromkeys([*first, *volumes]) if n in volumes]
    made: list[Drawn] = []
    shown: dict[int, Image] = {}
    for mask in outcome.masks.values():
        on = [i for i in images if i.session == mask.session and i.geometry.same_grid(mask.geometry)]
        voxels = int(np.count_nonzero(mask.data))
        if not voxels or not on:
            continue
        label = next(iter(mask.labels.values()))
        name = f"{label}, visit {mask.session}" if several else label
        # One picture for all masks of a grid, so that they are seen together.
        image = shown.setdefault(id(on[0]), _clearest(label, on))
        # What one slice shows of a thing is no volume.
        volume = None if asked.view is not None else voxels * mask.geometry.voxel_volume / 1000
        made.append(Drawn(name, mask, image, volume))
    return _named_apart(made)


def _clearest(structure: str, images: Sequence[Image]) -> Image:
    """The image that people look at for a structure; the first where none is of such a kind."""
    known = structure_table().structures.get(structure)
    kinds: tuple[str, ...] = ()
    if known is not None:
        kinds = known.needs or (_LESIONS_SHOW if known.is_pathology else _ANATOMY_SHOWS)
    return next((image for kind in kinds for image in images if image.kind == kind), images[0])


def _named_apart(drawn: list[Drawn]) -> tuple[Drawn, ...]:
    """One mask of a name; a second, different one gets a number, the same one is left out."""
    kept: list[Drawn] = []
    for one in drawn:
        alike = [d for d in kept if d.name == one.name or d.name.startswith(f"{one.name} (")]
        if any((d.mask.data == one.mask.data).all() for d in alike if d.mask.shape == one.mask.shape):
            continue
        kept.append(replace(one, name=f"{one.name} ({len(alike) + 1})") if alike else one)
    return tuple(kept)


def ask_case(
    case: Case,
    question: str,
    out: str | Path | None = None,
    *,
    regions: Sequence[str | Region] = (),
    slice: str | None = None,
    specialists: Sequence[str] | None = None,
    report: Report | None = None,
) -> Consultation:
    """Ask, and write masks, images, picture and ``answer.json`` where ``out`` names a folder.

    Args:
        case, question, regions, slice, specialists, report: as for :func:`consult`.
        out: a new or empty folder, or that of an earlier answer.

    Raises:
        StorageError: the folder holds something else, or cannot be written; told before the work begins.
        Other errors as for :func:`consult`.
    """
    from sagittal.asking.writing import check_folder, write_consultation

    if out is not None:
        check_folder(Path(out))
    made = consult(case, question, regions=regions, slice=slice, specialists=specialists, report=report)
    if out is None:
        return made
    (report or (lambda _: None))("drawing")
    return write_consultation(made, Path(out))
