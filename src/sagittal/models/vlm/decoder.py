"""The small decoder that all small vision-language models begin with, and its tokenizer, as a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.errors import FileFormatError
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.models.checkpoint import Card, open_checkpoint, save_checkpoint
from sagittal.models.vlm.language import config_of, make_language

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KIND = "decoder"
_TOKENIZER = "tokenizer.json"


def save_decoder(folder: str | Path, decoder: PreTrainedModel, tokenizer: Tokenizer, card: Card) -> Path:
    """Write a decoder, its tokenizer and its card to a new folder."""
    config, texts = {"language": config_of(decoder)}, {_TOKENIZER: tokenizer.to_json()}
    return save_checkpoint(folder, decoder, kind=KIND, config=config, card=card, texts=texts)


def load_decoder(folder: str | Path) -> tuple[PreTrainedModel, Tokenizer]:
    """Read a decoder in evaluation mode, in single precision on the CPU, and its tokenizer.

    Raises:
        IntegrityError: a file is not what the card promises.
        FileFormatError: card, tokenizer or weights are damaged, or too large.
        ConfigError: it is another kind of model.
        StorageError: a file is missing or cannot be read.
    """
    checkpoint = open_checkpoint(folder, kind=KIND)
    language = checkpoint.config.get("language")
    if not isinstance(language, dict) or _TOKENIZER not in checkpoint.texts:
        raise FileFormatError("The checkpoint lacks its config or its tokenizer.", expected=_TOKENIZER)
    checkpoint.check_size(lambda: make_language(language))
    decoder = make_language(language).eval()
    checkpoint.load_into(decoder)
    return decoder, Tokenizer.from_json(checkpoint.texts[_TOKENIZER], CHAT_TOKENS)
