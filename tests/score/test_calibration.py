"""The calibration error: of known cases, of perfect forecasters, and by a literal count."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.errors import InputError
from sagittal.score.calibration import reliability


def literal(confidence, right, bins: int) -> float:
    error = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        own = [(c, r) for c, r in zip(confidence, right, strict=True) if low < c <= high or c == low == 0]
        if own:
            error += abs(sum(c for c, _ in own) - sum(r for _, r in own))
    return error / len(confidence)


@pytest.mark.parametrize("bins", [4, 8, 16])
def test_it_equals_a_literal_count(bins: int) -> None:
    rng = np.random.default_rng(bins)
    confidence, right = rng.random(500), rng.integers(2, size=500)
    assert reliability(confidence, right, bins).error == pytest.approx(literal(confidence, right, bins))


def test_a_forecaster_who_means_it_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(200_000)
    found = reliability(confidence, rng.random(200_000) < confidence)
    assert found.error < 0.01
    assert sum(b.count for b in found.bins) == found.count == 200_000


def test_one_who_is_too_sure_is_not() -> None:
    found = reliability([0.9] * 10, [1] * 5 + [0] * 5)
    assert found.error == pytest.approx(0.4)
    [only] = found.bins
    assert (only.count, only.confidence, only.accuracy) == (10, pytest.approx(0.9), 0.5)


def test_the_ends_belong_to_the_outer_bins() -> None:
    assert reliability([0.0, 1.0], [0, 1]).error == 0


@pytest.mark.parametrize(
    ("confidence", "right"), [([], []), ([0.5], [1, 0]), ([1.5], [1]), ([float("nan")], [1])]
)
def test_what_is_no_confidence_is_refused(confidence, right) -> None:
    with pytest.raises(InputError, match="confidence from 0 to 1"):
        reliability(confidence, right)
