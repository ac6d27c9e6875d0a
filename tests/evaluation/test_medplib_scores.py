"""MedPLIB's scores, and the questions that it is scored by."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from marked_pictures import marked, toys
from sagittal.evaluation.medplib.answers import Given
from sagittal.evaluation.medplib.asked import (
    grounding_questions,
    region_questions,
    spoken_questions,
    without_regions,
)
from sagittal.evaluation.medplib.scores import (
    best_guess,
    by_class,
    dice,
    dices,
    is_right,
    mean,
    over,
)
from sagittal.train.packaged import packaged_table
from sagittal.train.picture_questions import Asker, Mask, Question

MARKED = toys()[:4]


def said(text: str, name: str = "third ventricle", picture: int = 0) -> Given:
    return Given(Question(picture, "category", "What is this?", (name,), asked=(name,)), text, ())


def drawn(picture: int, names: list[str], *masks: np.ndarray) -> Given:
    answer = tuple(piece for name in names for piece in (f"the {name} ", Mask(name)))
    return Given(Question(picture, "grounding", "Segment.", answer, asked=tuple(names)), "", masks)


def where(picture: int, name: str) -> np.ndarray:
    return MARKED[picture].of_class(name)


# -- masks ------------------------------------------------------------------------------------------


def test_dice_against_counts() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.1, 0.5, 1.0):
        a, b = rng.random((9, 7)) < share, rng.random((9, 7)) < 0.4
        both = sum(bool(x and y) for x, y in zip(a.flat, b.flat, strict=True))
        assert dice(a, b) == dice(b, a) == pytest.approx(2 * both / (sum(a.flat) + sum(b.flat)))
    nothing = np.zeros((9, 7), bool)
    assert dice(nothing, nothing) == 1 and dice(nothing, ~nothing) == 0 and dice(~nothing, ~nothing) == 1


def test_each_mask_is_judged_as_the_class_whose_turn_it_is() -> None:
    liver, kidney = where(0, "liver"), where(0, "kidney")
    asked = ["liver", "kidney"]
    assert dices(drawn(0, asked, liver, kidney), MARKED[0]) == [("liver", 1.0), ("kidney", 1.0)]
    # In another order each is judged by the other's truth; too few are none for the rest; more are left out.
    assert dices(drawn(0, asked, kidney, liver), MARKED[0]) == [("liver", 0.0), ("kidney", 0.0)]
    assert dices(drawn(0, asked, liver), MARKED[0]) == [("liver", 1.0), ("kidney", 0.0)]
    assert dices(drawn(0, asked), MARKED[0]) == [("liver", 0.0), ("kidney", 0.0)]
    assert dices(drawn(0, asked, liver, kidney, liver), MARKED[0]) == [("liver", 1.0), ("kidney", 1.0)]
    # A class is all its instances.
    one = MARKED[0].instance(1)
    [(_, value)] = dices(drawn(0, ["kidney"], one), MARKED[0])
    assert value == pytest.approx(2 * one.sum() / (one.sum() + kidney.sum()))
    assert dices(drawn(0, []), MARKED[0]) == []


def test_masks_are_listed_by_class_with_their_patients() -> None:
    given = [
        drawn(0, ["liver", "kidney"], where(0, "liver")), drawn(1, ["liver"], where(1, "liver")),
        drawn(2, ["kidney"], where(2, "kidney")),
    ]  # fmt: skip
    assert by_class(given, MARKED) == {
        "kidney": [(0.0, "one"), (1.0, "three")], "liver": [(1.0, "one"), (1.0, "two")],
    }  # fmt: skip


# -- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("third ventricle", True), ("Third Ventricle.", True), ("  third\nventricle!", True),
        ("third", False), ("the third ventricle", False), ("third ventricles", False), ("", False),
        ("ventricle third", False), ("third ventricle third ventricle", False),
    ],
)  # fmt: skip
def test_an_answer_is_the_name_and_nothing_else(text: str, right: bool) -> None:
    assert is_right(said(text)) == right


def test_guessing_is_right_as_often_as_there_are_classes() -> None:
    given = [said("x", "liver", 0), said("x", "aorta", 2), said("x", "lung", 3)]
    assert best_guess(MARKED, given) == [1 / 2, 1 / 3, 1.0]


def test_means_are_spread_over_patients_not_over_questions() -> None:
    values, patients = [1.0, 0.0, 1.0, 1.0], ["a", "b", "a", "c"]
    found = mean(values, patients)
    assert found.value == 0.75 and found.low <= 0.75 <= found.high and found == mean(values, patients)
    # Of one patient nothing is known of the spread, however many questions it was asked.
    assert np.isnan(mean([1.0, 0.0] * 50, ["a"] * 100).low)
    many = mean([1.0, 0.0] * 50, [f"{n}" for n in range(100)])
    few = mean([1.0, 0.0] * 50, [f"{n // 50}" for n in range(100)])
    assert many.sd > 0.03 and few.sd == pytest.approx(0)
    given = [said("liver", "liver", 0), said("aorta", "liver", 1)]
    assert over(given, MARKED, lambda one: float(is_right(one))).value == 0.5


# -- questions --------------------------------------------------------------------------------------


def test_regions_are_of_two_classes_of_each_picture() -> None:
    found = region_questions(MARKED)
    counts = Counter(one.picture for one in found)
    assert counts == {0: 2, 1: 2, 2: 2, 3: 1}
    for number in counts:
        own = [one for one in found if one.picture == number]
        assert len({one.asked for one in own}) == len(own)
        for one in own:
            assert one.kind == "category" and one.region is not None
            touched = MARKED[number].instance(one.instance) & one.region
            assert touched.any() and one.asked == (MARKED[number].facts.classes[one.instance],)
            if one.pointed != "box":
                assert touched.sum() == one.region.sum()


def test_what_is_measured_is_fixed_and_each_picture_stands_alone() -> None:
    def plain(questions: list[Question]) -> list[tuple[object, ...]]:
        return [
            (q.picture, q.question, q.answer, q.region is not None and q.region.tobytes()) for q in questions
        ]

    for make in (region_questions, grounding_questions, lambda p: spoken_questions(p, "closed")):
        found = plain(make(MARKED))
        assert found == plain(make(toys()[:4])) and found != []
    # One more picture of another set changes no question of those before it.
    more = [*MARKED, marked("x", [("gut", (2, 2, 20, 20)), ("fat", (30, 2, 50, 20))], dataset="other")]
    assert plain(region_questions(more))[: len(region_questions(MARKED))] == plain(region_questions(MARKED))


def test_in_the_test_the_same_places_are_asked_about_in_other_words() -> None:
    learnt, withheld = region_questions(MARKED), region_questions(MARKED, "test")
    for one, other in zip(learnt, withheld, strict=True):
        assert (one.picture, one.instance, one.pointed) == (other.picture, other.instance, other.pointed)
        np.testing.assert_array_equal(one.region, other.region)
    table = packaged_table("picture_questions")
    for one, other in zip(learnt, withheld, strict=True):
        known = {*table["region"]["test"], *table[f"region-{one.pointed}"]["test"]}
        assert other.question in known and one.question not in known


def test_without_regions_the_words_stay() -> None:
    found = region_questions(MARKED)
    for one, other in zip(found, without_regions(found), strict=True):
        assert other.region is None and one.region is not None
        assert (one.question, one.answer, one.asked) == (other.question, other.answer, other.asked)


def test_masks_are_asked_for_twice_a_picture() -> None:
    found = grounding_questions(MARKED)
    assert [one.picture for one in found] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert all(one.masks == (() if one.absent else one.asked) for one in found)
    for one, other in zip(found[::2], found[1::2], strict=True):
        several = len(set(toys()[one.picture].facts.classes)) > 1
        assert not several or set(one.asked) != set(other.asked)
    able = {number for number in range(4) if Asker(toys()).able(number, "choice")}
    assert {one.picture for one in spoken_questions(toys(), "choice")} == able
