"""Power laws are found again from their own values, and not invented from too few."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.score.power_law import SizeLaw, fit_power_law, fit_size_law

SIZES, STEPS = (1e5, 6e5, 1.8e6, 5e6), np.arange(60, 840, 20)


def points(law: SizeLaw, sizes=SIZES, noise: float = 0.0):
    n, s = (grid.ravel() for grid in np.meshgrid(sizes, STEPS, indexing="ij"))
    factor = np.exp(noise * np.random.default_rng(0).standard_normal(len(n)))
    return n.tolist(), s.tolist(), (law.loss(n, s) * factor).tolist()


def test_steps_alone():
    steps = np.arange(500, 5000, 500)
    losses = (300 / steps) ** 0.9 + 0.4
    assert fit_power_law(steps.tolist(), losses.tolist()) == pytest.approx((0.9, 300, 0.4), rel=1e-3)
    assert fit_power_law([1, 2, 3], [3.0, 2.0, 1.0]) is None


@pytest.mark.parametrize(
    "law", [SizeLaw(0.78, 1.09, 1e5, 3.92e2), SizeLaw(0.1, 0.7, 1e2, 50.0), SizeLaw(0.3, 2.0, 4e5, 200.0)]
)
def test_sizes_and_steps(law):
    found = fit_size_law(*points(law))
    assert (found.alpha_n, found.alpha_s) == pytest.approx((law.alpha_n, law.alpha_s), rel=1e-3)
    assert (found.n_c, found.s_c) == pytest.approx((law.n_c, law.s_c), rel=1e-2)
    assert found.error < 1e-5
    noisy = fit_size_law(*points(law, noise=0.02))
    assert 0.015 < noisy.error < 0.022
    assert noisy.alpha_s == pytest.approx(law.alpha_s, rel=0.1)


def test_the_law_by_hand():
    assert SizeLaw(2.0, 1.0, 10.0, 3.0).loss([5.0, 10.0], 6.0) == pytest.approx([4.5, 1.5])


def test_two_sizes_are_too_few():
    law = SizeLaw(0.3, 1.0, 1e5, 100.0)
    assert fit_size_law(*points(law, SIZES[:2])) is None
    assert fit_size_law(*points(law, SIZES[:3])) is not None
    assert fit_size_law(SIZES, [100] * 4, [1.0] * 4) is None
