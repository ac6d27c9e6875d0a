"""φ: a fully-connected layer over the concatenation, without concatenating."""

from __future__ import annotations

import torch
from torch.nn import functional

from sagittal.nn.phi import PhiMixing, PhiProjection


def test_mixing_is_the_layer_over_the_concatenation():
    torch.manual_seed(0)
    module = PhiMixing(6, 5)
    x, phi = torch.randn(3, 6, 2, 3, 4), torch.randn(3, 5)
    joined = torch.cat([x, phi[:, :, None, None, None].expand(-1, -1, 2, 3, 4)], dim=1)
    expected = functional.silu(module.mix(joined.movedim(1, -1))).movedim(-1, 1)
    torch.testing.assert_close(module(x, phi), expected)


def test_mixing_leaves_its_input_alone():
    torch.manual_seed(0)
    x = torch.randn(2, 6, 3, 3, 3).contiguous(memory_format=torch.channels_last_3d)
    before = x.clone()
    with torch.no_grad():
        PhiMixing(6, 5)(x, torch.randn(2, 5))
    torch.testing.assert_close(x, before)


def test_projection_is_linear_then_silu_with_the_papers_width():
    torch.manual_seed(0)
    module = PhiProjection(512)
    states = torch.randn(2, 3, 512)
    assert module(states).shape == (2, 3, 32)
    torch.testing.assert_close(module(states), functional.silu(module.project(states)))


def test_gradients_reach_phi_and_features():
    module = PhiMixing(4, 3)
    x, phi = torch.randn(2, 4, 2, 2, 2, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    module(x, phi).sum().backward()
    assert x.grad.abs().sum() > 0 and phi.grad.abs().sum() > 0
