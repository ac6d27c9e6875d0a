"""Sizes of the vision-language models that ship: one decoder, one encoder of volumes."""

from __future__ import annotations

from typing import Any

from sagittal.nn.vit import ViTConfig

#: (D, H, W) of the volumes that the small encoder takes.
ENCODER_SIZE = (32, 112, 96)
SMALL_ENCODER = ViTConfig(
    size=ENCODER_SIZE, patch=(4, 14, 12), width=128, layers=6, heads=4, feed_forward=512
)
#: Tokens of the shipped vocabulary.
VOCABULARY = 2_048


def small_language(vocabulary: int = VOCABULARY) -> dict[str, Any]:
    """The decoder that all small models share, before any of them is trained.

    Args:
        vocabulary: tokens.
    """
    return {
        "model_type": "llama", "vocab_size": vocabulary, "hidden_size": 192, "intermediate_size": 512,
        "num_hidden_layers": 4, "num_attention_heads": 6, "num_key_value_heads": 6,
        "max_position_embeddings": 2_048, "tie_word_embeddings": True, "use_cache": True,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip


def phi3_mini() -> dict[str, Any]:
    """Phi-3-mini-4k, as published: mpLLM's language model (§4.2)."""
    return {
        "model_type": "phi3", "vocab_size": 32_064, "hidden_size": 3_072, "intermediate_size": 8_192,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "max_position_embeddings": 4_096, "original_max_position_embeddings": 4_096, "sliding_window": 2_047,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 32_000,
        "pad_token_id": 32_000,
    }  # fmt: skip
