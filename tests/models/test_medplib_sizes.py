"""MedPLIB as published, counted without memory: 12 thousand million parameters, 7 of them for a token."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sagittal.language.tokenizer import CHAT_TOKENS, IMAGE, SEGMENT, Tokenizer
from sagittal.models.medplib.presets import PAPER_WORDS, medplib_config
from sagittal.models.vlm.experts import active_parameters
from sagittal.models.vlm.model import VLM
from sagittal.nn.expert_feed_forward import ExpertsConfig

FEED_FORWARDS = 32 * 3 * 4_096 * 11_008


def counted(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def paper() -> VLM:
    config = medplib_config("paper", experts=ExpertsConfig())
    with torch.device("meta"):
        return VLM(config.model_copy(update={"lora": None}))


def test_the_language_model_is_llama_7b_with_two_experts(paper: VLM) -> None:
    with torch.device("meta"):
        dense = VLM(medplib_config("paper"))
    # 6,738,415,616 with 32,000 words.
    assert counted(dense.language) == 6_738_415_616 + 2 * 4_096 * (PAPER_WORDS - 32_000)
    assert counted(paper.language) == counted(dense.language) + FEED_FORWARDS + 32 * 4_096 * 2


def test_twelve_thousand_million_of_which_seven_are_active(paper: VLM) -> None:
    assert round(counted(paper) / 1e9, 1) == 11.7
    assert active_parameters(paper) == counted(paper) - FEED_FORWARDS
    assert round(active_parameters(paper) / 1e9, 1) == 7.4


def test_the_vision_tower_has_clip_l_s_shapes(paper: VLM) -> None:
    block = 1024 * 3072 + (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024
    assert paper.config.tokens == 24 * 24
    rest = counted(paper.encoder) - 24 * block
    # Patches, places, [CLS], and the norms around the blocks.
    assert 1_024 * (3 * 14 * 14 + 24 * 24) < rest < 1_024 * (3 * 14 * 14 + 24 * 24 + 8)


def test_a_token_goes_to_as_many_experts_as_the_config_says() -> None:
    with torch.device("meta"):
        both = VLM(medplib_config("tiny", 300, experts=ExpertsConfig(top=2)))
    assert active_parameters(both) == counted(both)


def test_our_tokens_lie_where_the_config_says() -> None:
    tokenizer = Tokenizer.train(["How large is it?"] * 4, 300, CHAT_TOKENS)
    tiny = medplib_config("tiny", 300)
    assert tiny.pointing is not None and tiny.drawing is not None
    assert tokenizer.special(IMAGE) == tiny.pointing.slot
    assert tokenizer.special(SEGMENT) == tiny.drawing.segment
