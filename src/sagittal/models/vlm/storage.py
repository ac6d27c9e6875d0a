"""Vision-language models as checkpoints: config, weights, tokenizer and card.

A model whose language model came from elsewhere and was only adapted (LoRA) is kept without that language
model's own weights: the card names where they come from.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from sagittal.errors import ConfigError, FileFormatError, SagittalError
from sagittal.files import write_text
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.models.checkpoint import Card, Precision, open_checkpoint, save_checkpoint
from sagittal.models.vlm.chat import Chat, HubChat, OwnChat
from sagittal.models.vlm.config import VLMConfig
from sagittal.models.vlm.language import fetch_language
from sagittal.models.vlm.model import VLM

KIND = "vlm"
_TOKENIZER, _SETTINGS, _TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"


def save_vlm(
    folder: str | Path,
    model: VLM,
    chat: Chat,
    card: Card,
    *,
    task: str = "",
    base: str = "",
    precision: Precision = "float16",
) -> Path:
    """Write a model, its tokenizer and its card to a new folder.

    Args:
        folder: new or empty.
        model, chat, card: what is kept.
        task: what the model is for (``mpllm``): who loads it goes by this.
        base: folder or hub id that the language model came from, when its own weights are to be left out;
            they must be unchanged, with what was learnt in adapters.
        precision: of the weights.

    Raises:
        ConfigError: weights would be left out that are not the base's.
        StorageError: the folder holds something, or cannot be written.
    """
    if base and model.config.lora is None:
        raise ConfigError(
            "A language model's weights are left out only where adapters hold what was learnt.",
            expected="lora in the config",
            got=base,
        )
    if base and (model.config.pointing is not None or model.config.drawing is not None):
        raise ConfigError(
            "A vocabulary that grew by tokens for regions and masks cannot be left out.",
            expected="no base: the whole model is kept",
            got=base,
        )
    return save_checkpoint(
        folder,
        model,
        kind=KIND,
        config={"task": task, "base": base, "vlm": model.config.model_dump(mode="json")},
        card=card,
        texts=_texts(chat),
        precision=precision,
        keep=_own if base else lambda name: True,
    )


def load_vlm(
    folder: str | Path,
    *,
    task: str | None = None,
    fetch: Callable[[str], nn.Module] = lambda source: fetch_language(source, fetch=False)[0],
) -> tuple[VLM, Chat, Card]:
    """Read a model in evaluation mode, in single precision on the CPU.

    Args:
        folder: of the checkpoint.
        task: what it must be for; anything when ``None``.
        fetch: gets the language model of a checkpoint that is kept without it; by itself from this machine
            alone, since a foreign card could name anything.

    Raises:
        IntegrityError: a file is not what the card promises.
        FileFormatError: card, config, tokenizer or weights are damaged or do not belong together.
        ConfigError: it is another kind of model.
        StorageError: a file, or the base, is missing or cannot be read.
    """
    checkpoint = open_checkpoint(folder, kind=KIND)
    try:
        config = VLMConfig.model_validate(checkpoint.config["vlm"])
        base, found = str(checkpoint.config["base"]), str(checkpoint.config["task"])
        if task is not None and found != task:
            raise ConfigError("The checkpoint is of another model.", expected=task, got=found)
        keep = _own if base else lambda name: True
        checkpoint.check_size(lambda: VLM(config.model_copy(update={"lora": None})), keep)
    except (ValidationError, KeyError, TypeError) as error:
        raise FileFormatError("The checkpoint's config is damaged.", got=str(error)[:300]) from error
    model = VLM(config, fetch(base) if base else None).eval()
    checkpoint.load_into(model, keep)
    return model, _chat(dict(checkpoint.texts)), checkpoint.card


def _own(name: str) -> bool:
    """Whether a tensor is not one of the base's."""
    return not name.startswith("language.") or "lora_" in name or ".mlp.router." in name


def _texts(chat: Chat) -> dict[str, str]:
    if isinstance(chat, OwnChat):
        return {_TOKENIZER: chat.tokenizer.to_json()}
    if not isinstance(chat, HubChat):
        raise TypeError(f"no way to keep a {type(chat).__name__}")
    with tempfile.TemporaryDirectory() as name:
        chat.tokenizer.save_pretrained(name)
        return {
            path.name: path.read_text(encoding="utf-8")
            for path in sorted(Path(name).iterdir())
            if path.name in (_TOKENIZER, _SETTINGS, _TEMPLATE)
        }


def _chat(texts: dict[str, str]) -> Chat:
    if _TOKENIZER not in texts:
        raise FileFormatError("The checkpoint lacks its tokenizer.", expected=_TOKENIZER)
    if _SETTINGS not in texts:
        return OwnChat(Tokenizer.from_json(texts[_TOKENIZER], CHAT_TOKENS))
    from transformers import PreTrainedTokenizerFast

    try:
        settings: dict[str, Any] = json.loads(texts[_SETTINGS])
        if "auto_map" in settings:
            raise FileFormatError("A tokenizer with code of its own is not read.", got=settings["auto_map"])
        with tempfile.TemporaryDirectory() as name:
            for file, text in texts.items():
                write_text(Path(name) / file, text)
            return HubChat(PreTrainedTokenizerFast.from_pretrained(name))
    except SagittalError:
        raise
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise FileFormatError("The tokenizer is damaged.", got=str(error)[:300]) from error
