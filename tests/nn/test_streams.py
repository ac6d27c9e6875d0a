"""Eq. 1 across streams, against a literal loop; streams have no order; grids meet in world space."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from sagittal.geometry import Geometry
from sagittal.nn import streams as streams_module
from sagittal.nn.streams import StreamInteraction
from sagittal.nn.world import WorldSampler
from sagittal.resampling import resample


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def grid(shape, spacing=(1, 1, 1), origin=(0, 0, 0), turn=0.0):
    c, s = np.cos(turn), np.sin(turn)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag(spacing)
    affine[:3, 3] = origin
    return Geometry(shape, affine)


def literal(module, a):
    """Eq. 1 for one voxel: a is (S, c)."""
    q, k, v = (a @ p.weight.T for p in (module.query, module.key, module.value))
    share = torch.softmax(q @ k.T / module.attention**0.5, dim=1)
    return share @ v @ module.out.weight.T + module.out.bias + a


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_voxel_obeys_equation_one(count):
    module = StreamInteraction(8, 6)
    x = torch.randn(count, 8, 2, 3, 4)
    (got,) = module([x], [grid((2, 3, 4))])
    for place in itertools.product(range(2), range(3), range(4)):
        at = (slice(None), slice(None), *place)
        torch.testing.assert_close(got[at], literal(module, x[at]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_streams_have_no_order(order):
    module = StreamInteraction(8, 16)
    x = torch.randn(3, 8, 4, 3, 2)
    (straight,) = module([x], [grid((4, 3, 2))])
    (permuted,) = module([x[list(order)]], [grid((4, 3, 2))])
    torch.testing.assert_close(permuted, straight[list(order)])


def test_items_do_not_see_each_other():
    module = StreamInteraction(4, 4)
    x = torch.randn(6, 4, 3, 3, 3)
    (together,) = module([x], [grid((3, 3, 3))], items=3)
    for item in range(3):
        (alone,) = module([x[2 * item : 2 * item + 2]], [grid((3, 3, 3))])
        torch.testing.assert_close(together[2 * item : 2 * item + 2], alone)


def test_blocks_of_voxels_change_nothing(monkeypatch):
    module = StreamInteraction(4, 4)
    groups = [torch.randn(2, 4, 5, 6, 7), torch.randn(1, 4, 4, 4, 4)]
    grids = [grid((5, 6, 7)), grid((4, 4, 4), (1.5, 1.5, 2))]
    whole = module(groups, grids)
    monkeypatch.setattr(streams_module, "_BLOCK_CPU", 300)
    for a, b in zip(whole, module(groups, grids), strict=True):
        torch.testing.assert_close(a, b)


def test_only_the_wanted_streams_are_answered():
    module = StreamInteraction(4, 4)
    groups = [torch.randn(3, 4, 5, 6, 7), torch.randn(2, 4, 4, 4, 4)]
    grids = [grid((5, 6, 7)), grid((4, 4, 4), (1.5, 1.5, 2))]
    whole = module(groups, grids)
    first, second = module(groups, grids, answer=[(2, 0), ()])
    torch.testing.assert_close(first, whole[0][[2, 0]])
    assert second.shape == (0, 4, 4, 4, 4)
    turned, _ = module(groups, grids, answer=[(1, 2, 0), (0,)])
    torch.testing.assert_close(turned, whole[0][[1, 2, 0]])


def test_an_equal_grid_given_apart_is_the_same_as_together():
    # Sampling through world space at coinciding voxel centres must give back the features themselves.
    module = StreamInteraction(4, 8)
    x = torch.randn(3, 4, 5, 6, 7)
    here = grid((5, 6, 7), (1, 2, 3), (10, -4, 2), 0.3)
    (together,) = module([x], [here])
    apart = module([x[:1], x[1:]], [here, here])
    torch.testing.assert_close(torch.cat(apart), together, rtol=1e-4, atol=1e-4)


def test_a_stream_is_left_out_where_it_does_not_reach():
    module = StreamInteraction(4, 8)
    near, far = torch.randn(1, 4, 4, 4, 4), torch.randn(1, 4, 4, 4, 4)
    alone = module([near], [grid((4, 4, 4))])[0]
    # The other volume covers x ≥ 2 only.
    both = module([near, far], [grid((4, 4, 4)), grid((4, 4, 4), origin=(2, 0, 0))])[0]
    torch.testing.assert_close(both[:, :, :2], alone[:, :, :2], rtol=1e-5, atol=1e-5)
    assert (both[:, :, 2:] - alone[:, :, 2:]).abs().amin(dim=1).max() > 1e-4


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_world_sampling_is_the_package_resampling(turn):
    source, target = (
        grid((6, 7, 5), (2, 2, 3), (1, -2, 0), turn),
        grid((9, 8, 10), (1.6, 1.6, 1.6), (-0.7, 1.3, 0.2)),
    )
    values = torch.randn(1, 1, *source.shape)
    sampler = WorldSampler(source, target, torch.device("cpu"))
    rows = values.reshape(1, 1, -1, 1)
    got, inside = sampler(rows, 0, 720)
    parts = [sampler(rows, a, min(a + 100, 720)) for a in range(0, 720, 100)]
    torch.testing.assert_close(torch.cat([p[0] for p in parts], dim=2), got)
    expected = resample(values[0, 0].numpy(), source, target, order=1, fill=np.nan).ravel()
    reached = ~np.isnan(expected)
    np.testing.assert_array_equal(inside.numpy(), reached)
    assert 0.1 < reached.mean() < 0.95
    np.testing.assert_allclose(got.ravel().numpy()[reached], expected[reached], atol=1e-4)


@pytest.mark.parametrize("block", [1 << 20, 40])
def test_gradients_are_those_of_the_literal_equation(block, monkeypatch):
    monkeypatch.setattr(streams_module, "_BLOCK_CPU", block)
    module = StreamInteraction(4, 4)
    x = torch.randn(3, 4, 2, 1, 1, requires_grad=True)
    module([x], [grid((2, 1, 1))])[0].square().sum().backward()
    got = [x.grad, *(p.grad.clone() for p in module.parameters())]
    module.zero_grad()
    x.grad = None
    sum(literal(module, x[:, :, i, 0, 0]).square().sum() for i in range(2)).backward()
    for a, b in zip(got, [x.grad, *(p.grad for p in module.parameters())], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_gradients_are_the_same_across_grids():
    module = StreamInteraction(4, 8)
    here = grid((3, 4, 5), (1, 2, 3), (10, -4, 2), 0.3)
    towards = torch.randn(3, 4, 3, 4, 5)

    def gradients(split):
        module.zero_grad()
        x = torch.randn(3, 4, 3, 4, 5, generator=torch.Generator().manual_seed(5)).requires_grad_()
        groups = list(x.split(split))
        made = torch.cat(module(groups, [here] * len(groups)))
        (made * towards).sum().backward()
        return [x.grad, *(p.grad.clone() for p in module.parameters())]

    for together, apart in zip(gradients([3]), gradients([1, 2]), strict=True):
        torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-3)


def test_gradients_of_wanted_streams_only():
    module = StreamInteraction(4, 8)
    x = torch.randn(3, 4, 2, 2, 2, requires_grad=True)
    whole = torch.autograd.grad(module([x], [grid((2, 2, 2))])[0][[2, 0]].square().sum(), x)[0]
    some = module([x], [grid((2, 2, 2))], answer=[(2, 0)])[0]
    torch.testing.assert_close(torch.autograd.grad(some.square().sum(), x)[0], whole)


@pytest.mark.parametrize("count", [1, 3])
def test_bfloat16_stays_close(count):
    module = StreamInteraction(16, 16)
    x = torch.randn(count, 16, 4, 4, 4)
    (exact,) = module([x], [grid((4, 4, 4))])
    with torch.autocast("cpu", torch.bfloat16):
        (rough,) = module([x.bfloat16()], [grid((4, 4, 4))])
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, rtol=0.03, atol=0.05)
