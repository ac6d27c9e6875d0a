"""IMAX's unified model, counted without memory: EVA-CLIP ViT-G/14, a two-layer MLP, LLaMA-2 7B with LoRA."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sagittal.models.imax import imax_config
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Tokens, Turn


def counted(module: nn.Module, *, trained: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


@pytest.fixture(scope="module")
def paper() -> VLM:
    with torch.device("meta"):
        return VLM(imax_config("paper"))


def test_the_language_model_is_llama_2_7b(paper: VLM) -> None:
    with torch.device("meta"):
        plain = VLM(imax_config("paper", lora=False))
    assert counted(plain.language) == 6_738_415_616
    # Rank 8 on every matrix of a layer: (in + out) · 8.
    square, wide = 4_096 + 4_096, 4_096 + 11_008
    assert counted(paper.language, trained=True) == 32 * 8 * (4 * square + 3 * wide)


def test_the_encoder_has_eva_clip_g_s_shapes(paper: VLM) -> None:
    width, wide = 1_408, 6_144
    block = 3 * width * width + width * width + 2 * width * wide
    matrices = sum(p.numel() for p in paper.encoder.parameters() if p.ndim == 2 and min(p.shape) >= width)
    assert matrices == 40 * block
    assert round(counted(paper.encoder) / 1e9, 2) == 1.01
    assert paper.config.tokens == 256


def test_the_connector_is_a_two_layer_mlp(paper: VLM) -> None:
    linears = [m for m in paper.projector.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linears] == [(1_408, 4_096), (4_096, 4_096)]


def test_small_looks_at_films_and_its_adapters_alone_are_trained() -> None:
    model = VLM(imax_config("small", 300))
    assert model.config.tokens == 64
    assert counted(model.language, trained=True) == 4 * 8 * (4 * 2 * 192 + 3 * (192 + 512))
    assert counted(VLM(imax_config("small", 300, lora=False)).language, trained=True) > 1_000_000


def test_a_film_comes_before_its_question() -> None:
    torch.manual_seed(0)
    model = VLM(imax_config("tiny", 300, lora=False)).eval()
    films = torch.rand(2, 1, 32, 32)
    ids = torch.randint(0, 300, (2, 5))
    words = Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
    seen = model.look(films, torch.ones(2, 1))
    out = model(Turn(words, seen, words, words))
    assert out.positions == 16 + 3 * 5
    other = model(Turn(words, model.look(1 - films, torch.ones(2, 1)), words, words))
    assert not torch.allclose(out.logits, other.logits)
