"""VoxelPrompt as a checkpoint: weights, config, tokenizer and card."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from sagittal.errors import FileFormatError, SagittalError
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.checkpoint import Card, Precision, open_checkpoint, save_checkpoint
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.model import VoxelPrompt

KIND = "voxelprompt"
_TOKENIZER = "tokenizer.json"


def save_voxelprompt(
    folder: str | Path,
    model: VoxelPrompt,
    tokenizer: Tokenizer,
    card: Card,
    *,
    precision: Precision = "float16",
) -> Path:
    """Write a model, its tokenizer and its card to a new folder; see :func:`save_checkpoint`."""
    return save_checkpoint(
        folder,
        model,
        kind=KIND,
        config=model.config.model_dump(mode="json"),
        card=card,
        texts={_TOKENIZER: tokenizer.to_json()},
        precision=precision,
    )


def load_voxelprompt(folder: str | Path) -> tuple[VoxelPrompt, Tokenizer, Card]:
    """Read a model in evaluation mode, in single precision on the CPU.

    Raises:
        IntegrityError: a file is not what the card promises.
        FileFormatError: card, config, tokenizer or weights are damaged or do not belong together.
        ConfigError: it is another kind of model.
        StorageError: a file is missing or cannot be read.
    """
    checkpoint = open_checkpoint(folder, kind=KIND)
    if _TOKENIZER not in checkpoint.texts:
        raise FileFormatError("The checkpoint lacks its tokenizer.", expected=_TOKENIZER)
    try:
        config = VoxelPromptConfig.model_validate(checkpoint.config)
    except (ValidationError, SagittalError) as error:
        raise FileFormatError("The checkpoint's config is damaged.", got=error) from error
    checkpoint.check_size(lambda: VoxelPrompt(config))
    model = VoxelPrompt(config).eval()
    checkpoint.load_into(model)
    return model, Tokenizer.from_json(checkpoint.texts[_TOKENIZER]), checkpoint.card
