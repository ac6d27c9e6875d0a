"""What several sources state of a film: what agrees is kept, what does not is dropped and named."""

from __future__ import annotations

from itertools import permutations

import pytest

from chest_pool import HEIGHT, ORGANS, WIDTH, masks
from sagittal.builders.chest import cleaning, measuring
from sagittal.builders.chest.cleaning import account
from sagittal.builders.chest.measuring import measured, thousandths
from sagittal.io.films.statement import FilmMasks, FilmStatement
from sagittal.measure.chest import Outcome


def said(**values: object) -> FilmStatement:
    return FilmStatement.model_validate({"collection": "pool", "image": "a", "patient": "p", **values})


def joined(*statements: FilmStatement) -> cleaning.Account:
    return account(list(enumerate(statements)))


@pytest.mark.parametrize(
    ("values", "kept", "reason"),
    [
        ([True], True, None),
        ([False], False, None),
        ([True, True], True, None),
        ([None], None, cleaning.UNCERTAIN),
        ([True, None], None, cleaning.UNCERTAIN),
        ([True, False], None, cleaning.CONTRADICTED),
        ([True, False, None], None, cleaning.CONTRADICTED),
    ],
)
def test_a_label_is_kept_where_all_sources_agree(
    values: list[bool | None], kept: bool | None, reason: str | None
) -> None:
    for order in permutations(values):
        found = joined(*(said(labels={"Nodule": value}) for value in order))
        assert found.labels.get("Nodule") is kept
        assert found.left_out == ([reason] if reason else [])


def test_no_finding_beside_a_finding_takes_all_labels() -> None:
    both = joined(said(labels={"No Finding": True, "Edema": False}), said(labels={"Nodule": True}))
    assert both.labels == {}
    assert both.left_out == [cleaning.NO_FINDING_YET_ONE]
    fine = joined(said(labels={"No Finding": True, "Nodule": False}))
    assert fine.labels == {"No Finding": True, "Nodule": False}


def test_grades_go_by_how_they_were_come_by() -> None:
    regex, expert, consensus = (
        said(oedema=grade, graded_by=by) for grade, by in ((0, "regex"), (1, "expert"), (2, "consensus"))
    )
    for order in permutations([regex, expert, consensus]):
        assert joined(*order).oedema == 2
    assert joined(regex, expert).oedema == 1
    two = joined(expert, said(oedema=3, graded_by="expert"))
    assert two.oedema is None
    assert two.left_out == [cleaning.TWO_GRADES]


def test_a_film_of_two_patients_is_nobodys() -> None:
    found = joined(said(patient="p"), said(patient="q", report="words"))
    assert found.left_out == [cleaning.TWO_PATIENTS]
    assert found.report is None
    assert joined(said(patient="p"), said(patient="")).patient == "p"


def test_disagreement_on_a_view_leaves_it_unknown() -> None:
    found = joined(said(view="PA"), said(view="AP"), said(sex="male"))
    assert "view" not in found.single
    assert found.single["sex"] == "male"
    assert found.left_out == ["sources disagree on view"]


def test_ratios_agree_to_four_digits_and_markings_take_them() -> None:
    assert joined(said(ctr=0.5), said(ctr=0.50009)).ctr == 0.5
    two = joined(said(ctr=0.5), said(ctr=0.5002))
    assert (two.ctr, two.left_out) == (None, [cleaning.TWO_RATIOS])
    marked = joined(said(ctr=0.5), said(marking="unable to locate heart"))
    assert (marked.ctr, marked.marking) == (None, "unable to locate heart")


def test_masks_of_two_sources_are_not_chosen_between() -> None:
    assert joined(said(masks=masks())).source == 0
    two = joined(said(masks=masks()), said(masks=masks()))
    assert (two.masks, two.left_out) == (None, [cleaning.TWO_MASKS])


