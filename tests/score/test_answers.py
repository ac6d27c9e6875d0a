"""Answers in words: against slow, literal references, and read by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.errors import InputError
from sagittal.example import Example, Message, TextPart
from sagittal.score.answers import METRICS, figures, judge, judge_all, mean_over, table, unread
from sagittal.score.choosing import closed_is_right, read_choice
from sagittal.score.words import precision_and_recall, words

OPTIONS = {"A": "Lung cancer", "B": "Lung", "C": "No abnormality", "D": "A cyst"}


def example(
    id: str, answer: str, task: str = "vqa-open", study: str = "s1", modality: str | None = None, **targets
) -> Example:
    return Example(
        id=id,
        patient=study,
        study=study,
        source="test",
        licence="test",
        split="test",
        task=task,
        messages=(
            Message(role="user", parts=(TextPart(text="What?"),)),
            Message(role="assistant", parts=(TextPart(text=answer),)),
        ),
        targets={"answer": answer, "modality": modality, "question_type": None} | targets,
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The left Lung.", ("left", "lung")),
        ("T2-weighted, 1.5 cm", ("t2", "weighted", "1.5", "cm")),
        ("Crohn\u2019s disease", ("crohn's", "disease")),
        ("snake_case", ("snake", "case")),
        ("\uff23\uff34 ５", ("ct", "5")),
        ("肺 CT图", ("肺", "ct", "图")),
        ("A", ("a",)),
        ("the a", ("the", "a")),
        ("-5 %", ("5",)),
        ("...", ()),
        ("", ()),
    ],
)
def test_words(text: str, found: tuple[str, ...]) -> None:
    assert words(text) == found


def literal_shares(said: list[str], due: list[str]) -> tuple[float, float]:
    """Strike each word of the one off the other's list, once."""
    left, hits = list(due), 0
    for word in said:
        if word in left:
            left.remove(word)
            hits += 1
    return (hits / len(said) if said else 0.0), (hits / len(due) if due else 0.0)


TEXTS = st.lists(st.sampled_from(["lung", "left", "right", "mass", "2", "the"]), max_size=8)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_shares_are_the_literal_ones(said: list[str], due: list[str]) -> None:
    one, other = " ".join(said), " ".join(due)
    assert precision_and_recall(one, other) == literal_shares(list(words(one)), list(words(other)))
    # Swapping the texts swaps the shares; order and capitals do not matter.
    assert precision_and_recall(one, other) == precision_and_recall(other, one)[::-1]
    assert precision_and_recall(" ".join(said[::-1]).upper(), other) == precision_and_recall(one, other)


