"""A region's vector is that of what lies under it, whatever its form, and of its own image."""

from __future__ import annotations

import pytest
import torch

from sagittal.errors import InputError
from sagittal.nn.region_prompt import RegionPrompt, sampled


def test_points_lie_inside_and_none_comes_twice() -> None:
    mask = torch.zeros(40, 50, dtype=torch.bool)
    mask[5:35, 10:45] = True
    torch.manual_seed(1)
    for drawn in (False, True):
        found = sampled(mask, 100, drawn=drawn)
        assert found.shape == (100, 2)
        assert mask[found[:, 0], found[:, 1]].all()
        assert len({tuple(p) for p in found.tolist()}) == 100
    assert torch.equal(sampled(mask, 100), sampled(mask, 100))
    # Evenly spread: near the middle of the region.
    torch.testing.assert_close(
        sampled(mask, 100).float().mean(dim=0), torch.tensor([19.5, 27.0]), atol=2.0, rtol=0
    )


@pytest.mark.parametrize("pixels", [1, 99, 100])
def test_a_small_region_gives_all_it_has(pixels: int) -> None:
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask.view(-1)[7 : 7 + pixels] = True
    assert len(sampled(mask, 100, drawn=True)) == pixels


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        sampled(torch.zeros(4, 4, dtype=torch.bool))


def test_the_mean_against_a_literal_one() -> None:
    """Features that are linear in the place: their mean is the feature at the region's middle."""
    prompt = RegionPrompt(2, 5).eval()
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    features = torch.stack([torch.stack([rows, columns]), torch.stack([columns, rows])])
    mask = torch.zeros(3, 32, 32, dtype=torch.bool)
    mask[0, 6:18, 8:16] = mask[1, 6:18, 8:16] = True
    mask[2, 20, 9] = True
    found = prompt(features, mask, torch.tensor([0, 1, 0]))
    # A patch is four pixels: pixel p lies at (p + 0.5) / 4 − 0.5 between the patches' middles.
    middle = [((6 + 17) / 2 + 0.5) / 4 - 0.5, ((8 + 15) / 2 + 0.5) / 4 - 0.5]
    wanted = [middle, middle[::-1], [(20.5 / 4) - 0.5, (9.5 / 4) - 0.5]]
    torch.testing.assert_close(found, prompt.mlp(torch.tensor(wanted)), rtol=1e-5, atol=1e-5)
    assert prompt(features, mask[:0], torch.zeros(0, dtype=torch.long)).shape == (0, 5)


def test_points_are_drawn_anew_in_training_alone() -> None:
    prompt, features = RegionPrompt(3, 4), torch.randn(1, 3, 8, 8)
    mask, row = torch.ones(1, 64, 64, dtype=torch.bool), torch.tensor([0])
    assert not torch.equal(prompt.train()(features, mask, row), prompt(features, mask, row))
    assert torch.equal(prompt.eval()(features, mask, row), prompt(features, mask, row))


def test_a_region_learns_through_the_features() -> None:
    prompt, features = RegionPrompt(3, 4), torch.randn(1, 3, 4, 4, requires_grad=True)
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[0, :4, :4] = True
    prompt(features, mask, torch.tensor([0])).sum().backward()
    reached = features.grad[0].abs().sum(dim=0) > 0
    assert reached[0, 0]
    assert not reached[2:, 2:].any()
