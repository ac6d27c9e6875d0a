"""The rule-based check and the splitting of replies."""

from __future__ import annotations

import pytest

from sagittal.language.quality import faults, is_english, split_pairs
from sagittal.language.wording import CANONICAL, TASKS, TYPES

GOOD = ("How large is {label}?", "The volume of {label} is {volume}.")


@pytest.mark.parametrize("tasks", TYPES)
def test_the_papers_own_pairs_pass(tasks: tuple[str, ...]) -> None:
    question, answer = CANONICAL[tasks]
    assert faults(question, answer, "in_scope", tasks) == []


@pytest.mark.parametrize(
    ("question", "answer", "named"),
    [
        ("", GOOD[1], {"empty_question", "question_slots"}),
        ("{label}", GOOD[1], {"empty_question"}),
        (GOOD[0], "", {"answer_slots"}),
        (GOOD[1], GOOD[1], {"question_is_answer", "question_slots"}),
        ("How large is the tumor?", GOOD[1], {"question_slots"}),
        ("How large is {label} at {volume}?", GOOD[1], {"question_slots"}),
        ("How large is {Label}?", GOOD[1], {"question_slots"}),
        (GOOD[0], "The volume of {label} is 5%.", {"answer_slots"}),
        (GOOD[0], "The volume of {label} is {volume} or {volume}.", {"answer_slots"}),
        (GOOD[0], "The volume of {label} in {regions} is {volume}.", {"answer_slots"}),
        (GOOD[0], "The volume is {volume}.", {"answer_slots"}),
        (GOOD[0], "The volume of {label} is {{volume}}.", {"stray_mark"}),
        (GOOD[0], "The volume of {label} is {volume} {diameter}.", {"answer_slots"}),
        ("How large is {label} on <scan>?", GOOD[1], {"stray_mark"}),
        (GOOD[0], "The volume of {label} is {volume}. " + "It is so. " * 200, {"too_long"}),
        ("Wie groß ist das Volumen von {label}?", GOOD[1], {"not_english"}),
        ("Quel est le volume de la lésion {label} dans le cerveau?", GOOD[1], {"not_english"}),
        ("¿Cuál es el volumen de {label}?", GOOD[1], {"not_english"}),
        ("{label} 的体积是多少?", GOOD[1], {"not_english"}),
        ("Каков объём {label}?", GOOD[1], {"not_english"}),
        ("Please include the placeholders, how large is {label}?", GOOD[1], {"prompt_echo"}),
    ],
)
def test_faults_are_named(question: str, answer: str, named: set[str]) -> None:
    assert set(faults(question, answer, "in_scope", ("volume",))) == named


def test_out_of_scope_answers_may_leave_the_label_out() -> None:
    question = "What is the prognosis of {label}?"
    assert faults(question, "I cannot comment on the prognosis.", "out_of_scope", ()) == []
    assert faults(question, "  ", "out_of_scope", ()) == ["empty_answer"]
    assert faults(question, "It is {volume}.", "out_of_scope", ()) == ["answer_slots"]


@pytest.mark.parametrize(
    "text",
    [
        "Volume?",
        "Shape class of it",
        "Findings for X: total volume 1; brain region 2; general shape 3; spread 4",
    ],
)
def test_terse_report_style_is_english(text: str) -> None:
    assert is_english(text)


@pytest.mark.parametrize(
    ("text", "pairs", "unpaired"),
    [
        ("Q: one? A: two.", [("one?", "two.")], 0),
        ("Q: one?\nA: two.\n\nQ: three?\nA: four\nfive.", [("one?", "two."), ("three?", "four five.")], 0),
        (
            "1. **Q:** one?\n   **A:** two.\n2. **Q:** three?\n   **A:** four.",
            [("one?", "two."), ("three?", "four.")],
            0,
        ),
        ("Sure, here they are:\nQ: one?\nA: two.", [("one?", "two.")], 0),
        ("Q1: one? A1: two.", [("one?", "two.")], 0),
        ("Q: cut off", [], 1),
        ("Q: one?\nQ: two?\nA: three.\nA: four.", [("two?", "three.")], 2),
        ("nothing of the kind", [], 0),
        ("", [], 0),
    ],
)
def test_split_pairs(text: str, pairs: list[tuple[str, str]], unpaired: int) -> None:
    assert split_pairs(text) == (pairs, unpaired)


def test_splitting_a_huge_reply_is_quick() -> None:
    pairs, unpaired = split_pairs("Q: one?\nA: two.\n" * 20_000 + " " * 100_000 + "*" * 100_000)
    assert len(pairs) == 20_000 and not unpaired


def test_all_tasks_need_all_slots() -> None:
    question, answer = CANONICAL[TASKS]
    assert faults(question, answer.replace("{spread}", "focal"), "in_scope", TASKS) == ["answer_slots"]
