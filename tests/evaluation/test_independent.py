"""The runner of the independent questions, on made-up ones: the frozen file steers nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sagittal.errors import IntegrityError
from sagittal.evaluation.independent import SHA256, Judged, ask_all, question_lines, read_questions
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.voxelprompt import Scribe, VoxelPrompt, VoxelPromptConfig, unseen_lesson
from sagittal.models.voxelprompt.conversation import Exchange

QUESTIONS = Path(__file__).parents[1] / "questions" / "independent_questions.jsonl"


def made_up(text: str, answerable: bool, **more: object) -> dict[str, object]:
    expected = {"task": "volume", "of": ["brain"], "side": None, "sequence": None}
    return {
        "id": "x", "question": text, "sessions": [["t1", "flair"]], "answerable": answerable,
        "expected": expected if answerable else {"reason": "treatment"}, **more,
    }  # fmt: skip


def test_the_file_must_be_the_frozen_one(tmp_path: Path) -> None:
    assert len(read_questions(QUESTIONS)) == 400
    other = tmp_path / "q.jsonl"
    other.write_bytes(QUESTIONS.read_bytes() + b"\n")
    with pytest.raises(IntegrityError, match="frozen"):
        read_questions(other)
    assert len(SHA256) == 64


def test_a_model_that_knows_two_answers_gives_them() -> None:
    """Overfitted on one question that it can answer and one that it must decline, and asked both."""
    from sagittal.builders.voxel.acquisition import acquisition
    from sagittal.evaluation.independent import _images

    volumes = acquisition(_images([["t1", "flair"]])).volumes
    programs = ("f = encode(t1, flair)\nread(f)", 'm = segment(f, "brain")\nv = volume(m)\nread(v)')
    refusal = 'abstain("No treatment is advised here.")'
    tokenizer = Tokenizer.train([*programs, refusal, "How large is the brain?", "Which drug?"] * 3, 300)
    torch.manual_seed(0)
    model = VoxelPrompt(VoxelPromptConfig.preset("tiny", vocabulary=tokenizer.size))
    scribe = Scribe(tokenizer)
    steps = [Exchange(programs[0], "2 encoded images"), Exchange(programs[1])]
    scripts = [
        scribe.write(unseen_lesson("How large is the brain?", volumes, steps)),
        scribe.write(unseen_lesson("Which drug?", volumes, [Exchange(refusal)])),
    ]
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(200):
        losses = model(scripts)
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
        if bool(losses.exact.all()):
            break
    asked = [made_up("How large is the brain?", True), made_up("Which drug?", False)]
    judged = list(ask_all(model.eval(), tokenizer, asked))
    assert [j.verdict for j in judged] == ["right", "right"]
    assert judged[0].programs == programs
    assert judged[1].programs == (refusal,)


def test_a_call_without_its_marks_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a program reads well, but no φ would reach the networks."""
    from sagittal.models.voxelprompt.session import VoxelPromptPlanner

    tokenizer = Tokenizer.train(["f = encode(t1, flair)"], 300)
    model = VoxelPrompt(VoxelPromptConfig.preset("tiny", vocabulary=tokenizer.size)).eval()
    written = iter(["f = encode(t1, flair)\nread(f)", 'm = segment(f, "brain")\nv = volume(m)'])
    monkeypatch.setattr(VoxelPromptPlanner, "next_program", lambda self, heard: next(written))
    [judged] = ask_all(model, tokenizer, [made_up("How large is the brain?", True)])
    assert judged.verdict == "failed"


def test_shares_are_counted_apart() -> None:
    verdicts = [("right", True), ("wrong", True), ("abstained", True), ("right", False), ("wrong", False)]
    judged = [Judged(made_up("?", a, debatable=n == 1), (), v) for n, (v, a) in enumerate(verdicts)]  # type: ignore[arg-type]
    lines = question_lines(judged)
    assert any(line.startswith("| all | right | 0.400") for line in lines)
    assert any(line.startswith("| all | confidently wrong | 0.400") for line in lines)
    assert any(line.startswith("| undisputed | confidently wrong | 0.250") for line in lines)
    assert any(line.startswith("| all | unanswerable: abstained | 0.500") for line in lines)
