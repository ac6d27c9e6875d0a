"""VILA-M3 (§3.1, §4.1): vision encoder, linear projector, causal language model, all of them trained.

One composition (:mod:`sagittal.models.vlm`) in three sizes, the published one in its four. Pictures come
before the words of their turn: the slice with the question, an overlay with a specialist's feedback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sagittal.models.vlm.config import SharedConfig, VLMConfig
from sagittal.models.vlm.presets import VOCABULARY, small_language
from sagittal.nn.vit import ViTConfig

Size = Literal["tiny", "small", "paper"]
Published = Literal["3B", "8B", "13B", "40B"]

# The resolution is published as 384 for a patch of 14: the part of it that whole patches cover.
_CLIP_L = ViTConfig(
    size=(378, 378), patch=(14, 14), channels=3, width=1_024, layers=24, heads=16, feed_forward=4_096
)
_INTERN_6B = ViTConfig(
    size=(448, 448), patch=(14, 14), channels=3, width=3_200, layers=45, heads=25, feed_forward=12_800
)


@dataclass(frozen=True)
class _Llama:
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int

    def config(self) -> dict[str, Any]:
        """Of transformers; 4,096 tokens of context (Table 9)."""
        return {
            "model_type": "llama", **vars(self), "max_position_embeddings": 4_096, "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        }  # fmt: skip


#: Sheared-LLaMA 2.7B, LLaMA-3 8B, Vicuna 13B and Yi 34B (Table 3).
_LANGUAGES: Mapping[Published, _Llama] = {
    "3B": _Llama(32_000, 2_560, 6_912, 32, 20, 20),
    "8B": _Llama(128_256, 4_096, 14_336, 32, 32, 8),
    "13B": _Llama(32_000, 5_120, 13_824, 40, 40, 40),
    "40B": _Llama(64_000, 7_168, 20_480, 60, 56, 8),
}


def vila_m3_config(size: Size, vocabulary: int = VOCABULARY, *, published: Published = "8B") -> VLMConfig:
    """A preset.

    Args:
        size: which.
        vocabulary: of the tokenizer in hand; published models have their own.
        published: which of the paper's four, for the size ``paper``.
    """
    if size == "paper":
        return VLMConfig(
            encoder=_INTERN_6B if published == "40B" else _CLIP_L, pooling=1, images=("photo",),
            images_first=True, projector=SharedConfig(layers=1), language=_LANGUAGES[published].config(),
        )  # fmt: skip
    if size == "small":
        # The encoder of MedPLIB's small model, which knows slices and films; pooled to 64 embeddings.
        return VLMConfig(
            encoder=ViTConfig(
                size=(192, 192), patch=(8, 8), channels=3, width=128, layers=4, heads=4, feed_forward=384
            ),
            pooling=3, images=("photo",), images_first=True, projector=SharedConfig(layers=1),
            language=small_language(vocabulary),
        )  # fmt: skip
    language: dict[str, Any] = {
        **small_language(vocabulary), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2,
    }  # fmt: skip
    return VLMConfig(
        encoder=ViTConfig(
            size=(32, 32), patch=(8, 8), channels=3, width=16, layers=1, heads=2, feed_forward=32
        ),
        pooling=2, images=("photo",), images_first=True, projector=SharedConfig(layers=1), language=language,
    )  # fmt: skip
