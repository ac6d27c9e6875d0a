"""Gradients of many samples at once equal those of one after the other, in every kind of layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.errors import ConfigError, InputError
from sagittal.models.imax import imax_config
from sagittal.models.vlm.chat import padded, real_targets
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features, Turn
from sagittal.score.fisher import Chosen, choose_parameters, layer_gradients, spectrum
from sagittal.score.fisher_batches import batched_gradients
from sagittal.train.mpllm import freeze_encoder

WORDS = 11


class Reader(nn.Module):
    """Embeddings that are the last layer's weights, too, two kinds of norm, a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 6)
        self.first, self.twice = nn.Linear(6, 6), nn.Linear(6, 6, bias=False)
        self.norm, self.scale, self.drop = nn.LayerNorm(6), nn.RMSNorm(6), nn.Dropout(0.5)
        self.head = nn.Linear(6, WORDS, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: Tensor) -> Tensor:
        own = self.norm(self.first(self.words(ids)).tanh())
        return self.head(self.scale(self.drop(self.twice(self.twice(own).tanh()))))


def reader() -> Reader:
    torch.manual_seed(0)
    model = Reader().double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)
    return model


def ids(count: int) -> Tensor:
    return torch.randint(WORDS, (count, 7), generator=torch.Generator().manual_seed(1))


def likelihoods(model: nn.Module, batch: Tensor) -> Tensor:
    logits = model(batch)[:, :-1]
    losses = functional.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")
    return -losses.sum(dim=1)


def every_number(model: nn.Module) -> list[Chosen]:
    return [
        Chosen(name.rpartition(".")[0], name, index)
        for name, tensor in model.named_parameters()
        for index in np.ndindex(*tensor.shape)
    ]


def test_every_number_of_every_layer() -> None:
    model, whole = reader(), ids(9)
    chosen = every_number(model)
    one_by_one = layer_gradients(
        model, lambda sample: likelihoods(model, sample[None])[0], list(whole), chosen
    )
    found = batched_gradients(model, lambda batch: likelihoods(model, batch), whole.split(4), chosen)
    assert found.shape == (9, len(chosen))
    np.testing.assert_allclose(found, one_by_one, rtol=1e-9, atol=1e-12)
    assert np.abs(found).max() > 0.1


def test_the_model_is_left_as_it_was() -> None:
    model = reader()
    model.first.weight.requires_grad_(False)
    before = {name: (p.requires_grad, p.detach().clone()) for name, p in model.named_parameters()}
    chosen = choose_parameters(model, 0)
    batched_gradients(model, lambda batch: likelihoods(model, batch), [ids(2)], chosen)
    assert model.training and model.drop.training
    for name, parameter in model.named_parameters():
        there, value = before[name]
        assert parameter.requires_grad is there and torch.equal(parameter, value) and parameter.grad is None
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("lora", [False, True])
def test_imax_padded_together_and_alone(lora: bool) -> None:
    torch.manual_seed(0)
    model = VLM(imax_config("tiny", 60, lora=lora))
    freeze_encoder(model)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, 0, 0.1)
    rng = np.random.default_rng(0)
    asked, said = ([rng.integers(3, 60, rng.integers(2, 9)).tolist() for _ in range(6)] for _ in range(2))
    seen = model.look(torch.rand(6, 1, 1, 32, 32)[:, :, 0], torch.ones(6, 1, dtype=torch.bool))

    def turn(own: list[int]) -> Turn:
        features = Features(
            seen.tokens[own].detach(), seen.cls[own].detach(), torch.ones(len(own), 1, dtype=torch.bool)
        )
        return Turn(
            padded([asked[n] for n in own]),
            features,
            padded([[4, 5]] * len(own)),
            padded([said[n] for n in own]),
        )

    def together(own: Any) -> Tensor:
        one = turn(list(own))
        losses = functional.cross_entropy(
            model(one).logits.transpose(1, 2), real_targets(one.answer), reduction="none"
        )
        return -losses.sum(dim=1)

    chosen = choose_parameters(model, 1)
    alone = layer_gradients(model, lambda n: together([n])[0], range(6), chosen)
    found = batched_gradients(model, together, [range(4), range(4, 6)], chosen)
    np.testing.assert_allclose(found, alone, rtol=1e-3, atol=1e-5 * np.abs(alone).max())
    assert spectrum(found).entropy == pytest.approx(spectrum(alone).entropy, abs=1e-4)


def test_hostile_input() -> None:
    model = reader()
    chosen = choose_parameters(model, 0)

    def own(batch: Tensor) -> Tensor:
        return likelihoods(model, batch)

    with pytest.raises(InputError, match="samples"):
        batched_gradients(model, own, [], chosen)
    with pytest.raises(InputError, match="one log-likelihood"):
        batched_gradients(model, lambda batch: own(batch).sum()[None], [ids(3)], chosen)
    with pytest.raises(InputError, match="finite"):
        batched_gradients(model, lambda batch: own(batch) * torch.nan, [ids(3)], chosen)
    with pytest.raises(ConfigError, match="another model"):
        batched_gradients(model, own, [ids(3)], [Chosen("away", "away.weight", (0, 0))])
    strange = nn.Sequential(nn.Conv1d(1, 1, 3))
    with pytest.raises(ConfigError, match="known kinds"):
        batched_gradients(strange, own, [ids(3)], [Chosen("0", "0.weight", (0, 0, 0))])
    assert not any(module._forward_hooks for module in model.modules())
