"""Programs that a VoxelPrompt writes about the frozen test world, against the true ones.

Questions are drawn once, by a fixed seed, about patients and in words that training never sees: ``clean``, of
the wordings that the hash of their text keeps for validation; ``withheld``, with something in them that the
grammar keeps for tests; ``spoken``, whole sentences as people would put them, of those that training leaves
out. The model writes by greedy decoding, without voxels, and hears the true feedback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sagittal.agent.loop import Outcome
from sagittal.builders.voxel.truth import Truth
from sagittal.builders.voxel_tasks import (
    VoxelConversation,
    VoxelTasksConfig,
    build_conversation,
    with_truth,
)
from sagittal.evaluation.frozen_world import Place
from sagittal.language.voxel_wordings import VoxelWordings
from sagittal.models.voxelprompt import Exchange, Scribe, unseen_lesson
from sagittal.score.programs import WrittenPrograms, by_kind, program_scores
from sagittal.simulate import SimulatedStudy
from sagittal.train.language_stream import reserved_wording
from sagittal.train.language_writing import write_programs

if TYPE_CHECKING:
    from sagittal.language.tokenizer import Tokenizer
    from sagittal.models.voxelprompt import VoxelPrompt

Sort = Literal["clean", "withheld", "spoken"]
SORTS: tuple[Sort, ...] = ("clean", "withheld", "spoken")
_SEED = 730300


@dataclass(frozen=True, eq=False)
class Asking:
    """One question of the test world.

    Attributes:
        study: it is about.
        sort: of wording.
        question: in words.
        conversation: its true programs and feedback.
    """

    study: str
    sort: Sort
    question: str
    conversation: VoxelConversation

    @property
    def truth(self) -> Outcome:
        """The true answer."""
        assert self.conversation.outcome is not None
        return self.conversation.outcome


def draw_questions(
    studies: Iterable[tuple[Place, SimulatedStudy]], each: int = 8, tasks: Literal["core", "all"] = "core"
) -> Iterator[Asking]:
    """Questions about each study, ``each`` of every sort; always the same.

    Args:
        studies: from :func:`sagittal.evaluation.frozen_world.frozen_world`.
        each: how many of a sort about one study.
        tasks: those of the core, or all.
    """
    wordings = VoxelWordings.load()
    config = VoxelTasksConfig(tasks=tasks)
    for place, made in studies:
        truth = Truth(made.study, made.facts)
        for number, sort in enumerate(SORTS):
            rng = np.random.default_rng([_SEED, place.seed, place.index, number])
            for _ in range(each):
                drawn = build_conversation(
                    made.study, made.facts, rng, "withheld", config=config, wordings=wordings, truth=truth
                )
                question = drawn.question
                if sort == "clean":
                    question = reserved_wording(wordings, drawn.root, drawn.slots, rng)
                elif sort == "spoken":
                    question = wordings.spoken(drawn.root, drawn.slots, rng, "withheld").text
                yield Asking(place.name, sort, question, with_truth(drawn, truth))


def write_answers(
    model: VoxelPrompt, tokenizer: Tokenizer, questions: Sequence[Asking]
) -> dict[Sort, list[WrittenPrograms]]:
    """What the model writes, by sort of wording.

    Args:
        model: in evaluation mode.
        tokenizer: of the model.
        questions: from :func:`draw_questions`.
    """
    scribe = Scribe(tokenizer)
    scripts = []
    for asking in questions:
        true = asking.conversation
        heard = [f.text for f in true.feedback or ()]
        steps = [Exchange(p, f) for p, f in zip(true.programs, (*heard, ""), strict=True)]
        scripts.append(scribe.write(unseen_lesson(asking.question, true.volumes, steps)))
    found: dict[Sort, list[WrittenPrograms]] = {sort: [] for sort in SORTS}
    for asking, written in zip(questions, write_programs(model, tokenizer, scripts), strict=True):
        true = asking.conversation
        kind = true.reason or true.task
        found[asking.sort].append(WrittenPrograms(true.programs, written, asking.study, kind))
    return found


def program_lines(found: Mapping[Sort, Sequence[WrittenPrograms]], worst: int = 8) -> list[str]:
    """Markdown: rates with intervals over patients, and the tasks that go wrong most often.

    Args:
        found: from :func:`write_answers`.
        worst: how many tasks are listed.
    """
    lines = ["| wording | figure | share (95 % interval over studies) | of |", "| --- | --- | --- | --- |"]
    for sort, conversations in found.items():
        for name, rate in program_scores(conversations).items():
            low, high = rate.interval
            lines.append(f"| {sort} | {name} | {rate.value:.3f} ({low:.3f}–{high:.3f}) | {rate.total} |")
    every = [c for conversations in found.values() for c in conversations]
    lines += ["", "Least often exact:", "", "| task or reason | exact | of |", "| --- | --- | --- |"]
    rates = list(by_kind(every).items())[:worst]
    return [*lines, *(f"| {kind} | {rate.count} | {rate.total} |" for kind, rate in rates)]
