"""What must hold for the tumour questions of one study, whatever made their words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from sagittal.builders.presets import TumourPreset
from sagittal.builders.shards import question_and_answer
from sagittal.builders.tumour_questions import IN_SCOPE, QUESTIONS
from sagittal.builders.tumour_targets import TumourTargets
from sagittal.builders.tumour_vqa import pool_of, task_tag, worded
from sagittal.errors import ConfigError, FileFormatError
from sagittal.example import Example
from sagittal.language.quality import faults
from sagittal.language.wording import KINDS, TASKS, TYPES
from sagittal.measure.classes import NOT_PRESENT, SHAPE_CLASSES, SPREAD_CLASSES, VOLUME_CLASSES

Problem = tuple[str, str]
_CLASSES = {"volume": VOLUME_CLASSES, "shape": SHAPE_CLASSES, "spread": SPREAD_CLASSES}


class _LabelName(BaseModel):
    name: str
    long: str


class _Labels(BaseModel):
    labels: dict[str, _LabelName]


class TumourSettings(BaseModel):
    """The part of the manifest's config that the questions must agree with."""

    preset: TumourPreset
    labels: _Labels
    regions: tuple[str, ...]


def tumour_settings(config: Mapping[str, Any]) -> TumourSettings:
    """What a manifest's config says of tumour questions.

    Raises:
        FileFormatError: it is not such a config.
    """
    try:
        return TumourSettings.model_validate(config)
    except ValidationError as error:
        raise FileFormatError(
            "The manifest's config is not one of tumour questions.", got=str(error)
        ) from error


def check_tumour_study(
    study: str, examples: Sequence[Example], settings: TumourSettings
) -> Iterator[Problem]:
    """Problems of one study as (place, what): counts, tasks, classes and words.

    Args:
        study: its name.
        examples: all of the study's examples that validate.
        settings: from :func:`tumour_settings`.
    """
    preset = settings.preset
    regions = {*settings.regions, NOT_PRESENT, preset.thresholds.unlocalised}
    long_names = {entry.name: entry.long for entry in settings.labels.labels.values()}
    by_label: dict[str, list[TumourTargets]] = {name: [] for name in long_names}
    for example in examples:
        try:
            targets = TumourTargets.model_validate(example.targets)
        except ValidationError as error:
            yield example.id, f"the targets do not have their form: {error}"
            continue
        by_label.setdefault(targets.label, []).append(targets)
        yield from ((example.id, what) for what in _check_classes(targets, regions))
        yield from ((example.id, what) for what in _check_words(example, targets, preset))
    for label, held in by_label.items():
        if label not in long_names or any(t.label_text != long_names[label] for t in held):
            yield f"{study}/{label}", "the label table has no label of this name and text"
        yield from ((f"{study}/{label}", what) for what in _check_label(held))


def _check_label(held: Sequence[TumourTargets]) -> Iterator[str]:
    due = dict(zip(KINDS, (IN_SCOPE, 1, 1), strict=True))
    kinds = Counter(targets.kind for targets in held)
    if dict(kinds) != due:
        yield f"{len(held)} questions, {dict(kinds)}; {QUESTIONS} are due, {due}"
    types = [targets.asked for targets in held if targets.kind == "in_scope"]
    if len(set(types)) != len(types):
        yield "two in-scope questions have one type"
    missing = [task for task in TASKS if not any(task in tasks for tasks in types)]
    if missing:
        yield f"no in-scope question asks {', '.join(missing)}"
    if len({repr((t.classes(), t.numbers, t.region_shares, t.label_text)) for t in held}) > 1:
        yield "its questions give different classes or numbers for one label"


def _check_classes(targets: TumourTargets, regions: set[str]) -> Iterator[str]:
    for task, classes in _CLASSES.items():
        if getattr(targets, task) not in classes:
            yield f"{task} has the unknown class {getattr(targets, task)}"
    strange = sorted(set(targets.regions) - regions)
    if strange or len(set(targets.regions)) != len(targets.regions):
        yield f"the regions are {', '.join(targets.regions)}; known are {', '.join(sorted(regions))}"
    present = [v != NOT_PRESENT for v in (targets.volume, targets.shape, targets.spread)]
    if len({*present, targets.numbers.get("voxels") != 0}) > 1:
        yield "the label is there by one task and N/A by another"
    if targets.asked not in (TYPES if targets.kind != "out_of_scope" else [()]):
        yield f"the tasks {', '.join(targets.asked) or 'none'} are not a type of this kind of question"
    if targets.out_of_scope != (targets.kind != "in_scope"):
        yield "out_of_scope does not follow from the kind"


def _check_words(example: Example, targets: TumourTargets, preset: TumourPreset) -> Iterator[str]:
    """The text is the wording with the targets' classes in its slots, and the wording is sound."""
    wording = targets.open_wording()
    found = faults(wording.question, wording.answer, wording.kind, wording.tasks)
    if found:
        yield f"the wording breaks the rules: {', '.join(found)}"
    try:
        due = worded(wording, targets.label_text, targets.classes())
    except ConfigError as error:
        yield f"the wording has a slot that cannot be filled: {error.got}"
    else:
        if question_and_answer(example) != due:
            yield "the text does not state the targets' classes in the wording's slots"
    if example.task != task_tag(wording):
        yield f"the task is {example.task}; {task_tag(wording)} is asked"
    if wording.withheld != (pool_of(example.split, preset) == "withheld"):
        yield f"the wording is {'' if wording.withheld else 'not '}of the withheld pool"
