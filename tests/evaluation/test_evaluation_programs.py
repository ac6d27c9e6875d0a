"""Questions of the test world are always the same and never trained on; what is written is counted right."""

from __future__ import annotations

import numpy as np
import pytest

import sagittal.evaluation.programs as module
from sagittal.evaluation.frozen_world import Place, make_study
from sagittal.evaluation.programs import draw_questions, program_lines, write_answers
from sagittal.language.tokenizer import Tokenizer
from sagittal.language.voxel_wordings import VoxelWordings
from sagittal.simulate import HeadSet, preset
from sagittal.train.language_stream import reserved


@pytest.fixture(scope="module")
def studies():
    config = preset("gli").model_copy(update={"shape": (40, 46, 36), "spacing": (4.5, 4.5, 4.5)})
    places = [Place("gli", n, config, 7) for n in range(2)]
    heads = HeadSet.phantoms(1, 3.0)
    return [(place, make_study(place, heads)) for place in places]


@pytest.fixture(scope="module")
def questions(studies):
    return list(draw_questions(studies, 4))


def test_questions_are_always_the_same(studies, questions):
    again = list(draw_questions(studies[1:], 4))
    assert [q.question for q in again] == [q.question for q in questions[12:]]
    assert [q.conversation.programs for q in again] == [q.conversation.programs for q in questions[12:]]
    assert [(q.study, q.sort) for q in questions[::4]] == [
        (study, sort) for study in ("gli/0", "gli/1") for sort in ("clean", "withheld", "spoken")
    ]


def test_no_wording_was_trained_on(questions):
    assert all(reserved(q.question) for q in questions if q.sort == "clean")
    assert all(q.conversation.withheld for q in questions if q.sort == "withheld")
    wordings = VoxelWordings.load()
    for asking in questions:
        if asking.sort == "spoken":
            drawn, rng = asking.conversation, np.random.default_rng(0)
            trained = {wordings.spoken(drawn.root, drawn.slots, rng, "train").text for _ in range(500)}
            assert asking.question not in trained
        heard = asking.conversation.feedback
        assert heard is not None and len(heard) == len(asking.conversation.programs) - 1
        assert not any(f.error for f in heard)


def test_what_is_written_is_counted(questions, monkeypatch):
    texts = [q.question for q in questions] + [p for q in questions for p in q.conversation.programs]
    tokenizer = Tokenizer.train(texts * 3, 500)
    given = []

    def perfect_but_for_the_first(model, tokenizer, scripts):
        given.extend(scripts)
        true = [tuple(step.program for step in s.conversation.steps) for s in scripts]
        return [("nonsense",), *true[1:]]

    monkeypatch.setattr(module, "write_programs", perfect_but_for_the_first)
    found = write_answers(None, tokenizer, questions)
    assert [s.conversation.question for s in given] == [q.question for q in questions]
    assert {sort: len(c) for sort, c in found.items()} == {"clean": 8, "withheld": 8, "spoken": 8}
    assert [c.exact for c in found["clean"]] == [False, *[True] * 7]
    assert all(c.exact for sort in ("withheld", "spoken") for c in found[sort])
    assert {c.cluster for c in found["clean"]} == {"gli/0", "gli/1"}
    lines = program_lines(found)
    assert any(line.startswith("| clean | exact | 0.875 (") and line.endswith(" 8 |") for line in lines)
    assert any(line.startswith("| withheld | exact | 1.000 (") for line in lines)
    first = questions[0].conversation
    worst = lines[lines.index("| task or reason | exact | of |") + 2]
    assert worst.startswith(f"| {first.reason or first.task} | ")
