"""mpLLM's sizes: ``tiny`` for tests, ``small`` that ships, ``paper`` as published."""

from __future__ import annotations

from typing import Any, Literal

from sagittal.models.mpllm.tasks import HEADS
from sagittal.models.vlm.config import HierarchicalConfig, LoRAConfig, VLMConfig
from sagittal.models.vlm.presets import SMALL_ENCODER, VOCABULARY, phi3_mini, small_language
from sagittal.nn.vit import ViTConfig

Size = Literal["tiny", "small", "paper"]


def mpllm_config(size: Size, vocabulary: int = VOCABULARY) -> VLMConfig:
    """A preset.

    Args:
        size: which.
        vocabulary: of the tokenizer in hand; the paper's model has its own.
    """
    if size == "paper":
        return VLMConfig(
            encoder=ViTConfig(), projector=HierarchicalConfig(), language=phi3_mini(), lora=LoRAConfig(),
            heads=HEADS,
        )  # fmt: skip
    if size == "small":
        return VLMConfig(
            encoder=SMALL_ENCODER, projector=HierarchicalConfig(hidden=32),
            language=small_language(vocabulary), heads=HEADS, told=True,
        )  # fmt: skip
    tiny: dict[str, Any] = {
        **small_language(vocabulary), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2,
    }  # fmt: skip
    encoder = ViTConfig(size=(8, 16, 16), patch=(2, 4, 4), width=16, layers=1, heads=2, feed_forward=32)
    return VLMConfig(
        encoder=encoder, projector=HierarchicalConfig(blocks=(2, 2), hidden=8), language=tiny, heads=HEADS,
        told=True,
    )  # fmt: skip
