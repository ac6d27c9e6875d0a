"""Which questions are drawn: all sets that fit, each equally likely, the same wherever they are drawn."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np

from sagittal.builders.tumour_questions import covering_sets, draw_types, draw_wordings, generator_for
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.language.wording import TASKS, TYPES


class Scripted:
    """Stands in for a generator: gives scripted integers and notes the bounds it was asked for."""

    def __init__(self, *values: int) -> None:
        self.values, self.bounds = list(values), []

    def integers(self, bound: int) -> int:
        self.bounds.append(bound)
        return self.values.pop(0)


def test_covering_sets_are_all_sets_that_fit() -> None:
    # Inclusion–exclusion: seven types lack a given task, three lack two, so no four lack two.
    assert len(covering_sets()) == comb(15, 4) - 4 * comb(7, 4) + 6 * comb(3, 4) == 1225
    every = {frozenset(chosen) for chosen in combinations(TYPES, 4)}
    fitting = {chosen for chosen in every if all(any(task in tasks for tasks in chosen) for task in TASKS)}
    assert {frozenset(chosen) for chosen in covering_sets()} == fitting


def test_each_set_and_each_type_answers_to_exactly_one_draw() -> None:
    """Uniform draws of the two integers are then uniform draws of set and type."""
    drawn = []
    for index in range(1225):
        rng = Scripted(index, index % 15)
        drawn.append(draw_types(rng))  # type: ignore[arg-type]
        assert rng.bounds == [1225, 15]
    assert len({frozenset(four) for four, _ in drawn}) == 1225
    assert {partly for _, partly in drawn} == set(TYPES)


def test_the_stated_share_of_unasked_tasks() -> None:
    asked = sum(
        Fraction(sum("shape" in tasks for tasks in chosen), len(covering_sets()))
        for chosen in covering_sets()
    )
    unasked = 1 - (asked + Fraction(8, 15)) / 6
    assert round(100 * float(unasked), 1) == 54.8


def test_the_stream_follows_from_seed_study_and_label_alone() -> None:
    def first(*key: object) -> int:
        return int(generator_for(*key).integers(1 << 62))  # type: ignore[arg-type]

    keys = [(0, "a", "bc"), (0, "ab", "c"), (1, "a", "bc"), (0, "a", "b"), (10, "", "x"), (1, "0", "x")]
    assert len({first(*key) for key in keys}) == len(keys)
    assert first(0, "a", "bc") == first(0, "a", "bc")
    # A change of this number changes every data set that was ever built.
    assert first(0, "BraTS-GLI-00001-000", "ET") == PINNED


PINNED = 2154699971142740180


def test_six_wordings_of_the_right_kinds_from_the_right_pool() -> None:
    wordings = TumourWordings.load()
    for pool in ("train", "withheld"):
        for n in range(40):
            drawn = draw_wordings(np.random.default_rng(n), wordings, pool)  # type: ignore[arg-type]
            assert [w.kind for w in drawn] == ["in_scope"] * 4 + ["partly_out_of_scope", "out_of_scope"]
            types = [w.tasks for w in drawn[:4]]
            assert len(set(types)) == 4
            assert {task for tasks in types for task in tasks} == set(TASKS)
            assert drawn[4].tasks
            assert not drawn[5].tasks
            assert all(w.withheld == (pool == "withheld") for w in drawn)
