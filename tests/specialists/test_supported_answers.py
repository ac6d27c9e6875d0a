"""Answers that a result supports: all that they say was told; one of them is written, whatever is liked."""

from __future__ import annotations

import random

import numpy as np
import pytest

from sagittal.agent.budget import Budget
from sagittal.geometry import Geometry
from sagittal.language.report_findings import positive_findings
from sagittal.language.specialist_answers import abstention
from sagittal.specialists.consulting import Told
from sagittal.specialists.feedback import Region, classes_text, masks_text
from sagittal.specialists.measuring import Found
from sagittal.specialists.registry import specialists
from sagittal.specialists.supported import OneOf, supported_answers
from sagittal.specialists.triggers import Trigger, numbers_of
from sagittal.study import Image

CARDS = {name: entry.card for name, entry in specialists().entries.items()}
IMAGE = Image(np.zeros((4, 4, 4)), Geometry((4, 4, 4), np.eye(4)), "t1", "t1")


def told_mask(name, argument, regions, whole=()):
    found = Found("result1", IMAGE, "t1", False, tuple(regions), tuple(whole))
    return Told(masks_text(name, argument, regions, "axial slice 9", whole), None, (), found)


@pytest.mark.parametrize(
    ("regions", "whole"),
    [
        ([Region("whole tumour", "vermilion", ("43.9 mL", "left"))], ()),
        ([Region("whole tumour", "vermilion", ())], ()),
        ([Region("left lung", "yellow", ("9.1%",)), Region("right lung", "blue", ("11%",))], ()),
        ([Region("heart", "red", ("6.17%",))], ("cardiothoracic ratio 0.489",)),
        ([Region(f"left rib {n}", "red", (f"{n}.4 mL",)) for n in range(1, 25)], ()),
        ([Region("left rib 1", "red", ("3.4 mL",))], ()),
        ([], ()),
    ],
)
def test_numbers_of_answers_are_those_that_were_told(regions, whole):
    told = told_mask("Eyes", "whole tumour", regions, whole)
    answers = supported_answers(told, Trigger("Eyes", "whole tumour"), CARDS["Eyes"])
    assert answers and len(set(answers)) == len(answers)
    for answer in answers:
        assert set(numbers_of(answer)) <= {n for r in regions for f in r.facts for n in numbers_of(f)} | {
            n for words in whole for n in numbers_of(words)
        }, answer
    if not regions:
        assert answers == ["No whole tumour was found."]


def test_one_mask_can_be_asked_for_its_size_its_side_its_outline_and_whether_it_is_there():
    told = told_mask("Eyes", "oedema", [Region("oedema", "red", ("4.2 mL", "left"))])
    answers = supported_answers(told, Trigger("Eyes", "oedema"), CARDS["Eyes"])
    assert [answer.partition(":")[0] for answer in answers] == ["Yes", "Size", "Side", "Outline", "No answer"]
    assert all("left" in answer for answer in answers if answer.startswith(("Yes", "Side", "Outline")))
    assert sum(abstention(answer) is not None for answer in answers) == 1


def test_of_several_labels_each_can_be_asked_for_and_their_sizes_stand_beside_a_ratio():
    regions = [
        Region("heart", "red", ("6.17%",)),
        Region("left lung", "blue", ("9.1%",)),
    ]
    told = told_mask("ChestOrgans", "heart and lungs", regions, ("cardiothoracic ratio 0.489",))
    answers = supported_answers(told, Trigger("ChestOrgans", "heart and lungs"), CARDS["ChestOrgans"])
    assert {
        "The cardiothoracic ratio is 0.489: the heart is not enlarged.",
        "Size: the heart takes up 6.17% of the picture; the left lung takes up 9.1% of the picture.",
        "Size: the heart takes up 6.17% of the picture.",
        "Yes: left lung was found; it takes up 9.1% of the picture.",
        "Outline: the heart in red, the left lung in blue.",
    } <= set(answers)
    assert sum(abstention(answer) is not None for answer in answers) == 1


@pytest.mark.parametrize("over", [0, 1])
def test_lists_too_long_to_be_said_give_way_to_a_sentence(over):
    names = ["a" * 35] * 20
    listed = "Outline: " + ", ".join(f"the {name} in red" for name in names) + "."
    names[0] += "b" * (Budget().text - len(listed) + over)
    told = told_mask("VISTA3D", "everything", [Region(name, "red") for name in names])
    answers = supported_answers(told, Trigger("VISTA3D", "everything"), CARDS["VISTA3D"])
    lists = [len(answer) for answer in answers if answer.startswith("Outline: the") and "," in answer]
    assert lists == ([] if over else [Budget().text])
    assert max(map(len, answers)) <= Budget().text
    assert "Outline: every label that was found, each in its own colour." in answers


def test_findings_are_answered_one_by_one_or_all_together():
    card = CARDS["ChestFindings"]
    probabilities = {name: 0.99 if n % 2 else 0.0 for n, name in enumerate(card.classes)}
    positive = card.positive(probabilities)
    told = Told(classes_text(card.name, "findings", positive), classes=probabilities)
    report, *single, refusal = supported_answers(told, Trigger(card.name, "findings"), card)
    assert positive_findings(report) == positive and abstention(refusal)
    assert single == [f"Finding: {name}: {'yes' if yes else 'no'}." for name, yes in positive.items()]


def test_the_likeliest_class_is_the_one_answer_of_classes_that_exclude_each_other():
    card = CARDS["TumourType"]
    names = list(card.classes)
    told = Told("…", classes={name: 0.7 if name == names[1] else 0.1 for name in names})
    likeliest, refusal = supported_answers(told, Trigger(card.name, "x"), card)
    assert likeliest == f"The likeliest is {names[1]}." and abstention(refusal)


def test_a_failure_supports_nothing():
    assert supported_answers(Told("Eyes: no result, it failed."), Trigger("Eyes", "x"), CARDS["Eyes"]) == []


def literal(vocabulary, texts, tokens):
    """What may follow, tried token by token; token 0 ends."""
    begun = b"".join(vocabulary[token] for token in tokens)
    for token, own in enumerate(vocabulary):
        if own and any(text.encode().startswith(begun + own) for text in texts):
            yield token
    if begun in {text.encode() for text in texts}:
        yield 0


@pytest.mark.parametrize("seed", range(20))
def test_one_of_the_texts_is_written_whole(seed):
    texts = ["No.", "No answer: why", "Yes: ä 4.2 mL.", "Yes: ä"]
    vocabulary = [
        b"",
        *(bytes([n]) for n in range(256)),
        b"Yes",
        b" answer",
        b": \xc3",
        b"\xa4 4.",
        b"No",
        b"zz",
    ]
    constraint, rng, tokens = OneOf(vocabulary, 0, texts), random.Random(seed), []
    while not tokens or tokens[-1] != 0:
        allowed = sorted(constraint(0, tokens))
        assert allowed == sorted(literal(vocabulary, texts, tokens))
        tokens.append(rng.choice(allowed))
    assert len(tokens) <= constraint.longest
    assert b"".join(vocabulary[t] for t in tokens).decode() in texts
