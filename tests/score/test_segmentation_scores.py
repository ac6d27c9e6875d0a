"""Scoring of vision functions: oracles score 1, tables say what was found, wrong masks are refused."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.errors import GeometryError, InputError
from sagittal.geometry import Geometry
from sagittal.score.cases import Case
from sagittal.score.segmentation import case_means, score_cases, summarise, table_lines
from sagittal.study import Image, Mask

GRID = Geometry((8, 9, 10), np.diag([1.0, 1.0, 2.0, 1.0]))


def a_mask(start, stop, name, geometry=GRID):
    data = np.zeros(geometry.shape, np.uint8)
    data[start:stop] = 1
    return Mask(data, geometry, {1: name})


def a_case(name, spans, **more):
    image = Image(np.zeros(GRID.shape, np.float32), GRID, "t1", "t1")
    truth = {structure: a_mask(*span, structure) for structure, span in spans.items()}
    return Case(name, "made by hand", (image,), truth, more)


CASES = [a_case("one", {"a": (0, 4), "b": (4, 8)}), a_case("two", {"a": (0, 2)})]


def always(start, stop):
    return lambda images, structures: {name: a_mask(start, stop, name) for name in structures}


def test_the_truth_scores_one():
    case = CASES[0]
    [scored] = score_cases(lambda images, names: {n: case.truth[n] for n in names}, [case])
    assert [r.overlap.dice for r in scored.records] == [1, 1]
    assert scored.seconds >= 0 and set(scored.masks) == {"a", "b"}


def test_figures_by_structure_and_case():
    records = [r for s in score_cases(always(0, 4), CASES) for r in s.records]
    # one: a 1, b 0; two: a is 2·2 / (4 + 2).
    assert [(r.case, r.structure, r.overlap.dice) for r in records] == [
        ("one", "a", 1.0), ("one", "b", 0.0), ("two", "a", pytest.approx(2 / 3)),
    ]  # fmt: skip
    found = summarise(records)
    assert found["a"].cases == 2 and found["a"].mean == pytest.approx(5 / 6)
    assert (found["a"].lowest, found["a"].highest) == (pytest.approx(2 / 3), 1.0)
    assert case_means(records) == {"one": 0.5, "two": pytest.approx(2 / 3)}


def test_an_undefined_figure_takes_no_part_in_the_mean():
    empty = a_case("empty", {"a": (0, 0)})
    records = [r for s in score_cases(always(0, 4), [CASES[0], empty]) for r in s.records]
    found = summarise(records, "volume_error_percent")["a"]
    assert (found.cases, found.mean) == (1, 0.0)
    nothing = summarise([r for r in records if r.case == "empty"], "hd95_mm")["a"]
    assert (nothing.cases, nothing.mean) == (0, None)
    assert "undefined" in table_lines(records, "hd95_mm")[3]


def test_the_table():
    records = [r for s in score_cases(always(0, 4), CASES) for r in s.records]
    assert table_lines(records, digits=2) == [
        "| case | a | b |",
        "| --- | --- | --- |",
        "| one | 1.00 | 0.00 |",
        "| two | 0.67 |  |",
        "| **mean** (range) | **0.83** (0.67–1.00) | **0.00** (0.00–0.00) |",
    ]


def test_only_some_structures():
    asked = []

    def vision(images, structures):
        asked.append(list(structures))
        return {name: a_mask(0, 1, name) for name in structures}

    scored = list(score_cases(vision, CASES, structures=["b", "c"]))
    assert asked == [["b"]] and [s.case.name for s in scored] == ["one"]


def test_wrong_masks_are_refused():
    with pytest.raises(InputError, match="each structure"):
        list(score_cases(lambda images, names: {}, CASES))
    other = Geometry(GRID.shape, np.diag([1.0, 1.0, 3.0, 1.0]))
    with pytest.raises(GeometryError):
        list(score_cases(lambda i, names: {n: a_mask(0, 1, n, other) for n in names}, CASES))


def test_a_case_is_whole():
    image = CASES[0].images[0]
    with pytest.raises(InputError, match="at least one image"):
        Case("none", "", (), {})
    other = Geometry(GRID.shape, np.diag([1.0, 1.0, 3.0, 1.0]))
    with pytest.raises(GeometryError):
        Case("elsewhere", "", (image,), {"a": a_mask(0, 1, "a", other)})
