"""F1 of several labels: against literal counting, by hand, with answers that could not be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.errors import InputError
from sagittal.score.multi_label import label_counts


def literal(said: list, true: list) -> dict[str, float]:
    """Count one by one; an answer that is not there has each digit wrong."""
    totals, each = [0, 0, 0], []
    for label in range(len(true[0])):
        hit = false = missed = 0
        for answer, due in zip(said, true, strict=True):
            digit = 1 - due[label] if answer is None else answer[label]
            hit += digit == 1 and due[label] == 1
            false += digit == 1 and due[label] == 0
            missed += digit == 0 and due[label] == 1
        totals = [a + b for a, b in zip(totals, (hit, false, missed), strict=True)]
        if hit + false + missed:
            each.append(2 * hit / (2 * hit + false + missed))
    if not each:
        return {"micro F1": float("nan"), "macro F1": float("nan")}
    hit, false, missed = totals
    return {"micro F1": 2 * hit / (2 * hit + false + missed), "macro F1": sum(each) / len(each)}


DIGITS = st.tuples(*[st.integers(0, 1)] * 3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.one_of(st.none(), DIGITS), DIGITS), min_size=1, max_size=8))
def test_the_literal_figures(pairs: list) -> None:
    said, true = [a for a, _ in pairs], [b for _, b in pairs]
    expected = pytest.approx(literal(said, true), nan_ok=True)
    assert label_counts(said, true).figures() == expected
    assert label_counts(said[::-1], true[::-1]).figures() == expected


def test_by_hand() -> None:
    truth = [(1, 0, 0), (1, 1, 0)]
    found = label_counts([(1, 0, 0), (0, 1, 0)], truth).figures()
    # Micro: 2 hits, 1 missed. Macro: 2/3 and 1; the third label is neither there nor said.
    assert found == pytest.approx({"micro F1": 4 / 5, "macro F1": 5 / 6})
    assert label_counts(truth, truth).figures() == {"micro F1": 1, "macro F1": 1}


def test_an_unread_answer_is_worse_than_any_other() -> None:
    truth = [(1, 0, 0), (1, 1, 0), (0, 0, 1)]
    unread = label_counts([None, *truth[1:]], truth).figures()
    for digits in np.ndindex(2, 2, 2):
        other = label_counts([digits, *truth[1:]], truth).figures()
        assert all(unread[name] <= value for name, value in other.items())
    # Not even where nothing is there does silence pay.
    assert label_counts([None, (1, 0)], [(0, 0), (1, 0)]).figures()["micro F1"] == 0.5


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 2, (2, 30, 4))
    weights = rng.integers(0, 3, 30)
    repeated = label_counts(np.repeat(said, weights, 0).tolist(), np.repeat(truth, weights, 0).tolist())
    counts = label_counts(said.tolist(), truth.tolist())
    assert counts.figures(weights.astype(float)) == pytest.approx(repeated.figures())


def test_what_nobody_asked_for_counts_as_nothing() -> None:
    found = label_counts([(1, None, 0), None], [(1, None, 1), (None, 0, 1)]).figures()
    # One hit and one miss; of the answer that could not be read, one falsely said and one missed.
    assert found["micro F1"] == 2 / (2 + 3)
    assert found["macro F1"] == np.mean([1, 0, 0])
    for said, true in (((1, None), (1, 0)), ((1, 0), (1, None))):
        with pytest.raises(InputError, match="asked for"):
            label_counts([said], [true])


def test_hostile_input() -> None:
    with pytest.raises(InputError, match="one answer"):
        label_counts([], [])
    with pytest.raises(InputError, match="one answer"):
        label_counts([(1, 0)], [(1, 0), (1, 0)])
    for said, true in (((1,), (1, 0)), ((1, 2), (1, 0)), ((1, 0), (1, -1))):
        with pytest.raises(InputError, match="there or not"):
            label_counts([said], [true])
