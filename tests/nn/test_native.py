"""Native-space convolution and resampling, against literal slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from sagittal.errors import ConfigError
from sagittal.geometry import Geometry
from sagittal.nn.native import NativeConv3d, coarse_length, downsample, upsample
from sagittal.nn.spacing import SpacingPlan
from sagittal.resampling import resample


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_flat_form_is_a_3d_layer_without_outer_slices(axis):
    conv = NativeConv3d(3, 5)
    x = torch.randn(2, 3, 6, 7, 8)
    weight = conv.weight.detach().clone()
    for outer in (0, 2):
        weight.select(2 + axis, outer).zero_()
    expected = functional.conv3d(x, weight, conv.bias, padding=1)
    torch.testing.assert_close(conv(x, axis), expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(conv(x), expected, atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_flat_form_is_2d_slice_by_slice(axis):
    conv = NativeConv3d(2, 4)
    x = torch.randn(1, 2, 5, 6, 7)
    kernel = conv.weight.select(2 + axis, 1)
    slices = [functional.conv2d(s, kernel, conv.bias, padding=1) for s in x.unbind(2 + axis)]
    torch.testing.assert_close(conv(x, axis), torch.stack(slices, 2 + axis), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_slice_axis_elsewhere_is_a_permutation_of_volume_and_kernel(axis):
    conv, turned = NativeConv3d(2, 3), NativeConv3d(2, 3)
    x = torch.randn(1, 2, 5, 6, 7)
    with torch.no_grad():
        turned.weight.copy_(conv.weight.transpose(2 + axis, 4))
        turned.bias.copy_(conv.bias)
    there = turned(x.transpose(2 + axis, 4), axis).transpose(2 + axis, 4)
    torch.testing.assert_close(there, conv(x, 2), rtol=1e-5, atol=1e-5)


def slow_max(values: np.ndarray, factor: float) -> np.ndarray:
    """One axis, literally: the largest voxel whose cell shares more than a sliver with the window."""
    out = []
    for j in range(coarse_length(len(values), factor)):
        low, high = j * factor, (j + 1) * factor
        out.append(
            max(v for i, v in enumerate(values) if min(i + 1, high) - max(i, low) > 1e-3 or len(values) == 1)
        )
    return np.array(out)


@pytest.mark.parametrize("factor", [1.0, 4 / 3, 1.5, 1.6, 2.0, 2.7, 3.0, 3.9, 4.0])
@pytest.mark.parametrize("length", [1, 2, 5, 8, 13])
def test_downsampling_takes_the_largest_overlapped_voxel(length, factor):
    values = np.random.default_rng(1).normal(size=length)
    for axis in range(3):
        shape, factors = [1, 1, 1], [1.0, 1.0, 1.0]
        shape[axis], factors[axis] = length, factor
        got = downsample(torch.tensor(values).view(1, 1, *shape), tuple(factors))
        np.testing.assert_allclose(got.numpy().ravel(), slow_max(values, factor))


def test_downsampling_refuses_to_narrow():
    with pytest.raises(ConfigError):
        downsample(torch.zeros(1, 1, 4, 4, 4), (2.0, 2.0, 0.5))


def test_pooling_in_every_plane_at_once():
    x = torch.randn(1, 1, 6, 5, 9)
    got = downsample(x, (2.0, 2.0, 1.5))[0, 0].numpy()
    expected = x[0, 0].numpy()
    for axis, factor in enumerate((2, 2, 1.5)):
        expected = np.apply_along_axis(slow_max, axis, expected, factor)
    np.testing.assert_allclose(got, expected)


@pytest.mark.parametrize(
    "spacing", [(1, 1, 1), (1, 1, 0.5), (1, 1, 1.5), (1, 1, 5), (5, 0.9, 0.9), (1.2, 3.5, 1)]
)
@pytest.mark.parametrize("shape", [(17, 20, 9), (8, 6, 1), (1, 1, 1), (33, 5, 12)])
def test_up_reverses_the_grids_of_down_and_keeps_places(shape, spacing):
    plan = SpacingPlan.of(Geometry(shape, np.diag([*spacing, 1.0])), 5)
    x = torch.randn(1, 4, *shape)
    made = [x]
    for level in plan.levels[:-1]:
        made.append(downsample(made[-1], level.factors))
    for tensor, level in zip(made, plan.levels, strict=True):
        assert tuple(tensor.shape[2:]) == level.geometry.shape
    for n in range(len(made) - 2, -1, -1):
        fine, coarse = plan.levels[n], plan.levels[n + 1]
        values = torch.randn(1, 1, *coarse.geometry.shape)
        got = upsample(values, fine.factors, fine.geometry.shape)
        assert tuple(got.shape[2:]) == fine.geometry.shape
        # The package's own resampling through affines is the oracle for where each voxel lies.
        expected = resample(values[0, 0].numpy(), coarse.geometry, fine.geometry, order=1)
        np.testing.assert_allclose(got[0, 0].numpy(), expected, atol=2e-3)


def test_upsampling_keeps_a_ramp_in_world_space():
    # A linear function of the world is its own trilinear interpolation, away from the border.
    plan = SpacingPlan.of(Geometry((12, 12, 15), np.diag([1, 1, 1.5, 1.0])), 2)
    fine, coarse = (level.geometry for level in plan.levels)

    def ramp(geometry):
        index = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), -1)
        return geometry.to_world(index) @ np.array([1.0, -2.0, 0.5])

    up = upsample(torch.tensor(ramp(coarse))[None, None], plan.levels[0].factors, fine.shape)
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(up[0, 0].numpy()[inner], ramp(fine)[inner], atol=1e-5)


def test_channels_last_memory_survives():
    x = torch.randn(2, 8, 8, 8, 9).contiguous(memory_format=torch.channels_last_3d)
    y = NativeConv3d(8, 8)(x)
    for made in (y, downsample(y, (2.0, 2.0, 2.0)), upsample(y, (2.0, 2.0, 2.0), (16, 16, 18))):
        assert made.is_contiguous(memory_format=torch.channels_last_3d)


def test_initial_activations_neither_vanish_nor_explode():
    x = torch.randn(1, 32, 10, 10, 10)
    y = NativeConv3d(32, 32)(x).detach()[:, :, 1:-1, 1:-1, 1:-1]
    assert math.sqrt(0.5) < float(y.std()) < 2
