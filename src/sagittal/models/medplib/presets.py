"""MedPLIB's sizes: ``tiny`` for tests, ``small`` that ships, ``paper`` as published."""

from __future__ import annotations

from typing import Literal

from sagittal.models.medplib.words import SEGMENT_ID, SLOT_ID
from sagittal.models.vlm.config import DrawingConfig, LoRAConfig, PointingConfig, SharedConfig, VLMConfig
from sagittal.models.vlm.presets import VOCABULARY, small_language
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.nn.pixels import PixelConfig
from sagittal.nn.vit import ViTConfig

Size = Literal["tiny", "small", "paper"]
#: After LLaMA's 32,000 words: ``<region>``, ``</region>``, the slot between them, ``<SEG>``.
PAPER_SLOT, PAPER_SEGMENT, PAPER_WORDS = 32_002, 32_003, 32_004

SMALL_PIXELS = PixelConfig(
    size=128, patch=4, width=96, layers=3, heads=4, window=8, whole=(2,), channels=64, decoder_heads=4,
    decoder_feed_forward=256,
)  # fmt: skip


def medplib_config(
    size: Size, vocabulary: int = VOCABULARY, *, experts: ExpertsConfig | None = None
) -> VLMConfig:
    """A preset.

    Args:
        size: which.
        vocabulary: of the tokenizer in hand; the paper's model has its own.
        experts: those of stage IV; the dense model of the stages before it when ``None``.
    """
    if size == "paper":
        # CLIP-L/336 by its shapes. Adapters in stage IV, when both experts are there; their rank is not
        # published: LISA's, which the paper follows.
        return VLMConfig(
            encoder=ViTConfig(
                size=(336, 336), patch=(14, 14), channels=3, width=1_024, layers=24, heads=16,
                feed_forward=4_096,
            ),
            pooling=1, images=("photo",), images_first=True, projector=SharedConfig(layers=2),
            language=llama_7b(), experts=experts, lora=LoRAConfig(r=8, alpha=16) if experts else None,
            pointing=PointingConfig(slot=PAPER_SLOT), drawing=DrawingConfig(segment=PAPER_SEGMENT),
        )  # fmt: skip
    if size == "small":
        # As published: the picture is larger for what is said of it than for what is drawn on it.
        return VLMConfig(
            encoder=ViTConfig(
                size=(192, 192), patch=(8, 8), channels=3, width=128, layers=4, heads=4, feed_forward=384
            ),
            pooling=2, images=("photo",), images_first=True, projector=SharedConfig(layers=2),
            language=small_language(vocabulary), experts=experts, pointing=PointingConfig(slot=SLOT_ID),
            drawing=DrawingConfig(segment=SEGMENT_ID, pixels=SMALL_PIXELS),
        )  # fmt: skip
    language = {
        **small_language(vocabulary), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2,
    }  # fmt: skip
    pixels = PixelConfig(
        size=32, patch=4, width=16, layers=1, heads=2, window=0, whole=(), channels=32, decoder_heads=2,
        decoder_feed_forward=32,
    )  # fmt: skip
    return VLMConfig(
        encoder=ViTConfig(
            size=(32, 32), patch=(8, 8), channels=3, width=16, layers=1, heads=2, feed_forward=32
        ),
        pooling=1, images=("photo",), images_first=True, projector=SharedConfig(layers=2), language=language,
        experts=experts, pointing=PointingConfig(slot=SLOT_ID),
        drawing=DrawingConfig(segment=SEGMENT_ID, pixels=pixels),
    )  # fmt: skip


def llama_7b() -> dict[str, object]:
    """LLaMA-7B (Touvron et al. 2023), MedPLIB's language model, with MedPLIB's tokens."""
    return {
        "model_type": "llama", "vocab_size": PAPER_WORDS, "hidden_size": 4_096, "intermediate_size": 11_008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "max_position_embeddings": 2_048, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
