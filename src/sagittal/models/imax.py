"""IMAX's unified model (§4.2.2): frozen vision encoder, two-layer MLP, causal language model with LoRA.

One composition (:mod:`sagittal.models.vlm`) in three sizes. The film comes before the question, as in the
paper's prompts; nothing hangs on the language model besides its words.
"""

from __future__ import annotations

from typing import Any, Literal

from sagittal.models.chest.network import ENCODER
from sagittal.models.vlm.config import LoRAConfig, SharedConfig, VLMConfig
from sagittal.models.vlm.presets import VOCABULARY, small_language
from sagittal.nn.vit import ViTConfig

Size = Literal["tiny", "small", "paper"]


def imax_config(size: Size, vocabulary: int = VOCABULARY, *, lora: bool = True) -> VLMConfig:
    """A preset.

    Args:
        size: which.
        vocabulary: of the tokenizer in hand; the paper's model has its own.
        lora: whether the language model learns through adapters, as published; all of it otherwise.
    """
    if size == "paper":
        # EVA-CLIP ViT-G/14 by its shapes (Fang et al. 2023), LLaMA-2-Chat 7B; 256 patches and no pooling.
        return VLMConfig(
            encoder=ViTConfig(
                size=(224, 224), patch=(14, 14), channels=3, width=1_408, layers=40, heads=16,
                feed_forward=6_144,
            ),
            pooling=1, images=("cxr",), images_first=True, projector=SharedConfig(layers=2),
            language=llama2_7b(), lora=_adapters() if lora else None,
        )  # fmt: skip
    if size == "small":
        return VLMConfig(
            encoder=ENCODER, pooling=2, images=("cxr",), images_first=True,
            projector=SharedConfig(layers=2), language=small_language(vocabulary),
            lora=_adapters() if lora else None,
        )  # fmt: skip
    language: dict[str, Any] = {
        **small_language(vocabulary), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2,
    }  # fmt: skip
    return VLMConfig(
        encoder=ViTConfig(
            size=(32, 32), patch=(8, 8), channels=1, width=16, layers=1, heads=2, feed_forward=32
        ),
        pooling=1, images=("cxr",), images_first=True, projector=SharedConfig(layers=2), language=language,
        lora=_adapters() if lora else None,
    )  # fmt: skip


def _adapters() -> LoRAConfig:
    # Rank 8 is published; scale and dropout are not.
    return LoRAConfig(r=8, alpha=16, dropout=0.0)


def llama2_7b() -> dict[str, Any]:
    """LLaMA-2 7B (Touvron et al. 2023)."""
    return {
        "model_type": "llama", "vocab_size": 32_000, "hidden_size": 4_096, "intermediate_size": 11_008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "max_position_embeddings": 4_096, "rms_norm_eps": 1e-5, "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
