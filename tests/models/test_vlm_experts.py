"""Experts inside decoders of transformers: what they begin as, how they are filled, who goes where."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from sagittal.errors import ConfigError
from sagittal.models.decoding import GrowingContext
from sagittal.models.vlm.experts import load_experts, routes_of, shares, with_experts
from sagittal.models.vlm.language import make_language
from sagittal.nn.expert_feed_forward import ExpertsConfig

FAMILIES = ("llama", "phi3", "qwen2", "qwen3", "mistral")
EVEN = ExpertsConfig(capacity=2.0, scale="one")


def language(family: str = "llama", seed: int = 0):
    torch.manual_seed(seed)
    return make_language({
        "model_type": family, "vocab_size": 50, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }).eval()  # fmt: skip


def ids(batch: int, length: int, seed: int = 3) -> torch.Tensor:
    return torch.randint(3, 50, (batch, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_decoder_begins_as_the_dense_one(family: str) -> None:
    dense = language(family)
    sparse = with_experts(deepcopy(dense), EVEN)
    torch.testing.assert_close(sparse(ids(2, 9)).logits, dense(ids(2, 9)).logits, rtol=1e-4, atol=1e-5)


def test_a_cache_goes_on_as_a_full_forward_where_nothing_is_dropped() -> None:
    sparse = apart(with_experts(language(), EVEN))
    text = ids(1, 12)
    context = GrowingContext(sparse)
    parts = [context.append_tokens(part) for part in text.split([5, 4, 1, 1, 1], dim=1)]
    wanted = sparse.get_decoder()(text).last_hidden_state
    torch.testing.assert_close(torch.cat(parts, dim=1), wanted, rtol=1e-4, atol=1e-5)


def apart(sparse):
    """Experts that differ."""
    torch.manual_seed(9)
    for name, parameter in sparse.named_parameters():
        if ".experts.1." in name:
            parameter.data += 0.3 * torch.randn_like(parameter)
        if "router" in name:
            parameter.data.normal_()
    return sparse


@pytest.mark.parametrize("left", [True, False])
def test_padding_and_neighbours_change_nothing(left: bool) -> None:
    sparse = apart(with_experts(language(), ExpertsConfig(capacity=1.0)))
    text, other = ids(1, 7), ids(1, 10, seed=4)
    empty = torch.zeros(1, 3, dtype=torch.long)
    padded = torch.cat([empty, text] if left else [text, empty], dim=1)
    with routes_of(sparse) as alone:
        one = GrowingContext(sparse).append_tokens(text)
    with routes_of(sparse) as both:
        two = GrowingContext(sparse).append_tokens(torch.cat([padded, other]), pad=0)
    place = slice(3, 10) if left else slice(0, 7)
    torch.testing.assert_close(two[0, place], one[0], rtol=1e-4, atol=1e-5)
    for a, b in zip(alone, both, strict=True):
        assert torch.equal(a[0], b[0, place])
    assert len(both) == 3
    found = shares(both, torch.cat([padded, other]) != 0, 2)
    assert found.shape == (3, 3)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))
    assert (found[:, 2] > 0).any(), "a capacity of one drops some tokens of routers that are not even"


def test_experts_come_from_models_that_were_trained_apart() -> None:
    first, second = language(seed=1), language(seed=2)
    sparse = with_experts(language(seed=3), ExpertsConfig())
    routers = {n: p.clone() for n, p in sparse.state_dict().items() if "router" in n}
    load_experts(sparse, second.state_dict(), [first.state_dict(), second.state_dict()])
    found = sparse.state_dict()
    for number, model in enumerate((first, second)):
        own = model.state_dict()["model.layers.1.mlp.up_proj.weight"]
        assert torch.equal(found[f"model.layers.1.mlp.experts.{number}.up_proj.weight"], own)
    assert torch.equal(found["model.layers.0.self_attn.q_proj.weight"],
                       second.state_dict()["model.layers.0.self_attn.q_proj.weight"])  # fmt: skip
    assert len(routers) == 3
    assert all(torch.equal(found[name], value) for name, value in routers.items())
    with pytest.raises(ConfigError, match="Each expert"):
        load_experts(sparse, second.state_dict(), [first.state_dict()])
    with pytest.raises(ConfigError, match="lacks"):
        load_experts(sparse, {}, [first.state_dict(), second.state_dict()])


def test_a_copy_has_a_passing_of_its_own() -> None:
    sparse = apart(with_experts(language(), ExpertsConfig(capacity=1.0)))
    other = deepcopy(sparse)
    padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids(1, 7)], dim=1)
    one = GrowingContext(sparse).append_tokens(padded, pad=0)
    two = GrowingContext(other).append_tokens(padded, pad=0)
    assert torch.equal(one[:, 3:], two[:, 3:])


def test_routers_and_experts_learn() -> None:
    sparse = with_experts(language(), ExpertsConfig()).train()
    sparse(ids(2, 9)).logits.square().mean().backward()
    for name, parameter in sparse.named_parameters():
        if "router" in name:
            assert parameter.grad is not None and bool(parameter.grad.any()), name


def test_a_decoder_without_such_layers_is_refused() -> None:
    other = make_language({"model_type": "gpt2", "vocab_size": 50, "n_embd": 16, "n_layer": 1, "n_head": 2,
                           "bos_token_id": 1, "eos_token_id": 2})  # fmt: skip
    with pytest.raises(ConfigError, match="none by that name"):
        with_experts(other, ExpertsConfig())
    with pytest.raises(ConfigError, match="more experts"):
        with_experts(language(), ExpertsConfig(top=3))
