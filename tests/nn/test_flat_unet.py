"""The U-Net for pictures."""

from __future__ import annotations

import pytest
import torch

from sagittal.errors import ConfigError, InputError
from sagittal.nn.flat_unet import FlatUNet, FlatUNetConfig

SMALL = FlatUNetConfig(channels=(8, 16), classes=3)


def test_logits_lie_on_the_pictures_own_pixels():
    assert FlatUNet(SMALL)(torch.rand(2, 1, 16, 24)).shape == (2, 3, 16, 24)


@pytest.mark.parametrize("shape", [(1, 1, 18, 16), (1, 3, 16, 16), (1, 16, 16)])
def test_pictures_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="halved"):
        FlatUNet(SMALL)(torch.rand(shape))


@pytest.mark.parametrize("channels", [(), (12,), (0,), (2_048,)])
def test_groups_are_whole(channels):
    with pytest.raises((ConfigError, ValueError)):
        FlatUNetConfig(channels=channels)


def test_every_weight_has_a_part_in_the_logits():
    torch.manual_seed(0)
    network = FlatUNet(SMALL)
    network(torch.rand(1, 1, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


def test_it_learns_to_copy_a_bright_square():
    torch.manual_seed(0)
    network = FlatUNet(FlatUNetConfig(channels=(8, 16), classes=2))
    pictures = torch.rand(1, 1, 32, 32) * 0.3
    pictures[:, :, 9:20, 5:17] += 0.6
    truth = torch.zeros(1, 32, 32, dtype=torch.long)
    truth[:, 9:20, 5:17] = 1
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(45):
        loss = torch.nn.functional.cross_entropy(network(pictures), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float((network(pictures).argmax(dim=1) == truth).float().mean()) > 0.99
