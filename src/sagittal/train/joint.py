"""Lessons with eyes and words together: a study, a question about it, the programs, and the true masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sagittal.builders.voxel.conversation import VoxelConversation
from sagittal.builders.voxel.truth import Truth
from sagittal.builders.voxel_tasks import VoxelTasksConfig, build_conversation, with_truth
from sagittal.models.voxelprompt.conversation import Conversation, Exchange, Scan, Scribe, Script
from sagittal.models.voxelprompt.lesson import lesson
from sagittal.models.voxelprompt.preparation import PreparationConfig
from sagittal.study import Mask, Study

#: From its number and a source of random changes: a study, and what is known of it beyond its masks
#: (``None`` for annotated real studies).
Studies = Callable[[int, np.random.Generator], tuple[Study, Mapping[str, Any] | None]]


@dataclass(frozen=True)
class JointConfig:
    """How lessons are drawn.

    Attributes:
        tasks: shares and chances of questions.
        preparation: how scans are prepared; the model's.
        patch: voxels an axis of the part of the scans that is shown; all of it when ``None``.
    """

    tasks: VoxelTasksConfig
    preparation: PreparationConfig
    patch: int | None = None


class Lessons:
    """Lesson ``number`` of a seed is always the same.

    Args:
        studies: where from.
        count: how many there are.
        scribe: writes conversations as tokens.
        config: how.
        seed: of the draws.
    """

    def __init__(self, studies: Studies, count: int, scribe: Scribe, config: JointConfig, seed: int) -> None:
        self.studies, self.count, self.scribe, self.config, self.seed = studies, count, scribe, config, seed

    def __call__(self, number: int) -> Script:
        """Draw a lesson whose programs segment something that the study settles.

        Raises:
            InputError: nothing can be asked of the study.
        """
        rng = np.random.default_rng([self.seed, number])
        while True:
            study, facts = self.studies(int(rng.integers(self.count)), rng)
            truth = Truth(study, facts, self.config.tasks.maps)
            drawn = build_conversation(study, facts, rng, config=self.config.tasks, truth=truth)
            if drawn.segments:
                break
        told = to_lesson(with_truth(drawn, truth), truth, self.config.preparation)
        if self.config.patch:
            told = cropped(told, [call.volumes[0] for call in drawn.segments], self.config.patch, rng)
        return self.scribe.write(told)


def to_lesson(drawn: VoxelConversation, truth: Truth, config: PreparationConfig) -> Conversation:
    """Prepared scans, programs with their true feedback, and the true mask of every ``segment`` call."""
    assert drawn.feedback is not None, "the conversation's programs have been run"
    steps = [
        Exchange(program, said)
        for program, said in zip(drawn.programs, (*(f.text for f in drawn.feedback), ""), strict=True)
    ]
    masks: list[Mask | None] = []
    for call in drawn.segments:
        image, structure = drawn.volumes[call.volumes[0]], truth.table[call.structure]
        masks.append(truth.mask(structure, image) if truth.knows(structure, image.session) else None)
    return lesson(drawn.question, drawn.volumes, steps, masks, config)


def cropped(told: Conversation, drawn_on: Sequence[str], size: int, rng: np.random.Generator) -> Conversation:
    """A part of every scan and target, around the same place in the world.

    The place lies near a voxel that some target shows, where they show anything.

    Args:
        told: with voxels.
        drawn_on: the scan on whose grid each target lies.
        size: of the part, voxels an axis of the finest spacing: thick slices keep their reach.
        rng: draws the place.
    """
    scans = {scan.name: scan for scan in told.scans}
    shown = [(m, on) for m, on in zip(told.masks, drawn_on, strict=True) if m is not None and bool(m.any())]
    if shown:
        around, name = shown[int(rng.integers(len(shown)))]
    else:
        name, first = next(iter(scans.items()))
        assert first.data is not None
        around = first.data
    found = (around > 0).nonzero()
    voxel = found[int(rng.integers(len(found)))].numpy() if len(found) else np.array(around.shape) // 2
    centre = scans[name].geometry.to_world(voxel + rng.uniform(-size / 4, size / 4, 3))
    boxes = {scan.name: _box(scan, centre, size) for scan in told.scans}
    masks = [None if m is None else m[boxes[on]] for m, on in zip(told.masks, drawn_on, strict=True)]
    parts = [_part(scan, boxes[scan.name]) for scan in told.scans]
    return replace(told, scans=tuple(parts), masks=tuple(masks))


def _box(scan: Scan, centre: np.ndarray[Any, Any], size: int) -> tuple[slice, ...]:
    spacing = np.asarray(scan.geometry.spacing)
    lengths = np.maximum(1, np.round(size * spacing.min() / spacing)).astype(int)
    middle = np.round(scan.geometry.to_voxel(centre)).astype(int)
    place = []
    for at, length, whole in zip(middle, lengths, scan.geometry.shape, strict=True):
        first = int(np.clip(at - length // 2, 0, max(0, whole - length)))
        place.append(slice(first, min(whole, first + int(length))))
    return tuple(place)


def _part(scan: Scan, box: tuple[slice, ...]) -> Scan:
    assert scan.data is not None
    geometry = scan.geometry.cropped([s.start for s in box], [s.stop for s in box])
    return replace(scan, geometry=geometry, data=scan.data[box].contiguous())