def test_equal_reports_are_one() -> None:
    assert joined(said(report="a  b\n"), said(report="a b")).report == "a b"
    assert joined(said(report="a"), said(report="b")).left_out == [cleaning.TWO_REPORTS]


# -- masks ----------------------------------------------------------------------------------------------


def test_ratios_boxes_and_areas_of_rectangles() -> None:
    found = measured(masks(), 0.9, [(WIDTH, HEIGHT)], "PA")
    assert found.left_out == []
    # Widths 19 of 51; areas 19 × 16 of 2 × 20 × 35.
    assert found.ctr == pytest.approx(19 / 51)
    assert found.cpar == pytest.approx(304 / 1400)
    assert found.areas["heart"] == pytest.approx(304 / 3000, abs=1e-6)
    for name, (x1, y1, x2, y2) in ORGANS.items():
        corners = (x1 / WIDTH, y1 / HEIGHT, (x2 + 1) / WIDTH, (y2 + 1) / HEIGHT)
        assert found.boxes[name] == tuple(round(1000 * corner) for corner in corners)


def test_a_box_over_the_whole_film() -> None:
    assert thousandths((0, 0, 2_499, 2_999), 2_500, 3_000) == (0, 0, 1000, 1000)


@pytest.mark.parametrize(("rca", "used"), [(None, True), (0.701, True), (0.7, False), (0.2, False)])
def test_both_sides_of_the_threshold_of_rca(rca: float | None, used: bool) -> None:
    found = measured(masks(), rca, [(WIDTH, HEIGHT)], "PA")
    assert (found.ctr is not None) is used
    assert found.left_out == ([] if used else [measuring.LOW_RCA])


@pytest.mark.parametrize(
    ("size", "used"),
    [
        ((WIDTH, HEIGHT), True),
        ((WIDTH * 40, HEIGHT * 40), True),
        ((1211, 1000), True),
        ((1213, 1000), False),
        ((HEIGHT, WIDTH), False),
    ],
)
def test_masks_of_another_size(size: tuple[int, int], used: bool) -> None:
    found = measured(masks(), None, [size], "PA")
    assert found.left_out == ([] if used else [measuring.OTHER_SIZE])
    assert bool(found.boxes) is used


def test_views_decide_what_is_measured() -> None:
    assert measured(masks(), None, [], "AP").ctr is None
    assert measured(masks(), None, [], "AP").boxes
    assert measured(masks(), None, [], None).left_out == ["ratios are those of PA films"]
    lateral = measured(masks(), None, [], "lateral")
    assert (lateral.boxes, lateral.left_out) == ({}, [measuring.LATERAL])


def test_the_three_markings_and_implausible_masks() -> None:
    none = {name.replace(" ", "_"): None for name in ORGANS}
    for changes, outcome in (
        ({"heart": None}, Outcome.NO_HEART),
        ({"left_lung": None}, Outcome.NO_LUNGS),
        (none, Outcome.NEITHER),
    ):
        assert measured(masks(**changes), None, [], "PA").left_out == [str(outcome)]
    smear = measured(masks(heart=(0, 25, WIDTH - 1, 26)), None, [], "PA")
    assert smear.left_out == [str(Outcome.IMPLAUSIBLE)]
    assert smear.boxes == {}


@pytest.mark.parametrize("text", ["1 2 3", "a b", "0 4", f"{WIDTH * HEIGHT} 2", "5 3 6 2"])
def test_runs_that_are_none_are_an_outcome(text: str) -> None:
    strange = FilmMasks(size=(WIDTH, HEIGHT), runs={"heart": text})
    assert measured(strange, None, [], "PA").left_out == [measuring.UNREADABLE]


def test_absurd_sizes_are_refused_before_anything_is_made() -> None:
    for size in ((0, 5), (10**9, 10**9)):
        assert measured(FilmMasks(size=size, runs={"heart": "1 1"}), None, [], "PA").left_out == [
            measuring.UNREADABLE
        ]
