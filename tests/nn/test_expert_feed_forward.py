"""The mixture of feed-forwards against a literal reading, token by token."""

from __future__ import annotations

from math import ceil

import pytest
import torch
from torch import Tensor, nn

from sagittal.nn.expert_feed_forward import ExpertFeedForward, ExpertsConfig, Passing, choose

WIDTH = 12


def expert(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(WIDTH, 20), nn.SiLU(), nn.Linear(20, WIDTH, bias=False))


def layer(seed: int = 0, passing: Passing | None = None, **changes: object) -> ExpertFeedForward:
    config = ExpertsConfig(**changes)  # type: ignore[arg-type]
    made = [expert(seed + n) for n in range(config.count)]
    return ExpertFeedForward(made, WIDTH, config, passing or Passing())


def tokens(batch: int, length: int, seed: int = 5) -> Tensor:
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def literal(made: ExpertFeedForward, x: Tensor, real: Tensor, whole: bool = True) -> Tensor:
    """Row by row, choice by choice, position by position."""
    config, rows = made.config, []
    for row in range(len(x)):
        out = [torch.zeros(WIDTH) for _ in range(x.shape[1])]
        count = [0] * config.count
        positions = [p for p in range(x.shape[1]) if real[row, p]]
        room = ceil(config.capacity * config.top * len(positions) / config.count)
        for rank in range(config.top):
            for p in positions:
                shares = torch.softmax(made.router(x[row, p]), dim=0)
                chosen = int(torch.argsort(shares, descending=True)[rank])
                count[chosen] += 1
                if whole and count[chosen] > room:
                    continue
                weight = shares[chosen]
                if config.scale == "one":
                    best = torch.sort(shares, descending=True).values[: config.top].sum().detach()
                    weight = weight / best
                out[p] = out[p] + weight * made.experts[chosen](x[row, p])
        rows.append(torch.stack(out))
    return torch.stack(rows)


@pytest.mark.parametrize("scale", ["probability", "one"])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("count", "top", "capacity"), [(2, 1, 1.0), (2, 1, 1.5), (2, 2, 1.0), (4, 2, 0.75)])
def test_outputs_and_gradients_against_the_literal_layer(
    count: int, top: int, capacity: float, whole: bool, scale: str
) -> None:
    x = tokens(4, 9).requires_grad_()
    real = torch.ones(4, 9, dtype=torch.bool)
    real[1, :3] = real[2, 6:] = False
    made = layer(passing=Passing(real, whole), count=count, top=top, capacity=capacity, scale=scale)
    weigh = tokens(4, 9, seed=8)
    found, wanted = [], []
    for kept, out in ((found, made(x)), (wanted, literal(made, x, real, whole))):
        learnt = [x, *made.parameters()]
        kept += [out, *torch.autograd.grad((out * weigh).sum(), learnt, allow_unused=True)]
    for a, b in zip(found, wanted, strict=True):
        if a is None or b is None:
            assert a is None and b is None
        else:
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("real", "taken"), [(8, 6), (7, 6), (5, 4), (1, 1)])
def test_capacity_is_counted_exactly(real: int, taken: int) -> None:
    """Everything asks the first expert, which takes ⌈1.5 · n / 2⌉ of n, the earliest."""
    logits = torch.tensor([5.0, 0.0]).expand(1, 9, 2)
    there = torch.zeros(1, 9, dtype=torch.bool)
    there[0, 9 - real :] = True
    found = choose(logits, there, ExpertsConfig())
    assert int(found.taken.sum()) == taken
    assert found.taken[0, 9 - real : 9 - real + taken].all()
    assert int(choose(logits, there, ExpertsConfig(), whole=False).taken.sum()) == real


def test_second_choices_wait_for_all_first_ones() -> None:
    logits = torch.tensor([[5.0, 1.0], [5.0, 1.0], [1.0, 5.0], [1.0, 5.0]])[None]
    found = choose(logits, torch.ones(1, 4, dtype=torch.bool), ExpertsConfig(top=2, capacity=0.75))
    assert found.taken[0].tolist() == [[True, True], [True, False], [True, True], [True, False]]


@pytest.mark.parametrize("top", [1, 2])
def test_equal_experts_are_the_dense_layer_where_nothing_is_dropped(top: int) -> None:
    made = layer(top=top, capacity=2.0, scale="one")
    made.experts[1].load_state_dict(made.experts[0].state_dict())
    x = tokens(3, 7)
    torch.testing.assert_close(made(x), made.experts[0](x), rtol=1e-5, atol=1e-6)
    published = layer(top=top, capacity=2.0)
    published.load_state_dict(made.state_dict())
    weight = published.router(x).softmax(-1).topk(top, dim=-1).values.sum(-1, keepdim=True)
    torch.testing.assert_close(published(x), weight * made.experts[0](x), rtol=1e-5, atol=1e-6)


def test_neighbours_and_padding_never_change_a_route() -> None:
    passing = Passing(routes=[])
    made = layer(passing=passing, capacity=1.0)
    x = tokens(1, 6)
    alone = made(x)
    padded = torch.cat([tokens(1, 3, seed=9), x, tokens(1, 2, seed=10)], dim=1)
    both = torch.cat([padded, tokens(1, 11, seed=11)])
    passing.real = torch.ones(2, 11, dtype=torch.bool)
    passing.real[0, :3] = passing.real[0, 9:] = False
    out = made(both)
    torch.testing.assert_close(out[0, 3:9], alone[0], rtol=1e-6, atol=1e-6)
    assert not out[0, :3].any() and not out[0, 9:].any()
    routes = passing.routes or []
    assert torch.equal(routes[1][0, 3:9], routes[0][0])
    assert (routes[1][0, :3] == -1).all()


def test_the_published_form_counts_over_the_batch() -> None:
    logits = torch.tensor([5.0, 0.0]).expand(2, 4, 2)
    there = torch.ones(2, 4, dtype=torch.bool)
    there[0, :2] = False
    found = choose(logits, there, ExpertsConfig(over="batch"))
    # Room for six of eight, padding counted; padding itself gets nothing.
    assert found.taken[..., 0].tolist() == [[False, False, True, True], [True, True, False, False]]


def test_strange_numbers_of_experts_are_refused() -> None:
    with pytest.raises(ValueError, match="experts"):
        ExpertFeedForward([expert(0)], WIDTH, ExpertsConfig(), Passing())
    with pytest.raises(ValueError, match="experts"):
        layer(count=2, top=3)
