"""Paired comparison: scipy's numbers, analytic cases, and both sides of each threshold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sagittal.errors import ConfigError, InputError
from sagittal.score.paired import MARGIN, accuracy, lower_bound, mean_over_tasks, paired, t_test


@pytest.mark.parametrize("seed", range(5))
def test_the_t_test_is_scipys(seed):
    rng = np.random.default_rng(seed)
    a = rng.random(3 + 4 * seed)
    b = a + rng.normal(0.01 * seed, 0.1, len(a))
    found = paired(a, b)
    expected = stats.ttest_rel(a, b)
    assert found.p == pytest.approx(expected.pvalue) and found.p == t_test(a, b)
    # The one-sided 95 % interval is the two-sided one of 90 %.
    assert found.lower == pytest.approx(expected.confidence_interval(0.90).low)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    back = paired(b, a)
    assert back.p == pytest.approx(found.p) and back.difference == pytest.approx(-found.difference)


def test_two_cases_by_hand():
    """Differences 0 and 0.2: mean 0.1, standard error 0.1, t = 1 with one degree of freedom: p = ½."""
    found = paired([0.5, 0.7], [0.5, 0.5])
    assert found.p == pytest.approx(0.5) and found.difference == pytest.approx(0.1)
    # t of 0.95 with one degree is tan(0.45 π).
    assert found.lower == pytest.approx(0.1 - 0.1 * np.tan(0.45 * np.pi))
    assert found.non_inferior is False


def test_no_spread():
    same = paired([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert (same.p, same.difference, same.lower, same.non_inferior) == (1.0, 0.0, 0.0, True)
    apart = paired([0.6, 0.7, 0.8], [0.5, 0.6, 0.7])
    assert apart.p == 0.0 and apart.lower == pytest.approx(0.1)


def test_one_case_proves_nothing():
    found = paired([0.9], [0.1])
    assert (found.p, found.lower, found.interval, found.non_inferior) == (None, None, None, None)
    assert found.difference == pytest.approx(0.8) and t_test([1.0], [0.0]) is None


def test_both_sides_of_the_margin():
    spread = np.array([-0.01, 0.0, 0.01, 0.0, 0.005, -0.005])
    at_zero = lower_bound(spread)
    assert at_zero is not None
    ours = np.full(len(spread), 0.8)
    for shift, good in ((1e-6, True), (-1e-6, False)):
        apart = spread - MARGIN - at_zero + shift
        found = paired(ours + apart, ours)
        assert found.lower == pytest.approx(-MARGIN + shift, abs=1e-9)
        assert found.non_inferior is good
    # The very margin is not enough, and a wider one forgives more.
    assert paired([0.5, 0.5], [0.52, 0.52], margin=0.03).non_inferior is True
    assert paired([0.5, 0.5], [0.75, 0.75], margin=0.25).non_inferior is False


def test_a_worse_mean_may_be_no_worse_and_a_better_one_unproven():
    rng = np.random.default_rng(0)
    second = rng.random(200)
    slightly = paired(second - 0.01 + rng.normal(0, 0.01, 200), second)
    assert slightly.difference < 0 and slightly.non_inferior and slightly.p is not None and slightly.p < 0.05
    few = paired([0.9, 0.5, 0.6], [0.7, 0.6, 0.4])
    assert few.difference > 0 and few.non_inferior is False and few.p is not None and few.p > 0.05


def test_the_intervals_hold_what_they_should():
    """Of 300 repetitions with a true difference of 0.02, the two-sided interval misses about 5 %."""
    rng = np.random.default_rng(1)
    missed = below = 0
    for _ in range(300):
        apart = rng.normal(0.02, 0.1, 40)
        found = paired(0.5 + apart, np.full(40, 0.5))
        assert found.interval is not None and found.lower is not None
        missed += not found.interval[0] <= 0.02 <= found.interval[1]
        below += found.lower > 0.02
    assert 0.02 <= missed / 300 <= 0.10 and 0.02 <= below / 300 <= 0.09


def test_accuracy_and_chance():
    found = accuracy(["a", "b", None, "a"], ["a", "b", "c", "b"], 4)
    assert (found.right, found.cases, found.value) == (2, 4, 0.5)
    assert found.uniform == 0.25 and found.majority == 0.5
    expected = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert found.interval == pytest.approx((expected.low, expected.high))
    perfect = accuracy(["a"] * 10, ["a"] * 10, 2)
    assert perfect.value == 1 and perfect.majority == 1 and perfect.interval[1] == pytest.approx(1)


def test_the_mean_over_tasks_counts_tasks_alike():
    many, few = [1.0] * 100, [0.0, 0.0]
    mean, interval = mean_over_tasks([many, few])
    assert mean == 0.5 and interval == (0.5, 0.5)
    rng = np.random.default_rng(0)
    tasks = [rng.random(30) < 0.8, rng.random(12) < 0.6]
    mean, (low, high) = mean_over_tasks(tasks)
    assert low < mean < high
    # The variance of the mean of two means is a quarter of the sum of theirs.
    sd = np.sqrt(sum(np.var(t) / len(t) for t in tasks)) / 2
    assert high - low == pytest.approx(2 * 1.96 * sd, rel=0.1)


def test_refusals():
    with pytest.raises(InputError, match="same cases"):
        paired([0.1, 0.2], [0.1])
    with pytest.raises(InputError, match="same cases"):
        paired([], [])
    with pytest.raises(InputError, match="finite"):
        paired([0.1, float("nan")], [0.1, 0.2])
    with pytest.raises(ConfigError, match="margin"):
        paired([0.1], [0.2], margin=-0.1)
    with pytest.raises(InputError, match="one true class"):
        accuracy(["a"], [], 2)
    with pytest.raises(InputError, match="more classes"):
        accuracy(["a", "b"], ["a", "b"], 1)
    with pytest.raises(InputError, match="have cases"):
        mean_over_tasks([[1.0], []])
