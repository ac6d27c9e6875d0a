"""Spacings, shapes and kinds of convolution per level (VoxelPrompt, appendix A.1)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.errors import ConfigError
from sagittal.geometry import Geometry
from sagittal.nn.grids import same_grid_groups
from sagittal.nn.spacing import SpacingPlan


def grid(shape, spacing, slice_axis=2, origin=(0.0, 0.0, 0.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Geometry(shape, affine, slice_axis=slice_axis)


# ω, then (s_inp, s_sep, 2D?) per level, worked out by hand from the appendix's rule.
BY_HAND = {
    0.5: [(1, 0.5, False), (2, 2, False), (4, 4, False), (8, 8, False)],
    1.0: [(1, 1, False), (2, 2, False), (4, 4, False), (8, 8, False)],
    1.5: [(1, 1.5, False), (2, 2, False), (4, 4, False), (8, 8, False)],
    2.0: [(1, 2, False), (2, 2, False), (4, 4, False), (8, 8, False)],
    2.5: [(1, 2.5, True), (2, 2.5, False), (4, 4, False), (8, 8, False)],
    5.0: [(1, 5, True), (2, 5, True), (4, 5, False), (8, 8, False)],
}


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("omega", BY_HAND)
def test_spacings_follow_the_appendix(omega, axis):
    spacing, shape = [1.0, 1.0, 1.0], [64, 64, 64]
    spacing[axis] = omega
    plan = SpacingPlan.of(grid(tuple(shape), spacing, axis), 4)
    for level, (in_plane, between, flat) in zip(plan.levels, BY_HAND[omega], strict=True):
        assert level.in_plane == pytest.approx(in_plane)
        assert level.between == pytest.approx(between)
        assert level.flat_axis == (axis if flat else None)
        assert level.geometry.spacing[axis] == pytest.approx(between)


def test_factors_lead_to_the_next_spacing_and_need_not_be_whole():
    plan = SpacingPlan.of(grid((40, 40, 30), (1, 1, 1.5)), 2)
    assert plan.levels[0].factors == pytest.approx((2, 2, 4 / 3))
    assert plan.levels[1].geometry.shape == (20, 20, 23)  # ⌈30 · 1.5 / 2⌉
    half = SpacingPlan.of(grid((40, 40, 90), (1, 1, 0.5)), 2)
    assert half.levels[0].factors == (2, 2, 4)


def test_both_sides_of_the_threshold():
    just_below = SpacingPlan.of(grid((8, 8, 8), (1, 1, 2.0)), 1).levels[0]
    just_above = SpacingPlan.of(grid((8, 8, 8), (1, 1, 2.001)), 1).levels[0]
    assert just_below.flat_axis is None and just_below.factors[2] == 1
    assert just_above.flat_axis == 2 and just_above.factors[2] == 1
    # A spacing of exactly 2 that went through single precision is still not above 2.
    rounded = SpacingPlan.of(grid((8, 8, 8), (1, 1, float(np.float32(2.0000001)))), 1).levels[0]
    assert rounded.flat_axis is None


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.integers(1, 70)] * 3),
    st.tuples(*[st.floats(0.3, 7)] * 3),
    st.integers(0, 2),
    st.integers(1, 6),
)
def test_every_level_starts_at_the_same_corner_and_covers_the_volume(shape, spacing, axis, levels):
    plan = SpacingPlan.of(grid(shape, spacing, axis, (3, -7, 11)), levels)
    first = plan.levels[0].geometry
    start = first.to_world([-0.5] * 3)
    size = np.multiply(first.shape, first.spacing)
    for level in plan.levels:
        np.testing.assert_allclose(level.geometry.to_world([-0.5] * 3), start, atol=1e-6)
        here = np.multiply(level.geometry.shape, level.geometry.spacing)
        assert (here >= size - 0.01 * np.array(level.geometry.spacing)).all()
        assert min(level.factors) >= 1
    for here, after in zip(plan.levels, plan.levels[1:], strict=False):
        assert after.in_plane == pytest.approx(2 * here.in_plane)
        assert after.omega == pytest.approx(1 if here.flat_axis is None else here.omega / 2)


def test_a_plan_needs_a_level():
    with pytest.raises(ConfigError):
        SpacingPlan.of(grid((4, 4, 4), (1, 1, 1)), 0)


def test_volumes_are_grouped_by_grid_and_slice_axis():
    a, b = grid((4, 4, 4), (1, 1, 1)), grid((4, 4, 4), (1, 1, 1), origin=(0.5, 0, 0))
    assert same_grid_groups([a, b, grid((4, 4, 4), (1, 1, 1)), b]) == ((0, 2), (1, 3))
    assert same_grid_groups([a, grid((4, 4, 4), (1, 1, 1), slice_axis=0)]) == ((0,), (1,))
