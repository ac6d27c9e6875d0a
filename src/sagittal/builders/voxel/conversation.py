"""One conversation: a prompt, the programs that answer it, and what each run of them gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sagittal.agent.loop import Feedback, Outcome
from sagittal.agent.syntax import Call, Name, Program, String, parse
from sagittal.builders.voxel.acquisition import Acquisition
from sagittal.builders.voxel.truth import Truth, run_truth
from sagittal.errors import ConfigError
from sagittal.example import Example, ImageRef, Message, ProgramPart, ResultPart, TextPart
from sagittal.language.voxel_wordings import Phrase
from sagittal.splits import split_of
from sagittal.study import Image, Study


@dataclass(frozen=True)
class SegmentCall:
    """A ``segment`` call, found as :class:`sagittal.agent.toolbox.CallSite` finds it.

    Attributes:
        program: which program of the conversation, from 0.
        call: which call of that program, in the order of its text.
        structure: what is segmented.
        volumes: variables of the images that were encoded for it; the mask lies on the first one's grid.
    """

    program: int
    call: int
    structure: str
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class VoxelConversation:
    """A question about a study, with the programs that answer it.

    Attributes:
        id: unique for study, pool and number.
        task: name of the task, or ``unanswerable``.
        reason: why it cannot be answered (a key of ``unanswerable.REASONS``); empty when it can.
        root: of the grammar, and
        slots: what fills it: the same question can be worded anew.
        question: the prompt as typed.
        acquisition: the images that are given, by variable.
        programs: step by step, in canonical form.
        segments: every ``segment`` call of theirs.
        structures: names that the question is about.
        withheld: whether anything in the prompt is kept back for testing.
        feedback: after each program but the last; ``None`` until :func:`with_truth` has run them.
        outcome: the true answer; likewise.
    """

    id: str
    task: str
    reason: str
    root: str
    slots: Mapping[str, Sequence[Phrase]]
    question: str
    acquisition: Acquisition
    programs: tuple[str, ...]
    segments: tuple[SegmentCall, ...]
    structures: tuple[str, ...]
    withheld: bool
    feedback: tuple[Feedback, ...] | None = None
    outcome: Outcome | None = None

    @property
    def volumes(self) -> Mapping[str, Image]:
        """The images, by variable."""
        return self.acquisition.volumes

    @property
    def prompt(self) -> str:
        """What the agent reads first: the question, then a line an image (§3, the first state)."""
        from sagittal.models.voxelprompt.words import acquisition_words

        return "\n".join([self.question, *acquisition_words(self.volumes).values()])


def segment_calls(programs: Sequence[str]) -> tuple[SegmentCall, ...]:
    """Every ``segment`` call of some programs whose features are a variable and whose structure is a text."""
    found: list[SegmentCall] = []
    encoded: dict[str, tuple[str, ...]] = {}
    for number, source in enumerate(programs):
        program = _parsed(source)
        for statement in program.statements:
            call = statement.expression
            if isinstance(call, Call) and call.function == "encode" and statement.target:
                encoded[statement.target] = tuple(a.id for a in call.arguments if isinstance(a, Name))
        for call in program.calls():
            if call.function == "segment":
                features, structure = call.arguments
                assert isinstance(features, Name) and isinstance(structure, String)
                found.append(SegmentCall(number, call.index, structure.value, encoded[features.id]))
    return tuple(found)


@lru_cache(maxsize=4096)
def _parsed(source: str) -> Program:
    return parse(source)


def with_truth(conversation: VoxelConversation, truth: Truth) -> VoxelConversation:
    """The conversation with the feedback and the answer that its own programs give over the truth."""
    outcome, feedback = run_truth(conversation.programs, conversation.volumes, truth)
    return replace(conversation, feedback=feedback, outcome=outcome)


def to_example(
    conversation: VoxelConversation,
    study: Study,
    *,
    images: Sequence[ImageRef] = (),
    source: str = "simulated",
    licence: str = "unstated",
) -> Example:
    """The conversation as a record: prompt, program, result, program, …, the words of the answer.

    ``targets``: task, reason, structures, acquisition's variables, one entry a ``segment`` call (program,
    call, structure, volumes), numbers (name, value, unit, of), abstained, withheld.

    Args:
        conversation: with its truth.
        study: that it was made from.
        images: its files; none for a study that was never written.
        source, licence: of the images.

    Raises:
        ConfigError: the truth was not run.
    """
    outcome, feedback = conversation.outcome, conversation.feedback
    if outcome is None or feedback is None:
        raise ConfigError(
            "An example needs the true feedback.", got=conversation.id, remedy="call with_truth() first"
        )
    messages = [Message(role="user", parts=(TextPart(text=conversation.prompt),))]
    for number, program in enumerate(conversation.programs):
        messages.append(Message(role="assistant", parts=(ProgramPart(program=program),)))
        if number < len(feedback):
            messages.append(Message(role="tool", parts=(ResultPart(result=feedback[number].text),)))
    messages.append(Message(role="assistant", parts=(TextPart(text=outcome.text),)))
    return Example(
        id=conversation.id,
        patient=study.patient,
        study=study.name,
        images=tuple(images),
        source=source,
        licence=licence,
        split=split_of(study.patient),
        task=conversation.task,
        messages=tuple(messages),
        targets=_targets(conversation, outcome),
    )


def _targets(conversation: VoxelConversation, outcome: Outcome) -> dict[str, Any]:
    return {
        "task": conversation.task,
        "reason": conversation.reason,
        "abstained": outcome.abstained,
        "structures": list(conversation.structures),
        "volumes": {name: image.kind for name, image in conversation.volumes.items()},
        "segments": [
            {"program": s.program, "call": s.call, "structure": s.structure, "volumes": list(s.volumes)}
            for s in conversation.segments
        ],
        "numbers": [
            {"name": m.name, "value": m.value, "unit": m.unit, "of": m.of} for m in outcome.measurements
        ],
        "withheld": conversation.withheld,
    }
