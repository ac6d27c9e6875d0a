"""Generated answers read strictly: the form that is asked for, and everything that only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.score.strict import (
    LARGEST_CORNER,
    LARGEST_RATIO,
    read_box,
    read_class,
    read_items,
    read_labels,
    read_number,
    write_box,
)

SEVERITY = ("none", "vascular congestion", "interstitial edema", "alveolar edema")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.4944", 0.4944), (" 0.4944 \n", 0.4944), ("0.49.", 0.49), ("0", 0), ("1", 1), ("1.", 1),
        ("10", LARGEST_RATIO), ("10.000", LARGEST_RATIO), ("00.5", 0.5),
    ],
)  # fmt: skip
def test_a_number(text: str, number: float) -> None:
    assert read_number(text) == (number, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"), ("  \n", "empty"), (".", "empty"),
        ("0.49 0.51", "several"), ("0.49, 0.51", "several"), ("0,49", "several"), ("0.4.9", "several"),
        ("0.49-0.51", "several"), ("5e-1", "several"),
        ("CTR is 0.49", "form"), ("49%", "form"), ("-0.49", "form"), ("+0.49", "form"), (".49", "form"),
        ("nan", "form"), ("NaN", "form"), ("inf", "form"), ("1_0", "several"), ("0.49..", "form"),
        ("unable to locate heart", "form"), ('"0.49"', "form"),
        ("\u0660.\u0664\u0669", "form"), ("\uff10.\uff14", "form"), ("\u00bd", "form"), ("0.4\u00b2", "form"),
        ("10.0001", "range"), ("49.44", "range"), ("4944", "range"), ("9" * 5000, "range"),
    ],
)  # fmt: skip
def test_no_number(text: str, fault: str) -> None:
    assert read_number(text) == (None, fault)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", 0), ("3", 3), (" 2.\n", 2), ("none", 0), ("None.", 0), ("Interstitial edema", 2),
        ("2. interstitial edema", 2), ("2: Interstitial Edema.", 2), ("1 vascular congestion", 1),
        ("0. none", 0), ("the alveolar edema", 3),
    ],
)  # fmt: skip
def test_a_class(text: str, code: int) -> None:
    assert read_class(text, SEVERITY) == (code, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"), ("4", "range"), ("9", "range"), ("12", "form"), ("00", "form"), ("0.5", "form"),
        ("0,1", "form"), ("1 2", "form"), ("-1", "form"), ("(1)", "form"), ("1 or 2", "form"),
        ("edema", "form"), ("no interstitial edema", "form"), ("class 2", "form"),
        ("\u0662", "form"), ("\uff12", "form"), ("\u00b2", "form"),
        ("2. alveolar edema", "contradiction"), ("0 vascular congestion", "contradiction"),
    ],
)  # fmt: skip
def test_no_class(text: str, fault: str) -> None:
    assert read_class(text, SEVERITY) == (None, fault)


def test_labels() -> None:
    digits = (1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    assert read_labels("1,0,0,1,0,0,0,0,0,0", 10) == (digits, None)
    assert read_labels(" 1, 0, 0, 1, 0, 0, 0, 0, 0, 0.\n", 10) == (digits, None)
    # The nine digits that the paper's Figure 1 shows, or that its text lost one of.
    assert read_labels("1,0,0,1,0,0,0,0,0", 10) == (None, "length")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"), ("1,0,0", "length"), ("1", "length"), (",".join("1" * 11), "length"),
        ("1000000000", "form"), ("1,0,0,1,0,0,0,0,0,", "form"), ("1,0,0,1,0,0,0,0,0,2", "form"),
        ("1 0 0 1 0 0 0 0 0 0", "form"), ("yes,no", "form"), ("1;0", "form"), ("\uff11,\uff10", "form"),
        ("1,0,0,1,0,0,0,0,0,00", "form"), ("1,0,0,1,0,0,0,0,0,0 1", "form"),
    ],
)  # fmt: skip
def test_no_labels(text: str, fault: str) -> None:
    assert read_labels(text, 10) == (None, fault)


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("<407><296><922><320>", (407, 296, 922, 320)),
        (" <0><0><1000><1000>. ", (0, 0, 1000, 1000)),
        ("<0001><2><3><4>", (1, 2, 3, 4)),
    ],
)
def test_a_box(text: str, box: tuple[int, int, int, int]) -> None:
    assert read_box(text) == (box, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"), ("1,2,3,4", "form"), ("<1><2><3>", "form"), ("<1><2><3><4><5>", "form"),
        ("<1> <2> <3> <4>", "form"), ("{<1><2><3><4>}", "form"), ("heart <1><2><3><4>", "form"),
        ("<-1><2><3><4>", "form"), ("<1.5><2><3><4>", "form"), ("<00001><2><3><4>", "form"),
        ("<\u0661><2><3><4>", "form"), ("<1><2><3><4><1><2><3><4>", "several"),
        ("<1><2><3><4>, <5><6><7><8>", "several"),
        ("<0><0><1001><10>", "range"), ("<1032><963><2151><2183>", "range"),
        ("<3><2><1><4>", "order"), ("<1><4><3><2>", "order"),
        ("<1><2><1><4>", "order"), ("<1><2><3><2>", "order"),
    ],
)  # fmt: skip
def test_no_box(text: str, fault: str) -> None:
    assert read_box(text) == (None, fault)


CORNERS = st.integers(0, LARGEST_CORNER)


@settings(max_examples=100, deadline=None)
@given(CORNERS, CORNERS, CORNERS, CORNERS)
def test_a_written_box_is_read(x1: int, y1: int, x2: int, y2: int) -> None:
    box = (x1, y1, x2, y2)
    assert read_box(write_box(box)) == ((box, None) if x1 < x2 and y1 < y2 else (None, "order"))


def test_items() -> None:
    assert read_items("left lung, right lung.") == {("left", "lung"), ("right", "lung")}
    assert read_items("Right lung,the left lung, , right lung") == read_items("left lung, right lung")
    assert read_items("increased reticular markings/ild pattern") == {
        ("increased", "reticular", "markings", "ild", "pattern")
    }
    assert read_items("") == read_items(" , .") == frozenset()


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=30), st.text("0123456789.,<> -+e\u0663", max_size=24)))
def test_any_text_is_read_or_refused(text: str) -> None:
    for value, fault in (
        read_number(text), read_class(text, SEVERITY), read_labels(text, 3), read_box(text)
    ):  # fmt: skip
        assert (value is None) != (fault is None)
    read_items(text)
