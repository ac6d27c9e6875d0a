"""The published configuration, counted without memory; and what ships, within its limit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.mpllm.tasks import HEADS
from sagittal.models.vlm.model import VLM


def counted(module: nn.Module, trained: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


@pytest.fixture(scope="module")
def paper() -> VLM:
    with torch.device("meta"):
        return VLM(mpllm_config("paper"))


def test_the_language_model_is_phi_3_mini(paper: VLM) -> None:
    adapters = sum(p.numel() for n, p in paper.language.named_parameters() if "lora_" in n)
    # microsoft/Phi-3-mini-4k-instruct: 3.8 thousand million.
    assert counted(paper.language) - adapters == 3_821_079_552
    # Rank 16 on qkv, o, gate_up and down of 32 layers.
    shapes = ((3072, 9216), (3072, 3072), (3072, 16384), (8192, 3072))
    assert adapters == 32 * sum(16 * (a + b) for a, b in shapes)
    assert counted(paper.language, trained=True) == adapters


def test_the_encoder_is_m3d_clips(paper: VLM) -> None:
    block = 768 * 2304 + (768 * 768 + 768) + (768 * 3072 + 3072) + (3072 * 768 + 768) + 4 * 768
    patches = 1024 * 768 + 768 + 2048 * 768 + 768
    assert counted(paper.encoder) == 12 * block + patches + 2 * 768
    assert paper.config.tokens == 256


def test_the_projector_has_sixteen_blocks_of_five_experts(paper: VLM) -> None:
    experts = 16 * 5 * (768 * 3072 + 3072)
    high = 3072 * 128 + 128 + 128 * 16 + 16
    low = 16 * (4 * 768 * 128 + 128 + 128 * 8 + 8)
    assert counted(paper.projector) == experts + high + low
    assert 190e6 < counted(paper.projector) < 200e6


def test_the_heads_are_single_layers(paper: VLM) -> None:
    assert counted(paper.heads) == sum(len(head.classes) for head in HEADS) * (3072 + 1)


def test_what_ships_fits_into_twelve_megabytes() -> None:
    with torch.device("meta"):
        small = VLM(mpllm_config("small"))
    assert 2 * counted(small) < 12e6
    assert small.config.tokens == 64
