"""The independent questions (``tests/questions``): what a model does with words that no template made.

The file is frozen by its hash. No voxel is looked at: the images exist only as the model reads of them (kind,
visit, grid), and what is read of them is nothing. What is judged is which programs are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sagittal.agent.loop import Feedback
from sagittal.agent.toolbox import Reading
from sagittal.builders.voxel.acquisition import acquisition
from sagittal.errors import InputError, IntegrityError
from sagittal.evaluation.judging import Verdict, judge
from sagittal.files import sha256_file
from sagittal.geometry import Geometry
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.voxelprompt import VoxelPrompt, encoded_words
from sagittal.models.voxelprompt.marks import Ledger, VisionCall
from sagittal.models.voxelprompt.session import VoxelPromptPlanner
from sagittal.score.intervals import wilson
from sagittal.study import Image

SHA256 = "f234f8fa49daf8f88f02568648fe87abb1345727185f5808eb91adfe473c2618"
_GRID = Geometry((240, 240, 155), np.eye(4))
# The first program encodes, the second computes: what follows is how it is said.
_PROGRAMS = 2


@dataclass(frozen=True)
class Judged:
    """One question's outcome."""

    question: Mapping[str, Any]
    programs: tuple[str, ...]
    verdict: Verdict


def read_questions(path: str | Path) -> list[dict[str, Any]]:
    """The questions.

    Raises:
        IntegrityError: the file is not the frozen one.
        StorageError: it cannot be read.
    """
    found = sha256_file(Path(path))
    if found != SHA256:
        raise IntegrityError("These are not the frozen questions.", expected=SHA256, got=found)
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def ask_all(
    model: VoxelPrompt, tokenizer: Tokenizer, questions: Sequence[Mapping[str, Any]]
) -> Iterator[Judged]:
    """Let a model write programs for each question, and judge them.

    Args:
        model: in evaluation mode.
        tokenizer: of the model.
        questions: from :func:`read_questions`.
    """
    for question in questions:
        volumes = acquisition(_images(question["sessions"])).volumes
        programs, sound = _written(model, tokenizer, question["question"], volumes)
        visits = sorted({image.session for image in volumes.values()})
        given = {name: (image.kind, visits.index(image.session) + 1) for name, image in volumes.items()}
        yield Judged(question, programs, judge(programs, given, question) if sound else "failed")


def _images(sessions: Sequence[Sequence[str]]) -> list[Image]:
    nothing = np.broadcast_to(np.zeros((), np.float32), _GRID.shape)
    return [
        Image(nothing, _GRID, kind, f"{kind}-{number}", session=f"{number:03d}" if len(sessions) > 1 else "")
        for number, kinds in enumerate(sessions, start=1)
        for kind in kinds
    ]


def _written(
    model: VoxelPrompt, tokenizer: Tokenizer, question: str, volumes: Mapping[str, Image]
) -> tuple[tuple[str, ...], bool]:
    """The programs, and whether each can be followed and marks every volume of its vision calls."""
    planner = VoxelPromptPlanner(model, tokenizer, question, volumes)
    ledger, programs, heard = Ledger(), [], None
    for _ in range(_PROGRAMS):
        program = planner.next_program(heard)
        if program is None:
            break
        programs.append(program)
        try:
            calls = ledger.enter(program)
        except InputError:
            return tuple(programs), False
        # A call with a mark too few or too many gets no φ, and fails when it is run.
        if any(len(call.offsets) != len(planner.states.get(call.index, ())) for call in calls):
            return tuple(programs), False
        if "abstain(" in program:
            break
        heard = _nothing_read(calls, ledger, model)
    return tuple(programs), True


def _nothing_read(calls: Sequence[VisionCall], ledger: Ledger, model: VoxelPrompt) -> Feedback:
    """What reading encoded images says, with vectors of zeros."""
    counts = [len(ledger.volumes[call.features]) for call in calls if call.function == "read"]
    width = model.config.language.width
    readings = tuple(Reading(encoded_words(n), torch.zeros(n, width)) for n in counts)
    return Feedback("\n".join(r.text for r in readings) or "done", readings)


def question_lines(judged: Sequence[Judged]) -> list[str]:
    """Markdown: shares with Wilson's 95 % interval, over all questions and over those beyond dispute."""
    lines = ["| questions | figure | share (95 % interval) | of |", "| --- | --- | --- | --- |"]
    for name, part in (
        ("all", judged),
        ("undisputed", [j for j in judged if not j.question.get("debatable")]),
    ):
        for figure, count, total in _figures(part):
            low, high = wilson(count, total)
            lines.append(f"| {name} | {figure} | {count / total:.3f} ({low:.3f}–{high:.3f}) | {total} |")
    return lines


def _figures(judged: Sequence[Judged]) -> Iterator[tuple[str, int, int]]:
    answerable = [j for j in judged if j.question["answerable"]]
    other = [j for j in judged if not j.question["answerable"]]
    sorts: tuple[tuple[str, Sequence[Judged], Verdict], ...] = (
        ("right", judged, "right"),
        ("confidently wrong", judged, "wrong"),
        ("answerable: right", answerable, "right"),
        ("answerable: partly", answerable, "partly"),
        ("answerable: abstained", answerable, "abstained"),
        ("answerable: wrong", answerable, "wrong"),
        ("no program that can be run", judged, "failed"),
        ("unanswerable: abstained", other, "right"),
    )
    for name, part, verdict in sorts:
        if part:
            yield name, sum(j.verdict == verdict for j in part), len(part)
