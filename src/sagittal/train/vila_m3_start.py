"""What VILA-M3's small models begin with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from sagittal.errors import InputError
from sagittal.models.language_store import open_language
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.chat import HubChat, OwnChat
from sagittal.models.vlm.config import LoRAConfig, VLMConfig
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.language import config_of
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import load_vlm
from sagittal.train.loop import use_mean
from sagittal.weights import find_checkpoint


def begun(copied: Path) -> tuple[VLM, OwnChat]:
    """The encoder of MedPLIB's small model, a new projector, and the decoder that learnt to copy.

    Args:
        copied: the state that ``recipes/vila_m3.py copy`` ended with.

    Raises:
        InputError: it is not there.
    """
    if not copied.is_file():
        raise InputError(
            "The language model has not learnt to copy.",
            expected=copied,
            remedy="run recipes/vila_m3.py copy",
        )
    language, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    use_mean(torch.load(copied, weights_only=True), language)
    chat = OwnChat(tokenizer)
    model = unlearnt(vila_m3_config("small", chat.size))
    model.language.load_state_dict(language.state_dict())
    return model, chat


def adapted(name: str) -> tuple[VLM, HubChat]:
    """The same encoder and a new projector before a pretrained language model that learns by adapters.

    Args:
        name: of a language model that was fetched (:mod:`sagittal.models.language_store`).

    Raises:
        StorageError, IntegrityError, MissingExtraError: from opening it.
    """
    language, tokenizer = open_language(name)
    chat = HubChat(tokenizer)
    small = vila_m3_config("small", chat.size)
    config = small.model_copy(update={"language": config_of(language), "lora": LoRAConfig()})
    return unlearnt(config, language), chat


def unlearnt(config: VLMConfig, language: nn.Module | None = None) -> VLM:
    """The encoder of MedPLIB's small model, all else new.

    Args:
        config: with that encoder.
        language: a language model with weights; new, too, without.
    """
    model = VLM(config, language)
    seeing, _, _ = load_vlm(find_checkpoint("medplib-small"))
    model.encoder.load_state_dict(seeing.encoder.state_dict())
    return model.train()
