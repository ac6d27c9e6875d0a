"""A question is asked back where the model gives its own reading of it too little probability."""

from __future__ import annotations

import pytest
import torch
from test_voxelprompt_session import images
from voxelprompt_world import PROGRAMS, QUESTION, tiny_model, tiny_tokenizer

from sagittal.agent.syntax import parse
from sagittal.models.decoding import GrowingContext
from sagittal.models.voxelprompt import Exchange, VoxelPromptPlanner, unseen_lesson
from sagittal.models.voxelprompt.conversation import Scribe
from sagittal.models.voxelprompt.doubt import doubted, first_line, likelihood
from sagittal.train.language_writing import write_programs

READ = 'asked = "volume: whole tumour"\nf = encode(t1)\nread(f)'


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def test_the_first_line_ends_with_its_line_break(tokenizer):
    text = "f = encode(t1, flair)\nread(f)\nstop()"
    tokens = tokenizer.encode(text)
    line = first_line(tokenizer, tokens)
    assert line == tokens[: len(line)]
    assert "\n" in tokenizer.decode(line) and "\n" not in tokenizer.decode(line[:-1])
    assert first_line(tokenizer, tokenizer.encode("stop()")) == tokenizer.encode("stop()")
    assert first_line(tokenizer, []) == []


def test_likelihood_is_the_product_over_tokens(tokenizer):
    model = tiny_model(tokenizer)
    prompts = [tokenizer.encode("f = encode(t1, flair)")[:4]] * 3
    lines = [tokenizer.encode("read(f)"), [], tokenizer.encode("m = segment(f")]
    before = GrowingContext(model.language)
    before.append_tokens(torch.tensor(prompts))
    length = before.computed
    found = likelihood(model, before, lines)
    assert before.computed == length
    for row, line in enumerate(lines):
        # Literally: one token after the other, each from a softmax over the whole text before it.
        product = 1.0
        for n, token in enumerate(line):
            ids = torch.tensor([[*prompts[row], *line[:n]]])
            with torch.no_grad():
                product *= float(model.language(input_ids=ids).logits[0, -1].float().softmax(dim=0)[token])
        assert float(found[row]) == pytest.approx(product, rel=1e-3)


def test_what_is_said_instead_is_a_program_that_abstains():
    said = doubted(READ)
    calls = [s.expression.function for s in parse(said).statements if hasattr(s.expression, "function")]
    assert calls == ["abstain"] and "whole tumour" in said
    assert doubted(said) is None
    assert doubted("f = encode(t1)") is None and doubted('asked = "unfinished') is None
    # What a model wrote is foreign text.
    assert "\x1b" not in doubted(READ.replace("whole", "\x1b[31m"))


@pytest.fixture
def said(monkeypatch):
    """Whatever is doubted is replaced."""
    for where in ("sagittal.models.voxelprompt.session", "sagittal.train.language_writing"):
        monkeypatch.setattr(f"{where}.doubted", lambda program: 'abstain("?")')


def first(model, tokenizer):
    planner = VoxelPromptPlanner(model, tokenizer, QUESTION, images(), program_tokens=12)
    return planner.next_program(None), planner.likelihood


@pytest.mark.parametrize(("share", "asked_back"), [(0.999, False), (1.001, True)])
def test_a_program_is_replaced_below_the_threshold_alone(tokenizer, said, share, asked_back):
    model = tiny_model(tokenizer)
    text, unknown = first(model, tokenizer)
    assert unknown is None
    model.config = model.config.model_copy(update={"doubt": 1e-30})
    same, likely = first(model, tokenizer)
    assert same == text and 0 < likely < 1
    model.config = model.config.model_copy(update={"doubt": likely * share})
    assert first(model, tokenizer) == ('abstain("?")' if asked_back else text, likely)


def test_programs_are_scored_as_they_are_acted_on(tokenizer, said):
    model = tiny_model(tokenizer)
    script = Scribe(tokenizer).write(unseen_lesson(QUESTION, images(), [Exchange(PROGRAMS[0], "")]))
    plain = write_programs(model, tokenizer, [script])
    assert "abstain" not in plain[0][0]
    model.config = model.config.model_copy(update={"doubt": 1.0})
    assert write_programs(model, tokenizer, [script]) == [('abstain("?")',)]