def test_a_repeated_word_counts_as_often_as_it_is_due() -> None:
    assert precision_and_recall("lung lung lung", "left lung") == (1 / 3, 1 / 2)
    assert precision_and_recall("lung lung", "lung lung") == (1, 1)
    assert precision_and_recall("", "lung") == (0, 0)
    assert precision_and_recall("lung", "?") == (0, 0)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"), ("b", "B"), (" (C). ", "C"), ("D: A cyst", "D"), ("A) lung cancer", "A"),
        ("B. Lung", "B"),
        ("The answer is C.", "C"), ("Answer: D", "D"), ("option (B) because of its shape", "B"),
        ("I choose option A, not option Z.", "A"),
        ("Lung cancer", "A"), ("lung", "B"), ("It shows a cyst here.", "D"), ("This is lung cancer.", "A"),
        ("There is no abnormality.", "C"), ("Lung, not lung cancer", "B"),
        ("A", "A"),
    ],
)  # fmt: skip
def test_an_option_is_read(text: str, letter: str) -> None:
    assert read_choice(text, OPTIONS) == (letter, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"), ("  \n", "empty"), ("...", "none"), ("E", "none"), ("I cannot tell.", "none"),
        ("The answer is a tumour", "none"), ("It is not a cyst.", "none"), ("cysts", "none"),
        ("Lung or a cyst", "several"), ("Answer: A. Answer: B.", "several"),
        ("B: A cyst", "contradiction"), ("The answer is A: a cyst", "contradiction"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(text: str, why: str) -> None:
    assert read_choice(text, OPTIONS) == (None, why)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    letter, why = read_choice(text, OPTIONS)
    assert (letter in OPTIONS) != (why is not None)
    closed_is_right(text, "Yes")


def test_every_option_is_read_from_its_letter_and_from_its_words() -> None:
    for letter, option in OPTIONS.items():
        for text in (letter, f"{letter}: {option}", option, f"The answer is {letter}."):
            assert read_choice(text, OPTIONS) == (letter, None)


@pytest.mark.parametrize(
    ("text", "reference", "found"),
    [
        ("Yes", "yes", (True, None)),
        ("No, the heart is not enlarged.", "No", (True, None)),
        ("Yes, no doubt.", "no", (False, None)),
        ("The heart is normal.", "no", (False, "none")),
        ("", "no", (False, "empty")),
        ("the left side", "Left side", (True, None)),
        ("left", "Left side", (False, None)),
        ("不是", "不是", (True, None)),
    ],
)
def test_closed_questions(text: str, reference: str, found: tuple[bool, str | None]) -> None:
    assert closed_is_right(text, reference) == found


def a_few() -> tuple[list[Example], dict[str, str]]:
    asked = [
        example("1", "yes", "vqa-closed", "s1", "CT"),
        example("2", "no", "vqa-closed", "s2", "CT"),
        example("3", "no", "vqa-closed", "s3", "MR"),
        example("4", "left lung", study="s1", modality="MR"),
        example("5", "B: Lung", "vqa-choice", "s2", options=OPTIONS, label="B"),
        example("6", "D: A cyst", "vqa-choice", "s3", options=OPTIONS, label="D"),
    ]
    return asked, {"1": "Yes.", "2": "perhaps", "3": "no", "4": "lung", "5": "the lung", "6": "lung or cyst"}


def test_figures_counted_by_hand() -> None:
    judged = judge_all(*a_few())
    found = {metric: figure.value for metric, figure in figures(judged).items()}
    assert found == pytest.approx(
        {
            "closed accuracy": 2 / 3,
            "choice accuracy": 0.5,
            "open precision": 1,
            "open recall": 0.5,
            "unread": 0.4,
        }
    )
    assert unread(judged) == {"none": 1, "several": 1}


def test_rows_by_modality() -> None:
    judged = judge_all(*a_few())
    rows = {row["group"]: row for row in table(judged, "modality")}
    assert list(rows) == ["all", "CT", "MR", "unstated"]
    assert rows["CT"]["figures"]["closed accuracy"]["value"] == 0.5
    assert rows["MR"]["figures"]["open recall"] == {"count": 1, "value": 0.5, "low": 0.5, "high": 0.5}
    assert "choice accuracy" not in rows["CT"]["figures"]
    assert sum(row["questions"] for row in rows.values()) == 2 * len(judged)
    # Two groups have closed questions; each counts once.
    assert mean_over(judged, "modality")["closed accuracy"].value == 0.75


def literal_interval(right: list[list[float]], seed: int) -> tuple[float, float]:
    """Draw whole images, string their questions together, average."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(500):
        drawn = [right[i] for i in rng.integers(len(right), size=len(right))]
        means.append(np.mean([mark for image in drawn for mark in image]))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def test_intervals_are_those_of_resampled_images() -> None:
    rng = np.random.default_rng(1)
    asked, said, right = [], {}, []
    # Names in sorted order, so that both ways draw the same images.
    for image in range(30):
        good = bool(rng.random() < 0.6)
        count = int(rng.integers(1, 5))
        right.append([float(good)] * count)
        for n in range(count):
            asked.append(example(f"{image}/{n}", "yes", "vqa-closed", f"s{image:02}"))
            said[f"{image}/{n}"] = "yes" if good else "no"
    found = figures(judge_all(asked, said))["closed accuracy"]
    assert (found.low, found.high) == pytest.approx(literal_interval(right, 0))
    assert found.low < found.value < found.high


def test_order_does_not_matter() -> None:
    asked, said = a_few()
    assert table(judge_all(asked[::-1], said), "modality") == table(judge_all(asked, said), "modality")


def test_reference_answers_are_right() -> None:
    asked, _ = a_few()
    found = figures(judge_all(asked, {one.id: one.targets["answer"] for one in asked}))
    assert [found[metric].value for metric in METRICS] == [1, 1, 1, 1, 0]


def test_hostile_input() -> None:
    asked, said = a_few()
    with pytest.raises(InputError, match="one answer") as missing:
        judge_all(asked, {id: text for id, text in said.items() if id != "3"})
    assert "3" in str(missing.value.got)
    with pytest.raises(InputError, match="one answer"):
        judge_all(asked, said | {"stranger": "yes"})
    with pytest.raises(InputError, match="not answered in words"):
        judge(example("7", "", "vqa-grounding"), "")
    with pytest.raises(InputError, match="no answer to score"):
        figures([])
