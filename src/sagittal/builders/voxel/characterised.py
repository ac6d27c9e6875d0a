"""The five characterisations of VoxelPrompt's §5.3: which images are given, and which class is true of them.

Truth comes from what the simulated world put there (its facts), except for the signal's intensity, which the
world knows against white matter alone: that one is our measure of the true mask against the brain around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagittal.builders.voxel.structures import structure_table
from sagittal.builders.voxel.truth import Truth
from sagittal.errors import ConfigError
from sagittal.measure.block import block_of
from sagittal.measure.intensity import relative_intensity, surroundings
from sagittal.measure.places import PLACES
from sagittal.measure.proportions import TERRITORIES
from sagittal.simulate import SimulatedStudy
from sagittal.study import Image, Study

Facts = Mapping[str, Any]
#: From a study and its facts to the images that are given and their class, any number of times.
Judge = Callable[[Study, Facts], list[tuple[tuple[Image, ...], str]]]

_LESION = "lesion"


@dataclass(frozen=True)
class Characterisation:
    """One task.

    Attributes:
        name: of the task.
        question: how a model is asked; {seq} is the first image's sequence.
        worlds: presets of the simulated world whose studies show it.
        words: what an answer may say → class. Classes are in the order of their first word.
        judge: what is true of a study.
    """

    name: str
    question: str
    worlds: tuple[str, ...]
    words: Mapping[str, str]
    judge: Judge

    @property
    def classes(self) -> tuple[str, ...]:
        """What there is to choose from."""
        return tuple(dict.fromkeys(self.words.values()))

    def ask(self, images: Sequence[Image]) -> str:
        """The question about images."""
        kinds = structure_table().sequences
        return self.question.format(seq=kinds[images[0].kind].name if images[0].kind in kinds else "")

    def read(self, text: str) -> str | None:
        """The class that an answer names; ``None`` where it names none, or more than one.

        A longer word comes before one that is part of it ("not restricted" before "restricted").
        """
        classes = {word.lower(): name for word, name in self.words.items()}
        words = map(re.escape, sorted(classes, key=len, reverse=True))
        named = {classes[word] for word in re.findall(rf"(?<!\w)({'|'.join(words)})(?!\w)", text.lower())}
        return named.pop() if len(named) == 1 else None


@dataclass(frozen=True, eq=False)
class Characterised:
    """A case of a task.

    Attributes:
        name: of the study, with the first image's where not all are given.
        images: what is given.
        question: how a model is asked about them.
        truth: its class.
    """

    name: str
    images: tuple[Image, ...]
    question: str
    truth: str


def characterised(task: Characterisation, name: str, made: SimulatedStudy) -> list[Characterised]:
    """The cases that a study gives: none where the task has no answer in it.

    Args:
        task: what is asked.
        name: of the study.
        made: the study.
    """
    found = task.judge(made.study, made.facts) if made.facts["world"] in task.worlds else []
    every = len(made.study.images)
    return [
        Characterised(
            name if len(images) == every else f"{name}/{images[0].name}", images, task.ask(images), word
        )
        for images, word in found
    ]


def characterisation(name: str) -> Characterisation:
    """A task by name.

    Raises:
        ConfigError: there is none.
    """
    known = {task.name: task for task in CHARACTERISATIONS}
    if name not in known:
        raise ConfigError("There is no such characterisation.", expected=", ".join(known), got=name)
    return known[name]


def _signal(study: Study, facts: Facts) -> list[tuple[tuple[Image, ...], str]]:
    """Each image of a study with one lesion, alone: against a shell around the true mask, as programs do.

    An image of an unstated sequence cannot be asked about by name, and is left out.
    """
    if not _one_lesion(facts):
        return []
    truth = Truth(study, facts)
    mask, brain = (truth.mask(truth.table[name], study.images[0]) for name in (_LESION, "brain"))
    shell = surroundings(mask, _LESION, brain)
    [around] = shell.labels.values()
    lesion, reference = block_of(mask, _LESION), block_of(shell, around)
    return [
        ((image,), relative_intensity(image, lesion, reference, around).word)
        for image in study.images
        if image.kind in truth.table.sequences
    ]


def _fact(name: str, words: Mapping[Any, str]) -> Judge:
    """All images of a study with one lesion, and one of its facts."""

    def judge(study: Study, facts: Facts) -> list[tuple[tuple[Image, ...], str]]:
        word = words.get(facts["sessions"][0].get(name)) if _one_lesion(facts) else None
        return [] if word is None else [(study.images, word)]

    return judge


def _one_lesion(facts: Facts) -> bool:
    """Whether one lesion is in view: "the lesion" then means one thing."""
    return sum(lesion["voxels"] > 0 for lesion in facts["sessions"][0]["lesions"]) == 1


def _same(words: Sequence[str]) -> dict[str, str]:
    return {word: word for word in words}


CHARACTERISATIONS: tuple[Characterisation, ...] = (
    Characterisation(
        "signal intensity", "Is the lesion hyperintense, hypointense or isointense on {seq}?",
        ("lesion", "places"), _same(("hyperintense", "hypointense", "isointense")), _signal,
    ),
    Characterisation(
        "location", "In which part of the brain is the lesion located?",
        ("places",), _same(PLACES), _fact("place", _same(PLACES)),
    ),
    Characterisation(
        "vascular territory", "In which arterial territory is the lesion?",
        ("places",), _same(TERRITORIES), _fact("territory", _same(TERRITORIES)),
    ),
    Characterisation(
        "diffusion restriction", "Does the lesion restrict diffusion?", ("restriction",),
        {"restricted": "restricted", "not restricted": "not restricted", "shine-through": "not restricted"},
        _fact("restricts_diffusion", {True: "restricted", False: "not restricted"}),
    ),
    Characterisation(
        "contrast enhancement", "Does the lesion enhance after contrast?", ("enhancement",),
        _same(("enhancing", "not enhancing")),
        _fact("enhances", {True: "enhancing", False: "not enhancing"}),
    ),
)  # fmt: skip
