"""Questions in words about films: enough templates, right answers by a literal reading, fair draws."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from chest_pool import film
from sagittal.builders.chest.entries import EntryConfig, entries_of
from sagittal.builders.chest.facts import FilmFacts
from sagittal.builders.chest.questions import CONTENTS, SEMANTICS, question_entries, templates
from sagittal.io.films.names import FINDINGS
from sagittal.io.films.statement import FilmQuestion, Sign
from sagittal.score.chest_tasks import Answered, score_task


def facts(**values: object) -> FilmFacts:
    whole = {
        "name": "pool/a",
        "patient": "p",
        "study": "s",
        "file": "a.png",
        "sha256": "0" * 64,
        "sources": ["x"],
    }
    return FilmFacts.model_validate({**whole, **values})


def drawn(number: int) -> FilmFacts:
    """A film of which everything is known."""
    one = film(number, np.random.default_rng(number))
    return facts(
        name=f"pool/{number}", view=one.view, sex=one.sex, labels=one.labels, oedema=one.oedema,
        report=one.report, ctr=0.3 + 0.01 * (number % 40), cpar=0.4, signs=one.signs, devices=one.devices,
        areas={"left lung": 0.2 + 0.01 * (number % 5), "right lung": 0.19 + 0.01 * (number % 7)},
        boxes={"heart": (300, 400, 600, 700), "left lung": (550, 100, 900, 700)},
    )  # fmt: skip


FILMS = [drawn(number) for number in range(120)]
#: What the draws above never make.
RARE = [
    facts(view="lateral"),
    facts(labels={"Edema": True}, signs=[Sign(name="Edema", side="both", zone="upper", size="large")]),
]


def test_there_are_as_many_templates_as_published_and_of_all_types() -> None:
    assert len({wording for one in templates() for wording in one.wordings}) >= 48
    assert {one.semantic for one in templates()} == set(SEMANTICS)
    assert {one.content for one in templates()} == set(CONTENTS)
    for one in templates():
        assert len(set(one.wordings)) == len(one.wordings)


def test_every_template_can_be_asked_and_fills_its_slots() -> None:
    for template in templates():
        cases = [case for film in (*FILMS, *RARE) for case in template.rule(film)]
        assert cases, template.name
        for wording in template.wordings:
            words = wording.format(**cases[0].slots)
            assert "{" not in words
            assert words.endswith(("?", "."))
            for slot in cases[0].slots:
                assert f"{{{slot}}}" in wording, (template.name, slot)
        if template.semantic == "verify":
            assert {case.answers for case in cases} == {("yes",), ("no",)}, template.name


def test_answers_to_choose_are_among_what_is_offered() -> None:
    for template in templates():
        if template.semantic == "choose":
            for film in FILMS:
                for case in template.rule(film):
                    for wording in template.wordings:
                        words = wording.format(**case.slots).lower()
                        assert all(answer.lower() in words for answer in case.answers), words
                        assert len(case.answers) == 1


def cases(name: str, film: FilmFacts) -> dict[tuple[str, ...], tuple[str, ...]]:
    [template] = [one for one in templates() if one.name == name]
    return {tuple(case.slots.values()): case.answers for case in template.rule(film)}


def test_presence_is_read_from_labels_alone() -> None:
    one = facts(labels={"Edema": True, "Nodule": False, "Fracture": False})
    assert cases("finding-present", one) == {
        ("edema",): ("yes",), ("nodule",): ("no",), ("fracture",): ("no",),
    }  # fmt: skip
    assert cases("either-present", one)["edema", "nodule"] == ("yes",)
    assert cases("either-present", one)["nodule", "fracture"] == ("no",)
    assert cases("both-present", one)["edema", "nodule"] == ("no",)
    assert cases("which-present", one) == {
        ("edema", "nodule"): ("edema",), ("edema", "fracture"): ("edema",),
    }  # fmt: skip
    # Three labels do not say that nothing else is there.
    assert cases("any-abnormality", facts(labels={"Nodule": False})) == {}
    assert cases("any-abnormality", one) == {(): ("yes",)}
    assert cases("any-abnormality", facts(labels={"No Finding": True})) == {(): ("no",)}


def test_places_are_told_where_all_of_them_are_known() -> None:
    there = {name: name in ("Nodule", "Pleural Effusion") for name in FINDINGS}
    nodule = Sign(name="Nodule", side="left", zone="upper", size="small")
    fluid = Sign(name="Pleural Effusion", side="both")
    one = facts(labels=there, signs=[nodule, fluid])
    assert cases("where", one) == {
        ("nodule",): ("left upper zone",),
        ("pleural effusion",): ("left", "right"),
    }
    assert cases("findings-of-side", one) == {
        ("left",): ("nodule", "pleural effusion"), ("right",): ("pleural effusion",),
    }  # fmt: skip
    assert cases("on-both-sides", one) == {("nodule",): ("no",), ("pleural effusion",): ("yes",)}
    assert cases("which-side", one) == {("nodule",): ("left",)}
    assert cases("extent", one) == {("nodule",): ("small",)}
    # Fluid is in no zone, so that no zone is known to be free of it.
    assert cases("abnormal-zones", one) == {}
    assert cases("findings-of-zone", one) == {}
    # A label without a place: its side is not known, and what is on a side is not.
    unplaced = facts(labels=there, signs=[nodule])
    assert cases("findings-of-side", unplaced) == {}
    assert ("pleural effusion", "left") not in cases("finding-in-lung", unplaced)
    assert cases("finding-in-lung", unplaced)["nodule", "right"] == ("no",)
    assert cases("finding-in-lung", unplaced)["edema", "right"] == ("no",)


@pytest.mark.parametrize(("ctr", "wide"), [(0.5, "no"), (0.5001, "yes")])
def test_both_sides_of_an_enlarged_heart(ctr: float, wide: str) -> None:
    assert cases("heart-wide", facts(ctr=ctr)) == {(): (wide,)}
    assert cases("heart-size", facts(ctr=ctr)) == {(): ("enlarged" if wide == "yes" else "normal",)}
    assert cases("heart-wide", facts(ctr=ctr, heart="cardiomediastinum")) == {}


@pytest.mark.parametrize(
    ("left", "answer"), [(0.18, ("right",)), (0.181, None), (0.2, None), (0.23, ("left",))]
)
def test_a_lung_is_larger_only_by_a_tenth(left: float, answer: tuple[str, ...] | None) -> None:
    found = cases("larger-lung", facts(areas={"left lung": left, "right lung": 0.2}))
    assert found == ({} if answer is None else {(): answer})


def test_nothing_is_asked_of_which_nothing_is_known() -> None:
    assert question_entries(facts(), 12, np.random.default_rng(0)) == []
    assert entries_of(facts(), EntryConfig(), 0) == []
    lateral = entries_of(facts(view="lateral"), EntryConfig(questions=9), 0)
    assert {entry.targets["content"] for entry in lateral} == {"plane"}


def test_questions_of_a_film_differ_and_take_turns() -> None:
    for one in FILMS:
        asked = question_entries(one, 9, np.random.default_rng(1))
        assert len({entry.question for entry in asked}) == len(asked)
        assert [entry.task for entry in asked[:3]] == ["vqa-verify", "vqa-choose", "vqa-query"]
        contents = [entry.targets["content"] for entry in asked[:6]]
        assert len(set(contents)) >= 5


def test_yes_and_no_are_drawn_alike() -> None:
    answers: Counter[str] = Counter()
    for seed in range(4):
        for one in FILMS:
            answers.update(
                e.answer
                for e in question_entries(one, 3, np.random.default_rng(seed))
                if e.task == "vqa-verify"
            )
    assert 0.4 < answers["yes"] / answers.total() < 0.6


def test_published_questions_are_asked_as_they_are() -> None:
    asked = [
        FilmQuestion(id="1", semantic="verify", content="presence", question="Is it?", answers=("yes",)),
        FilmQuestion(id="2", semantic="verify", content="presence", question="Is it?", answers=()),
        FilmQuestion(id="3", semantic="query", content="anatomy", question="Where?", answers=("a", "b")),
        FilmQuestion(id="4", semantic="query", content="anatomy", question="What?", answers=()),
    ]
    found = entries_of(facts(questions=asked, view="PA"), EntryConfig(), 0)
    assert [(entry.task, entry.prompt, entry.answer) for entry in found] == [
        ("vqa-verify", "[vqa] Based on the input image, is it?", "yes"),
        ("vqa-query", "[vqa] Based on the input image, where?", "a, b"),
        ("vqa-query", "[vqa] Based on the input image, what?", "none"),
    ]


def test_the_right_answers_score_best() -> None:
    """Every answer has the form that its prompt asks for."""
    pytest.importorskip("sacrebleu")
    pytest.importorskip("nltk")
    by_task: dict[str, list[Answered]] = {}
    for one in FILMS:
        for number, entry in enumerate(entries_of(one, EntryConfig(rec=2, reg=2, questions=6), 0)):
            by_task.setdefault(entry.task, []).append(
                Answered(f"{one.name}/{number}", one.patient, entry.task, entry.answer, entry.answer)
            )
    assert len(by_task) == 10
    for task, answers in by_task.items():
        found = score_task(answers[0].task, answers)
        figures = found.figures(np.ones(len(answers)))
        assert figures["unread"] == 0, task
        for metric, value in figures.items():
            if "MAE" in metric or "RMSE" in metric:
                assert value == 0
            elif metric not in ("unread", "METEOR"):
                assert value == pytest.approx(1), (task, metric)


def test_entries_follow_from_seed_and_film_alone() -> None:
    one = FILMS[0]
    assert entries_of(one, EntryConfig(), 0) == entries_of(one, EntryConfig(), 0)
    assert entries_of(one, EntryConfig(), 0) != entries_of(one, EntryConfig(), 1)


@pytest.mark.parametrize("known", [10, 9, 8, 7])
def test_conditions_are_asked_about_where_eight_are_known(known: int) -> None:
    labels = {name: number % 3 == 0 for number, name in enumerate(FINDINGS[-known:])}
    asked = [e for e in entries_of(facts(labels=labels), EntryConfig(), 0) if e.task == "cls-multilabel"]
    assert len(asked) == (known >= 8)
    for one in asked:
        assert one.targets["conditions"] == list(labels)
        assert one.answer == ",".join(str(int(there)) for there in labels.values())
        assert f"{known} binary digits" in one.prompt
        assert all((name in one.prompt) == (name in labels) for name in FINDINGS)
