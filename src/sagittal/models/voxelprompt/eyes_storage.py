"""The vision half in a file: its weights, its config, and its table of φ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from sagittal.errors import FileFormatError, SagittalError
from sagittal.files import atomic_path, storage_errors
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.eyes import CodebookEyes
from sagittal.nn.stream_unet import VolumeEncoder, VolumeGenerator

if TYPE_CHECKING:
    from sagittal.runtime import Runtime

_PARTS = ("config", "encoder", "generator", "codes")


def save_eyes(path: str | Path, eyes: CodebookEyes) -> None:
    """Write the vision half's weights, config and φ to one file."""
    state = {
        "config": eyes.config.model_dump(mode="json"),
        "encoder": eyes.encoder.state_dict(),
        "generator": eyes.generator.state_dict(),
        "codes": None if eyes.codes is None else dict(eyes.codes),
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def open_eyes(path: str | Path, runtime: Runtime | None = None) -> CodebookEyes:
    """The eyes of a file that :func:`save_eyes` wrote.

    A whole model's φ come from its words: its eyes are not opened apart.

    Args:
        path: the file.
        runtime: device and precision; single precision on the CPU when ``None``.

    Raises:
        FileFormatError: damaged, or not what it should be.
        StorageError: it cannot be read.
    """
    path = Path(path)
    device = runtime.device if runtime is not None else torch.device("cpu")
    state = _state(path)
    try:
        config = VoxelPromptConfig.model_validate(state["config"])
        encoder = VolumeEncoder(config.vision, config.language.width)
        generator = VolumeGenerator(config.vision)
        encoder.load_state_dict(state["encoder"])
        generator.load_state_dict(state["generator"])
    except (ValidationError, SagittalError, RuntimeError) as error:
        raise FileFormatError("The state does not fit its config.", got=f"{path}: {error}") from error
    arms = encoder.to(device).eval(), generator.to(device).eval()
    return CodebookEyes(*arms, config, codes=state["codes"], runtime=runtime)


def _state(path: Path) -> dict[str, Any]:
    import pickle

    with storage_errors(path):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise FileFormatError("The file is not a saved state.", got=f"{path}: {error}") from error
    if not isinstance(state, dict) or not set(_PARTS) <= set(state):
        got = sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise FileFormatError(
            "A state holds the vision half, its config and its φ.", expected=", ".join(_PARTS), got=got
        )
    return state
