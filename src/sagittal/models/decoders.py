"""What a decoder of transformers must be like for a growing cache to treat it faithfully.

transformers would go on without a word in each of these cases, with states that differ from those of a
full forward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sagittal.errors import ConfigError


def check_decoder(model: Any) -> None:
    """Refuse a model whose cache or head a growing context would not treat faithfully.

    Raises:
        ConfigError: no decoder with a head, layers with another state than keys and values, or logits
            that are changed after the head.
    """
    if not hasattr(model, "get_decoder") or model.get_output_embeddings() is None:
        raise ConfigError(
            "A growing context needs a decoder of transformers with a language-model head.",
            expected="a model made by AutoModelForCausalLM, or its adapter",
            got=type(model).__name__,
        )
    config = model.config.get_text_config(decoder=True)
    strange = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if strange:
        raise ConfigError(
            "The decoder has layers whose state is not a growing list of keys and values.",
            expected="full or sliding attention",
            got=", ".join(sorted(strange)),
        )
    for name in ("logits_scaling", "logit_scale", "final_logit_softcapping"):
        if getattr(config, name, None) not in (None, 1, 1.0):
            raise ConfigError(
                "The decoder changes its logits after the head, which a growing context leaves out.",
                got=f"{name} = {getattr(config, name)}",
            )


def check_growth(model: Any, cached: int, mask: Tensor) -> None:
    """Refuse to grow a cache where the decoder would get it wrong.

    Args:
        model: the decoder.
        cached: positions cached so far.
        mask: (batch, length) real tokens, the new ones included.

    Raises:
        ConfigError: activation checkpointing in training, position frequencies that change at a length
            which is passed, or a sliding window over padding.
    """
    if model.training and torch.is_grad_enabled() and model.is_activation_checkpointing:
        raise ConfigError(
            "Activation checkpointing drops the cache, so a context would forget what it holds.",
            remedy="model.activation_checkpointing_disable() before the context is used",
        )
    config = model.config.get_text_config(decoder=True)
    switch = _frequency_switch(config)
    if switch is not None and cached > 0 and int(mask.sum(dim=1).max()) > switch:
        raise ConfigError(
            "This decoder changes its position frequencies at a length that the context would pass, "
            "which spoils what is cached.",
            expected=f"at most {switch} tokens",
            got=int(mask.sum(dim=1).max()),
            remedy="shorten the context, or append all of it in one step",
        )
    window = _sliding_window(config)
    if window is not None and mask.shape[1] > window and not bool(mask.all()):
        raise ConfigError(
            "A sliding window counts padding as text.",
            expected=f"rows without padding, or at most {window} positions",
            got=tuple(mask.shape),
            remedy="give the rows one at a time",
        )


def _frequency_switch(config: Any) -> int | None:
    """The length at which rotary frequencies change with the text's length, if they do."""
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") not in ("dynamic", "longrope"):
        return None
    return int(rope.get("original_max_position_embeddings") or config.max_position_embeddings)


def _sliding_window(config: Any) -> int | None:
    """The width of the sliding window, where any layer has one."""
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and "sliding_attention" not in kinds:
        return None
    return getattr(config, "sliding_window", None)
