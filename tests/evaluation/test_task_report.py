"""Records of tasks → rates and tables, on records whose figures are known."""

from __future__ import annotations

import math

import pytest

from sagittal.evaluation.task_report import (
    growth_lines,
    number_error,
    target_lines,
    target_right,
    task_lines,
    word_right,
)


def record(task="volume", *measured, exact=True, study="a/0", picked=None, abstained=False):
    keys = ("name", "of", "unit", "true", "found")
    return {
        "study": study, "task": task, "question": "?", "exact": exact, "abstained": abstained, "text": "",
        "measured": [dict(zip(keys, m, strict=True)) for m in measured], "picked": picked,
    }  # fmt: skip


def volume(true, found):
    return ("volume", "tumour", "mL", true, found)


@pytest.mark.parametrize(
    ("true", "found", "error"),
    [(10.0, 11.0, 10), (10.0, 9.0, 10), (10.0, None, 100), (0.0, 0.0, 0), (0.0, 1.0, math.inf), (-4, 4, 200)],
)
def test_the_error_of_a_number(true, found, error):
    assert number_error(record("volume", volume(true, found))) == pytest.approx(error)


def test_the_last_number_counts_and_words_are_no_numbers():
    two = record("change", volume(10.0, 20.0), ("change", "tumour", "%", 50.0, 50.0))
    assert number_error(two) == 0
    side = record("side", ("side", "tumour", "", "left", "left"))
    assert number_error(side) is None and word_right(side) is True
    assert word_right(record("side", ("side", "tumour", "", "left", None))) is False
    assert word_right(two) is None
    assert number_error(record("volume", ("volume", "tumour", "mL", None, 3.0))) is None


@pytest.mark.parametrize(
    ("pieces", "meant", "drawn", "right"),
    [
        (1, [0], [0], None), (2, [0], [0], True), (6, [5], [5], True), (7, [0], [0], None),
        (3, [1], [], False), (3, [1], [1, 2], False), (3, [1, 2], [2, 1], True), (3, [], [], True),
    ],
)  # fmt: skip
def test_targets_are_right_when_exactly_those_meant_are_drawn(pieces, meant, drawn, right):
    assert target_right(record(picked={"pieces": [pieces], "meant": meant, "drawn": drawn})) is right


def test_growth_is_of_the_ratio_of_two_volumes():
    # Twice as large each: both volumes are wrong, the growth is right.
    same = record("change", volume(10.0, 20.0), volume(15.0, 30.0))
    tenth = record("change", volume(10.0, 10.0), volume(20.0, 22.0))
    gone = record("change", volume(0.0, 1.0), volume(20.0, 22.0))
    [line, *_] = growth_lines([same, tenth, gone])
    assert "median error 5.0 % (0.0–10.0 %, 2 pairs)" in line
    stable = [record("course", ("course", "tumour", "", "stable", w)) for w in ("stable", "growing")]
    assert "called so: 50% of 2." in growth_lines(stable)[0]


def test_tables():
    records = [
        record("volume", volume(10.0, 11.0), study="a/0"),
        record("volume", volume(10.0, 13.0), study="b/0", exact=False),
        record("location", ("location", "tumour", "", "insula", "insula"), study="a/0"),
    ]
    lines = task_lines(records)
    assert lines[0].startswith("Programs exact, all tasks: 66.7%")
    assert "| volume | 2 | 50% | 0 | 20.0 % (2) | – |" in lines
    assert "| location | 1 | 100% | 0 | – | 100% |" in lines
    assert target_lines(records) == ["No study had several pieces to choose from.", ""]
