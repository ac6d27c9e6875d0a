"""Conversations about a study for VoxelPrompt (§4): a prompt, its programs, the true feedback and answer.

    >>> truth = Truth(made.study, made.facts)                                       # doctest: +SKIP
    >>> conversation = build_conversation(made.study, made.facts, rng, truth=truth) # doctest: +SKIP
    >>> example = to_example(with_truth(conversation, truth), made.study)           # doctest: +SKIP

Drawing a conversation looks at label counts only; :func:`with_truth` runs its programs over the true masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sagittal.builders.voxel.asked import asked, with_asked
from sagittal.builders.voxel.behaviour import BEHAVIOUR
from sagittal.builders.voxel.config import VoxelTasksConfig
from sagittal.builders.voxel.conversation import (
    SegmentCall,
    VoxelConversation,
    segment_calls,
    to_example,
    with_truth,
)
from sagittal.builders.voxel.editing import EDITING
from sagittal.builders.voxel.longitudinal import LONGITUDINAL
from sagittal.builders.voxel.morphology import MORPHOLOGY
from sagittal.builders.voxel.places import PLACING
from sagittal.builders.voxel.situation import Question, Situation, give_images
from sagittal.builders.voxel.statistics import STATISTICS
from sagittal.builders.voxel.targeting import TARGETING
from sagittal.builders.voxel.tasks import TASKS
from sagittal.builders.voxel.truth import OracleToolbox, Truth
from sagittal.builders.voxel.unanswerable import REASONS, UNANSWERABLE
from sagittal.errors import InputError
from sagittal.language.grammar import Pool
from sagittal.language.voxel_wordings import VoxelWordings, corrupt
from sagittal.study import Study

__all__ = [
    "ALL_TASKS",
    "REASONS",
    "TASKS",
    "UNANSWERABLE",
    "OracleToolbox",
    "SegmentCall",
    "Truth",
    "VoxelConversation",
    "VoxelTasksConfig",
    "build_conversation",
    "segment_calls",
    "to_example",
    "with_truth",
]

#: Every task of §4.1; :data:`TASKS` are those of the core.
ALL_TASKS = (*TASKS, *TARGETING, *BEHAVIOUR, *EDITING, *STATISTICS, *MORPHOLOGY, *LONGITUDINAL, *PLACING)
#: Draws before a study is said to have nothing to ask of it.
_TRIES = 60


def build_conversation(
    study: Study,
    facts: Mapping[str, Any] | None,
    rng: np.random.Generator,
    pool: Pool = "train",
    *,
    config: VoxelTasksConfig | None = None,
    wordings: VoxelWordings | None = None,
    truth: Truth | None = None,
    task: str | None = None,
) -> VoxelConversation:
    """Draw a question about a study, with the programs that answer it.

    Args:
        study: images, with masks called ``anatomy`` and ``lesions`` (:mod:`sagittal.simulate`).
        facts: of the simulated world; ``None`` for annotated real studies.
        rng: decides every draw: the same state gives the same conversation.
        pool: of prompts; see :class:`~sagittal.language.voxel_wordings.VoxelWordings`. Prompts of the
            withheld pool are clean, those of the others as people type them.
        config: shares and chances.
        wordings: the shipped ones unless given.
        truth: of this study, when at hand; it remembers what it counted.
        task: a name of :data:`TASKS` (where ``config`` has all tasks, of :data:`ALL_TASKS`) or a reason of
            :data:`UNANSWERABLE`, to draw that alone.

    Raises:
        InputError: nothing (or not this task) can be asked of the study.
    """
    config = config or VoxelTasksConfig()
    wordings = wordings or VoxelWordings.load()
    truth = truth or Truth(study, facts, config.maps)
    for _ in range(_TRIES):
        situation = Situation(truth, give_images(study.images, config, rng), config, rng)
        drawn = _draw(situation, task)
        if drawn is not None:
            name, reason, question = drawn
            break
    else:
        raise InputError(
            "Nothing of the kind can be asked of the study.",
            expected="a task that its images and masks allow",
            got=f"{study.name}: {task or 'any task'}",
        )
    prompt = wordings.sample(question.root, question.slots, rng, pool)
    text = prompt.text
    if pool != "withheld":
        text = corrupt(text, rng, typing=config.typing, typos=config.typos)
    number = int(rng.integers(1 << 32))
    programs = with_asked(question.programs, asked(question, reason, situation.table))
    return VoxelConversation(
        id=f"{study.name}/{pool}/{reason or name}/{number:08x}",
        task=name,
        reason=reason,
        root=question.root,
        slots=question.slots,
        question=text,
        acquisition=situation.given,
        programs=programs,
        segments=segment_calls(programs),
        structures=question.structures,
        withheld=prompt.withheld,
    )


def _draw(situation: Situation, wanted: str | None) -> tuple[str, str, Question] | None:
    """Task, reason, question; ``None`` when the draw led nowhere."""
    if wanted in REASONS or (wanted is None and situation.chance(situation.config.unanswerable)):
        kinds = [u for u in UNANSWERABLE if wanted in (None, u.reason) and u.applies(situation)]
        if not kinds:
            return None
        kind = situation.choose(kinds)
        question = kind.ask(situation)
        return ("unanswerable", kind.reason, question) if question is not None else None
    known = TASKS if situation.config.tasks == "core" else ALL_TASKS
    tasks = [t for t in known if wanted in (None, t.name) and t.applies(situation)]
    if not tasks:
        return None
    weights = np.array([t.weight for t in tasks])
    task = tasks[int(situation.rng.choice(len(tasks), p=weights / weights.sum()))]
    question = task.ask(situation)
    return (task.name, "", question) if question is not None else None
