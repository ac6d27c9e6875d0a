"""Boxes: overlap by counting squares, and both sides of the threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.score.boxes import iou, is_found


def counted(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> float:
    """Colour the squares between the lines."""
    board = np.zeros((2, 20, 20), bool)
    for layer, (x1, y1, x2, y2) in zip(board, (first, second), strict=True):
        layer[x1:x2, y1:y2] = True
    return float((board[0] & board[1]).sum() / (board[0] | board[1]).sum())


SIDES = st.tuples(st.integers(0, 19), st.integers(0, 19)).filter(lambda s: s[0] != s[1]).map(sorted)
BOXES = st.tuples(SIDES, SIDES).map(lambda s: (s[0][0], s[1][0], s[0][1], s[1][1]))


@settings(max_examples=200, deadline=None)
@given(BOXES, BOXES)
def test_squares_are_counted(first, second) -> None:
    assert iou(first, second) == iou(second, first) == pytest.approx(counted(first, second))
    assert iou(first, first) == 1


def test_touching_boxes_share_nothing() -> None:
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert iou((0, 0, 10, 10), (10, 10, 20, 20)) == 0
    # Apart in both directions: two negative sides make no area.
    assert iou((0, 0, 10, 10), (500, 500, 600, 600)) == 0


def test_both_sides_of_the_threshold() -> None:
    truth = (0, 0, 1000, 1000)
    assert iou(truth, (0, 0, 1000, 500)) == 0.5 and is_found(iou(truth, (0, 0, 1000, 500)))
    assert not is_found(iou(truth, (0, 0, 1000, 499)))
    assert is_found(iou(truth, (0, 0, 1000, 501)))
