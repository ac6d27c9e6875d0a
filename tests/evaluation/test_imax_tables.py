"""Figures and gains over seeds and patients: against literal means, with known intervals and bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sagittal.errors import InputError
from sagittal.evaluation.imax.tables import arm_figures, arm_gain
from sagittal.score.chest import ChestScores, score_answers
from sagittal.score.chest_tasks import Answered

PATIENTS = 40


def scored(right: int, error: float, *, seed: int = 0) -> ChestScores:
    """Verify questions of which so many are right, drawn; ratios that are off by an error."""
    chosen = set(np.random.default_rng(seed).permutation(PATIENTS)[:right].tolist())
    answers = []
    for n in range(PATIENTS):
        name = f"p{n:02}"
        answers.append(Answered(f"{name}/v", name, "vqa-verify", "yes" if n in chosen else "no", "yes"))
        answers.append(Answered(f"{name}/c", name, "calculate-ctr", f"{0.5 + error:.4f}", "0.5"))
    return score_answers(answers)


def test_figures_are_the_means_of_the_seeds() -> None:
    found = arm_figures([scored(10, 0.02), scored(30, 0.04, seed=1)])
    assert set(found) == {"vqa-verify accuracy", "calculate-ctr MAE", "calculate-ctr RMSE"}
    assert found["vqa-verify accuracy"].value == pytest.approx(0.5)
    assert found["calculate-ctr MAE"].value == pytest.approx(3)
    # Each patient has the same error: seeds alone spread it, from one of them twice to the other twice.
    assert (found["calculate-ctr MAE"].low, found["calculate-ctr MAE"].high) == pytest.approx((2, 4))


def test_one_seed_is_spread_over_patients_alone() -> None:
    figure = arm_figures([scored(20, 0.02)])["vqa-verify accuracy"]
    assert figure.value == 0.5
    # The binomial's standard deviation.
    assert figure.sd == pytest.approx(np.sqrt(0.25 / PATIENTS), rel=0.1)


def test_gains_of_mean_figures() -> None:
    method = [scored(30, 0.02), scored(30, 0.02, seed=1)]
    baseline = [scored(20, 0.04), scored(20, 0.04, seed=1)]
    gain = arm_gain(method, baseline)
    assert {n: round(f.value, 6) for n, f in gain.by_metric.items()} == {
        "vqa-verify accuracy": 50, "calculate-ctr MAE": 50, "calculate-ctr RMSE": 50,
    }  # fmt: skip
    assert gain.mean.value == pytest.approx(50)
    assert gain.by_seed == pytest.approx((50, 50))
    assert gain.improved == 3
    assert gain.surely[0] >= 2
    back = arm_gain(baseline, method)
    assert back.improved == 0
    assert back.mean.value < 0 and back.surely == (0, gain.surely[0])


def test_no_gain_over_itself() -> None:
    runs = [scored(20, 0.03), scored(25, 0.02, seed=1)]
    gain = arm_gain(runs, runs)
    assert gain.improved == 0 and gain.surely == (0, 0)
    assert (gain.mean.value, gain.mean.low, gain.mean.high) == (0, 0, 0)


def test_a_gain_over_nothing_is_left_out_and_named() -> None:
    gain = arm_gain([scored(10, 0.02)], [scored(0, 0.04)])
    assert gain.undefined == ("vqa-verify accuracy",)
    assert set(gain.by_metric) == {"calculate-ctr MAE", "calculate-ctr RMSE"}
    assert gain.mean.value == pytest.approx(50)


def test_other_questions_are_refused() -> None:
    one = scored(10, 0.02)
    other = score_answers([replace(a, truth="no") if a.task == "vqa-verify" else a for a in one.answers])
    with pytest.raises(InputError, match="same questions"):
        arm_gain([one], [other])
    with pytest.raises(InputError, match="same seeds"):
        arm_gain([one, one], [one])


def test_which_metrics_count_is_settled_once() -> None:
    """A seed without a figure takes its metric out of the gain, its draws and the seeds' own gains alike."""
    whole = scored(20, 0.02)
    silent = score_answers([replace(a, text="") if a.task == "calculate-ctr" else a for a in whole.answers])
    gain = arm_gain([whole, silent], [whole, whole])
    assert gain.undefined == ("calculate-ctr MAE", "calculate-ctr RMSE")
    assert (gain.mean.value, gain.mean.low, gain.mean.high) == (0, 0, 0)
    assert gain.by_seed == (0, 0)
