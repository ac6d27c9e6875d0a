"""The Fisher spectrum: against the whole matrix, known spectra, literal gradients, and language models."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.errors import ConfigError, InputError
from sagittal.models.vlm.config import LoRAConfig
from sagittal.models.vlm.language import make_language, with_lora
from sagittal.score.fisher import (
    SAMPLES,
    Chosen,
    answer_log_likelihood,
    choose_parameters,
    layer_gradients,
    spectra,
    spectrum,
)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 5), nn.LayerNorm(5), nn.Linear(5, 4)
    ).double()


def samples(count: int = 8, seed: int = 1) -> list[tuple[Tensor, Tensor]]:
    random = torch.Generator().manual_seed(seed)
    xs = torch.randn(count, 2, 3, generator=random, dtype=torch.float64)
    return [(x, torch.randint(4, (2,), generator=random)) for x in xs]


def likelihood(model: nn.Module) -> Callable[[tuple[Tensor, Tensor]], Tensor]:
    return lambda sample: -functional.cross_entropy(model(sample[0]), sample[1], reduction="sum")


def literal_gradients(model: nn.Module, chosen: tuple[Chosen, ...]) -> np.ndarray:
    """A backward pass a sample, all gradients kept, the numbers picked out afterwards."""
    model.eval()
    rows = []
    for sample in samples():
        model.zero_grad()
        likelihood(model)(sample).backward()
        rows.append([float(model.get_parameter(one.parameter).grad[one.index]) for one in chosen])
    model.zero_grad()
    return np.array(rows)


def test_the_spectrum_is_the_whole_matrixs() -> None:
    model = network()
    for seed in range(5):
        chosen = choose_parameters(model, seed)
        gradients = layer_gradients(model, likelihood(model), samples(), chosen)
        assert gradients == pytest.approx(literal_gradients(model, chosen), abs=1e-12)
        matrix = sum(np.outer(g, g) for g in gradients) / len(gradients)
        direct = np.linalg.eigvalsh(matrix)[::-1]
        found = spectrum(gradients)
        assert len(found.eigenvalues) <= min(gradients.shape)
        assert found.eigenvalues == pytest.approx(direct[: len(found.eigenvalues)], rel=1e-6, abs=1e-12)
        assert direct[len(found.eigenvalues) :] == pytest.approx(0, abs=1e-12)
        shares = direct[direct > 1e-12] / direct.sum()
        assert found.entropy == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-6)
        assert found.rho == pytest.approx(direct[0] / np.trace(matrix), abs=1e-6)


@pytest.mark.parametrize("shape", [(32, 450), (32, 8), (1, 5), (5, 1)])
def test_more_layers_than_samples_and_the_other_way_round(shape: tuple[int, int]) -> None:
    gradients = np.random.default_rng(0).normal(size=shape)
    found = spectrum(gradients)
    direct = np.linalg.eigvalsh(gradients.T @ gradients / len(gradients))[::-1]
    assert len(found.eigenvalues) == min(shape)
    assert found.eigenvalues == pytest.approx(direct[: min(shape)], rel=1e-6)


def test_known_spectra() -> None:
    # Equal and apart: four eigenvalues of a quarter.
    flat = spectrum(np.eye(4, 7))
    assert flat.eigenvalues == pytest.approx([0.25] * 4)
    assert (flat.entropy, flat.rho) == pytest.approx((np.log(4), 0.25))
    # All alike: one, of the gradient's squared length.
    one = spectrum(np.tile([3.0, 0, 4.0], (5, 1)))
    assert one.eigenvalues == pytest.approx([25])
    assert (one.entropy, one.rho) == (0, 1)
    # 9 and 1, by two samples.
    two = spectrum(np.array([[3.0, 0], [0, 1.0]]))
    assert two.eigenvalues == pytest.approx([4.5, 0.5])
    assert two.entropy == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))
    assert two.rho == pytest.approx(0.9)


def test_order_sign_and_scale() -> None:
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, 9))
    found = spectrum(gradients)
    for other in (
        gradients[rng.permutation(6)], gradients[:, rng.permutation(9)], -gradients,
        gradients * rng.choice([-1.0, 1.0], (6, 1)),
    ):  # fmt: skip
        assert spectrum(other).eigenvalues == pytest.approx(found.eigenvalues)
    # Squares of 1e-180 are no numbers any more; shares are still told.
    for scale in (1e-180, 1e-30, 1e100):
        scaled = spectrum(gradients * scale)
        assert (scaled.entropy, scaled.rho) == pytest.approx((found.entropy, found.rho))
    assert spectrum(gradients * 100).eigenvalues == pytest.approx(found.eigenvalues * 1e4)


def test_groups() -> None:
    gradients = np.random.default_rng(0).normal(size=(3 * SAMPLES, 10))
    found = spectra(gradients)
    assert len(found) == 3
    for n, one in enumerate(found):
        own = spectrum(gradients[n * SAMPLES : (n + 1) * SAMPLES])
        assert (one.entropy, one.rho) == (own.entropy, own.rho)
    for rows in (0, SAMPLES - 1, SAMPLES + 1):
        with pytest.raises(InputError, match="equal size"):
            spectra(gradients[:rows])


def test_one_number_of_each_trained_layer() -> None:
    model = network()
    chosen = choose_parameters(model, 3)
    assert [one.layer for one in chosen] == ["0", "3", "4", "5"]
    assert all(one.parameter in (f"{one.layer}.weight", f"{one.layer}.bias") for one in chosen)
    assert chosen == choose_parameters(network(seed=9), 3) != choose_parameters(model, 4)
    model[3].requires_grad_(False)
    assert [one.layer for one in choose_parameters(model, 3)] == ["0", "4", "5"]
    model[4].weight.requires_grad_(False)
    assert choose_parameters(model, 3)[1].parameter == "4.bias"
    assert json.loads(json.dumps([one.to_json() for one in chosen]))[0]["layer"] == "0"
    with pytest.raises(ConfigError, match="No layer"):
        choose_parameters(model.requires_grad_(False), 0)


def test_each_number_of_a_layer_is_as_likely() -> None:
    layer = nn.Linear(3, 2)
    drawn = [choose_parameters(layer, seed)[0] for seed in range(900)]
    counts = {one: drawn.count(one) for one in set(drawn)}
    assert len(counts) == 8 and {one.layer for one in counts} == {""}
    # 112.5 each, with a spread of 10.
    assert min(counts.values()) > 70 and max(counts.values()) < 155


def test_a_shared_parameter_stands_for_one_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    assert [one.layer for one in choose_parameters(model, 0)] == ["0"]


def test_the_model_is_left_as_it_was() -> None:
    model = network()
    model[0].eval()
    chosen = choose_parameters(model, 0)
    first = layer_gradients(model, likelihood(model), samples(), chosen)
    # Dropout is off: twice the same.
    with torch.no_grad():
        assert (first == layer_gradients(model, likelihood(model), iter(samples()), chosen)).all()
    assert [module.training for module in model] == [False, True, True, True, True, True]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_samples_in_any_order_and_two_numbers_of_one_parameter() -> None:
    model = network()
    chosen = (Chosen("0", "0.weight", (1, 2)), Chosen("0", "0.weight", (4, 0)), Chosen("5", "5.bias", (3,)))
    found = layer_gradients(model, likelihood(model), samples(), chosen)
    assert found == pytest.approx(literal_gradients(model, chosen), abs=1e-12)
    turned = layer_gradients(model, likelihood(model), samples()[::-1], chosen)
    assert (turned[::-1] == found).all()


def test_a_layer_that_is_not_passed_has_no_gradient() -> None:
    model = network()
    model.append(nn.Linear(2, 2).double())
    chosen = choose_parameters(model, 0)

    def without_last(sample: tuple[Tensor, Tensor]) -> Tensor:
        return likelihood(model[:-1])(sample)

    found = layer_gradients(model, without_last, samples(), chosen)
    assert not found[:, -1].any() and found[:, -2].any()


def test_a_likelihood_is_a_sum_over_tokens() -> None:
    torch.manual_seed(0)
    logits, tokens = torch.randn(3, 5), torch.tensor([4, 0, 2])
    shares = torch.softmax(logits, -1)
    expected = sum(float(torch.log(shares[n, token])) for n, token in enumerate(tokens))
    assert float(answer_log_likelihood(logits, tokens)) == pytest.approx(expected)
    twice = answer_log_likelihood(logits.repeat(2, 1), tokens.repeat(2))
    assert float(twice) == pytest.approx(2 * expected)
    for bad in ((logits, tokens[:2]), (logits[:0], tokens[:0]), (logits[None], tokens[None])):
        with pytest.raises(InputError, match="its logits"):
            answer_log_likelihood(*bad)


def adapted(layers: int, targets: str = "all-linear") -> nn.Module:
    torch.manual_seed(0)
    language = make_language(
        {
            "model_type": "llama", "vocab_size": 20, "hidden_size": 8, "intermediate_size": 8,
            "num_hidden_layers": layers, "num_attention_heads": 2, "num_key_value_heads": 2,
        }
    )  # fmt: skip
    connector = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 8))
    return nn.ModuleDict(
        {"connector": connector, "language": with_lora(language, LoRAConfig(r=8, targets=targets))}
    )


def spoken(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """log p of the last three of some tokens, after what the connector makes of an image."""

    def found(tokens: Tensor) -> Tensor:
        seen = model["connector"](torch.linspace(-1, 1, 8).reshape(1, 2, 4))
        embedded = model["language"].get_input_embeddings()(tokens[None])
        logits = model["language"](inputs_embeds=torch.cat([seen, embedded], 1)).logits[0]
        return answer_log_likelihood(logits[-4:-1], tokens[-3:])

    return found


def test_the_papers_450_parameters() -> None:
    """Its own architecture, in narrow: 32 blocks of LLaMA with LoRA, and a connector of two layers."""
    assert len(choose_parameters(adapted(32), 0)) == 450


def test_a_language_model_with_adapters() -> None:
    model = adapted(2)
    chosen = choose_parameters(model, 0)
    texts = [torch.randint(20, (6,), generator=torch.Generator().manual_seed(n)) for n in range(8)]
    initial = layer_gradients(model, spoken(model), texts, chosen)
    of_a = np.array(["lora_A" in one.layer for one in chosen])
    # B is 0 at first, and with it each gradient of A.
    assert not initial[:, of_a].any() and initial[:, ~of_a].any()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(0))
    warm = layer_gradients(model, spoken(model), texts, chosen)
    assert warm[:, of_a].any()
    for text, row in zip(texts, warm, strict=True):
        model.zero_grad()
        model.eval()
        spoken(model)(text).backward()
        literal = [float(model.get_parameter(one.parameter).grad[one.index]) for one in chosen]
        assert row == pytest.approx(literal, abs=1e-7)
    found = spectrum(warm)
    assert len(found.eigenvalues) == 8 and 0 < found.entropy < np.log(8) and 1 / 8 < found.rho < 1


def test_hostile_input() -> None:
    model = network()
    chosen = choose_parameters(model, 0)
    with pytest.raises(InputError, match="no sample"):
        layer_gradients(model, likelihood(model), [], chosen)
    with pytest.raises(InputError, match="one log-likelihood"):
        layer_gradients(model, lambda s: model(s[0]), samples(), chosen)
    with pytest.raises(InputError, match="one log-likelihood"):
        layer_gradients(model, lambda s: s[0].sum(), samples(), chosen)
    with pytest.raises(InputError, match="not finite"):
        layer_gradients(model, lambda s: likelihood(model)(s) * float("nan"), samples(), chosen)
    assert model.training
    for strange in (("9", "9.weight", (0, 0)), ("0", "0.weight", (5, 0)), ("0", "0.weight", (0,))):
        with pytest.raises(ConfigError, match="another model"):
            layer_gradients(model, likelihood(model), samples(), (Chosen(*strange),))
    model[0].requires_grad_(False)
    with pytest.raises(ConfigError, match="another model"):
        layer_gradients(model, likelihood(model), samples(), chosen)
    with pytest.raises(InputError, match="All gradients are 0"):
        spectrum(np.zeros((3, 4)))
    for bad in (np.zeros((0, 4)), np.zeros(4), np.array([[np.nan, 1.0]]), np.array([[np.inf]])):
        with pytest.raises(InputError, match="finite gradients"):
            spectrum(bad)
