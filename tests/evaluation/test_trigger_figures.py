"""Trigger figures by counts that are told beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sagittal.errors import FileFormatError
from sagittal.evaluation.vila_m3.triggers import Triggered, TriggerItem, read_items, trigger_figures
from sagittal.specialists.triggers import Trigger

QUESTIONS = Path(__file__).resolve().parents[1] / "questions" / "trigger_questions.jsonl"
A, B, OTHER = Trigger("A", "x"), Trigger("A", "y"), Trigger("B", "x")


def an_item(kind, *calls):
    return TriggerItem("q", "?", ("t1",), False, ("A", "B"), calls, kind)


def test_each_figure_counts_what_its_name_says():
    found = [
        Triggered(an_item("one", A), (A,), ""),  # right
        Triggered(an_item("one", A), (B,), ""),  # wrong argument
        Triggered(an_item("one", A), (OTHER,), ""),  # wrong specialist
        Triggered(an_item("one", A), (), ""),  # none though needed
        Triggered(an_item("one", A, OTHER), (OTHER,), ""),  # either is right
        Triggered(an_item("one", A), (A, A), ""),  # twice
        Triggered(an_item("none"), (), ""),
        Triggered(an_item("none"), (A,), ""),  # though not needed
        Triggered(an_item("unsuitable"), (), ""),
        Triggered(an_item("unsuitable"), (B,), ""),
    ]
    figures = {name: figure.value for name, figure in trigger_figures(found).items()}
    assert figures["precision"] == pytest.approx(4 / 7)
    assert figures["recall"] == pytest.approx(4 / 6)
    assert figures["argument"] == pytest.approx(2 / 4)
    assert figures["silence"] == figures["unsuitable"] == 1 / 2
    assert figures["right"] == pytest.approx(4 / 10)


def test_intervals_hold_the_figure_and_are_the_same_again():
    found = [Triggered(an_item("one", A), (A,) if n % 3 else (B,), "") for n in range(60)]
    one = trigger_figures(found)["argument"]
    assert one.value == pytest.approx(40 / 60) and one.low < one.value < one.high
    assert one == trigger_figures(found)["argument"]


def test_where_nothing_is_asked_there_is_no_figure():
    figures = trigger_figures([Triggered(an_item("none"), (), "")])
    assert math.isnan(figures["recall"].value) and figures["silence"].value == 1


def test_the_independent_questions_are_read(tmp_path):
    items = read_items(QUESTIONS)
    assert len(items) == 308 and {item.kind for item in items} == {"one", "none", "unsuitable"}
    assert all(bool(item.calls) == (item.kind == "one") for item in items)
    for damaged in (b"{}", b"{", b"\xff"):
        (tmp_path / "x").write_bytes(damaged)
        with pytest.raises(FileFormatError):
            read_items(tmp_path / "x")
