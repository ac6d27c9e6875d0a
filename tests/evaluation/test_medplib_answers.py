"""Questions put to a model: each gets its own answer and its own masks, whatever is asked beside it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from marked_pictures import speech_of, stream_of, tiny, toys, words
from sagittal.evaluation.medplib import answers
from sagittal.evaluation.medplib.answers import Given, put, words_of
from sagittal.evaluation.medplib.asked import grounding_questions, region_questions, without_regions
from sagittal.language.tokenizer import EOS, SEGMENT
from sagittal.models.vlm.model import VLM
from sagittal.train.picture_questions import Question
from sagittal.train.picture_turns import PictureTurns

TOKENIZER = words()
SPEECH = speech_of(TOKENIZER)
LONGEST = 12


@pytest.fixture(scope="module")
def model() -> VLM:
    """Says something else to every question, with masks among it, and comes to an end."""
    made = tiny(TOKENIZER)
    random = torch.Generator().manual_seed(1)
    head = nn.Linear(32, TOKENIZER.size)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4)
        # Where it is pointed at weighs more than all else.
        made.point.mlp[2].weight.mul_(50)
        head.weight.copy_(torch.randn(head.weight.shape, generator=random))
        head.bias.zero_()
        head.bias[TOKENIZER.special(SEGMENT)] = 11
        head.bias[TOKENIZER.special(EOS)] = 9
    made.language.lm_head = head
    return made


@pytest.fixture(scope="module")
def turns(model: VLM, tmp_path_factory: pytest.TempPathFactory) -> PictureTurns:
    return stream_of(model, TOKENIZER, tmp_path_factory.mktemp("features")).turns


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    pictures = toys()[:4]
    regions = region_questions(pictures)
    return [*regions, *grounding_questions(pictures), *without_regions(regions)]


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """In full precision: what is compared here is not how a machine rounds."""
    monkeypatch.setattr(answers, "autocast", nullcontext)


def equal(one: Given, other: Given) -> bool:
    apart = [float((a != b).mean()) for a, b in zip(one.masks, other.masks, strict=True)]
    # A pixel may lie on the border itself.
    return one.question is other.question and one.text == other.text and max(apart, default=0) < 0.005


def test_the_same_answers_alone_and_among_others(
    model: VLM, turns: PictureTurns, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = put(model, turns, questions, longest=LONGEST)
    assert [one.question for one in together] == questions
    assert len({one.text for one in together}) > 5
    assert len({len(one.masks) for one in together}) > 1
    for number, one in enumerate(questions):
        [alone] = put(model, turns, [one], longest=LONGEST)
        assert equal(together[number], alone)
    monkeypatch.setattr(answers, "_BATCH", 3)
    for one, other in zip(together, put(model, turns, questions[::-1], longest=LONGEST)[::-1], strict=True):
        assert equal(one, other)


def test_masks_lie_on_the_pictures_own_pixels(
    model: VLM, turns: PictureTurns, questions: list[Question]
) -> None:
    for one in put(model, turns, questions, longest=LONGEST):
        for mask in one.masks:
            assert mask.shape == toys()[one.question.picture].pixels.shape and mask.dtype == bool


def test_as_many_masks_as_are_said_and_as_long_as_allowed(
    model: VLM, turns: PictureTurns, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[list[list[int]]] = []
    say = VLM.say

    def listening(self, *args, **kwargs):
        found = say(self, *args, **kwargs)
        heard.append(found.tokens)
        return found

    monkeypatch.setattr(VLM, "say", listening)
    monkeypatch.setattr(answers, "_BATCH", len(questions))
    given = put(model, turns, questions, longest=4)
    [tokens] = heard
    assert max(map(len, tokens)) == 4
    segments = sorted(row.count(TOKENIZER.special(SEGMENT)) for row in tokens)
    assert segments == sorted(len(one.masks) for one in given) and segments[-1] > 0


def test_a_region_is_seen(model: VLM, turns: PictureTurns, questions: list[Question]) -> None:
    """The trap of the paper's code: region masks that are not passed on in evaluation."""
    asked = [one for one in questions if one.region is not None]
    moved = [replace(one, region=np.roll(one.region, (9, 13), (0, 1))) for one in asked]
    first, second = (put(model, turns, own, longest=LONGEST) for own in (asked, moved))
    assert any(a.text != b.text for a, b in zip(first, second, strict=True))
    again = put(model, turns, asked, longest=LONGEST)
    assert all(equal(a, b) for a, b in zip(first, again, strict=True))


def test_without_features_of_pixels_there_are_words_alone(
    model: VLM, questions: list[Question], tmp_path: Path
) -> None:
    silent = stream_of(model, TOKENIZER, tmp_path, drawn=False).turns
    given = put(model, silent, questions[:3], longest=LONGEST)
    assert [one.masks for one in given] == [()] * 3


def test_nothing_asked_is_nothing_answered(model: VLM, turns: PictureTurns) -> None:
    assert put(model, turns, []) == []


def test_words_are_told_without_masks_and_special_tokens() -> None:
    segment, end = TOKENIZER.special(SEGMENT), TOKENIZER.special(EOS)
    ids = [*TOKENIZER.encode("the liver "), segment, *TOKENIZER.encode(" and\n the spleen"), segment, end]
    assert words_of(SPEECH, ids) == "the liver and the spleen" and words_of(SPEECH, [segment]) == ""
