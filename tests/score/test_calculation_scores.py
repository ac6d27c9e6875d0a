"""Errors of ratios: by hand, against literal loops, with failures."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.score.calculation import calculation_figures

NAN = float("nan")


def test_by_hand() -> None:
    found = calculation_figures(np.array([0.1, -0.3, NAN, 2.0]))
    assert found["MAE"] == pytest.approx(100 * 2.4 / 3)
    assert found["RMSE"] == pytest.approx(100 * np.sqrt((0.01 + 0.09 + 4) / 3))
    # The failure and the error of 2 cost 1 each.
    assert found["capped MAE"] == pytest.approx(100 * (0.1 + 0.3 + 1 + 1) / 4)


def test_both_sides_of_the_cap() -> None:
    assert calculation_figures(np.array([0.999]))["capped MAE"] == pytest.approx(99.9)
    assert calculation_figures(np.array([1.0]))["capped MAE"] == 100
    assert calculation_figures(np.array([-1.001]))["capped MAE"] == 100


def test_nothing_read_has_no_error_and_is_no_good_score() -> None:
    found = calculation_figures(np.array([NAN, NAN]))
    assert np.isnan([found["MAE"], found["RMSE"]]).all()
    assert found["capped MAE"] == 100


def test_weights_are_repetitions_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(0, 0.2, 40)
    errors[rng.random(40) < 0.2] = NAN
    weights = rng.integers(0, 4, 40)
    weighted = calculation_figures(errors, weights.astype(float))
    assert weighted == pytest.approx(calculation_figures(np.repeat(errors, weights)))
    assert weighted == pytest.approx(calculation_figures(errors[::-1], weights[::-1].astype(float)))
    read = [e for e in errors if not np.isnan(e)]
    plain = calculation_figures(errors)
    assert plain["MAE"] == pytest.approx(100 * sum(map(abs, read)) / len(read))
    assert plain["RMSE"] == pytest.approx(100 * (sum(e * e for e in read) / len(read)) ** 0.5)
    assert plain["RMSE"] >= plain["MAE"]
