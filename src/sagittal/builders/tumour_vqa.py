"""Tumour questions and answers from segmentations: the protocol of mpLLM (§3.2.1, appendix A).

Its three steps, as one pure function of a study (:func:`build_study`): measure each label
(:mod:`sagittal.measure`), turn the measurements into classes, and put the classes into worded
questions and answers (:mod:`sagittal.language`). :mod:`sagittal.builders.tumour_set` runs it over a
data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagittal.builders.presets import TumourPreset
from sagittal.builders.tumour_questions import draw_wordings, generator_for
from sagittal.builders.tumour_targets import TumourTargets
from sagittal.errors import InputError
from sagittal.example import Example, ImagePart, ImageRef, Message, TextPart
from sagittal.language.grammar import Pool
from sagittal.language.wording import Wording, Wordings, fill, listed
from sagittal.splits import Split, split_of

if TYPE_CHECKING:
    from sagittal.io.labels import LabelTable
    from sagittal.measure.atlas import Atlas
    from sagittal.measure.description import LabelDescription
    from sagittal.study import Study

UNSTATED = "unstated"
#: Measurements kept beside the classes that rest on them.
NUMBERS = (
    "voxels", "volume_ml", "brain_percent", "components", "core_share", "surface_mm2",
    "sphericity", "compactness", "elongation", "flatness", "solidity", "covered_share",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Where the images came from and on which terms, as the user states it."""

    source: str = UNSTATED
    licence: str = UNSTATED


def build_study(
    study: Study,
    images: Sequence[ImageRef],
    *,
    preset: TumourPreset,
    labels: LabelTable,
    atlas: Atlas,
    wordings: Wordings,
    seed: int,
    origin: Origin = Origin(),
) -> list[Example]:
    """Six questions of each label of the table, with their answers.

    Args:
        study: its one mask, and a skull-stripped T1; other images are not looked at.
        images: the files that the questions are asked of, in the order that they are shown in.
        preset: thresholds, and the pool of wordings for test patients.
        labels: value → name of the mask's labels, with long names for the text. A label without a
            voxel is asked of as well; its answers are ``N/A``.
        atlas: gives the regions.
        wordings: the source of wordings.
        seed: with the study's and the label's name, it decides every draw.
        origin: source and licence of the images.

    Returns:
        Examples in the order of the table; of each label four in scope, one partly and one wholly out
        of it. Their targets are :class:`~sagittal.builders.tumour_targets.TumourTargets`.

    Raises:
        InputError: not one mask, no brain to compare with, or a class that cannot be decided.
        LabelError: a value in the mask that the table does not name.
    """
    split = split_of(study.patient)
    pool = pool_of(split, preset)
    examples = []
    for facts in label_facts(study, preset=preset, labels=labels, atlas=atlas):
        rng = generator_for(seed, study.name, facts["label"])
        for number, wording in enumerate(draw_wordings(rng, wordings, pool)):
            examples.append(_example(study, number, images, split, targets_of(wording, facts), origin))
    return examples


def label_facts(
    study: Study, *, preset: TumourPreset, labels: LabelTable, atlas: Atlas
) -> list[dict[str, Any]]:
    """What is true of each label of a study, whatever is asked: the part of the targets without words.

    Args:
        study, preset, labels, atlas: as for :func:`build_study`.

    Returns:
        Of each label of the table, what :func:`targets_of` adds a wording to; plain JSON values.

    Raises:
        InputError, LabelError: as for :func:`build_study`.
    """
    described, warnings = _describe(study, preset, atlas)
    return [
        {**_facts(label, preset), "label": name, "label_text": labels.long(name), "warnings": list(warnings)}
        for name, label in described.items()
    ]


def pool_of(split: Split, preset: TumourPreset) -> Pool:
    """The pool that a split's wordings come from."""
    return "withheld" if split == "test" and preset.test_wordings == "withheld" else "train"


def worded(wording: Wording, label: str, classes: Mapping[str, Any]) -> tuple[str, str]:
    """Question and answer of a wording with a label's classes in its slots.

    Args:
        wording: with open slots.
        label: the label's name in text.
        classes: ``volume``, ``regions`` (a sequence), ``shape`` and ``spread``.
    """
    return fill(
        wording,
        label=label,
        volume=classes["volume"],
        regions=listed(classes["regions"]),
        shape=classes["shape"],
        spread=classes["spread"],
    )


def task_tag(wording: Wording) -> str:
    """The example's task: ``volume+shape``, ``region+out-of-scope``, ``out-of-scope``."""
    beyond = () if wording.kind == "in_scope" else ("out-of-scope",)
    return "+".join((*wording.tasks, *beyond))


def _describe(
    study: Study, preset: TumourPreset, atlas: Atlas
) -> tuple[Mapping[str, LabelDescription], tuple[str, ...]]:
    from sagittal.measure.brain import find_brain
    from sagittal.measure.describe import describe

    if len(study.masks) != 1:
        raise InputError("One segmentation is needed.", expected="one mask", got=len(study.masks))
    brain = find_brain(study.images)
    if brain.mask is None:
        raise InputError(
            "The share of the brain cannot be measured.",
            expected="a skull-stripped T1",
            got="; ".join((brain.reason or "", *brain.warnings)),
        )
    found = describe(study.masks[0], brain=brain.mask, atlas=atlas, config=preset.thresholds)
    return found.labels, tuple(dict.fromkeys((*brain.warnings, *found.warnings)))


def _facts(label: LabelDescription, preset: TumourPreset) -> dict[str, Any]:
    """The four classes of a label, and the numbers that they rest on."""
    classes = {
        "volume": label.volume_class,
        "regions": label.region_words(preset.thresholds),
        "shape": label.shape_class,
        "spread": label.spread_class,
    }
    for name, value in classes.items():
        if value is None:
            key = name if name == "regions" else f"{name}_class"
            raise InputError(
                f"{name} of {label.name} cannot be decided.",
                got=label.undefined.get(key, "unknown"),
                remedy="mend the segmentation's header, or take the study out of the folder",
            )
    numbers = {key: getattr(label, key) for key in NUMBERS}
    return {**classes, "numbers": numbers, "region_shares": label.regions or {}}


def targets_of(wording: Wording, facts: Mapping[str, Any]) -> TumourTargets:
    """A label's facts (:func:`label_facts`) with the question that is asked of it."""
    text = {"question": wording.question, "answer": wording.answer, "withheld": wording.withheld}
    return TumourTargets.model_validate(
        {
            **facts,
            "kind": wording.kind,
            "asked": wording.tasks,
            "out_of_scope": wording.kind != "in_scope",
            "items": wording.out_of_scope,
            "wording": text,
        }
    )


def _example(
    study: Study,
    number: int,
    images: Sequence[ImageRef],
    split: Split,
    targets: TumourTargets,
    origin: Origin,
) -> Example:
    wording = targets.open_wording()
    question, answer = worded(wording, targets.label_text, targets.classes())
    shown = tuple(ImagePart(image=index) for index in range(len(images)))
    return Example(
        id=f"{study.name}/{targets.label}/{number}",
        patient=study.patient,
        study=study.name,
        images=tuple(images),
        source=origin.source,
        licence=origin.licence,
        split=split,
        task=task_tag(wording),
        messages=(
            Message(role="user", parts=(*shown, TextPart(text=question))),
            Message(role="assistant", parts=(TextPart(text=answer),)),
        ),
        targets=targets.model_dump(mode="json"),
    )
