"""The vision half from a file: a checkpoint's folder, or a state that a run of training saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from sagittal.errors import FileFormatError, SagittalError
from sagittal.files import atomic_path, storage_errors
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.eyes import CodebookEyes
from sagittal.models.voxelprompt.storage import load_voxelprompt
from sagittal.nn.stream_unet import VolumeEncoder, VolumeGenerator

if TYPE_CHECKING:
    from sagittal.runtime import Runtime

_PARTS = ("config", "encoder", "generator")
_RUN = "module"


def save_eyes(path: str | Path, eyes: CodebookEyes) -> None:
    """Write the vision half's weights and config to one file."""
    state = {
        "config": eyes.config.model_dump(mode="json"),
        "encoder": eyes.encoder.state_dict(),
        "generator": eyes.generator.state_dict(),
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def open_eyes(
    path: str | Path, runtime: Runtime | None = None, *, config: VoxelPromptConfig | None = None
) -> CodebookEyes:
    """The eyes of a checkpoint's folder, of a state file as :func:`save_eyes` writes it, or of a run.

    Args:
        path: folder or file.
        runtime: device and precision; single precision on the CPU when ``None``.
        config: of a file that a run of training saved (``best.pt``, ``last.pt``), which does not hold it.
            The weights are the run's own; ``best.pt`` holds their running mean.

    Raises:
        FileFormatError: damaged, or not what it should be.
        StorageError: it cannot be read.
    """
    path = Path(path)
    device = runtime.device if runtime is not None else torch.device("cpu")
    if path.is_dir():
        model, _, _ = load_voxelprompt(path)
        return CodebookEyes.of(model.to(device), runtime=runtime)
    state = _state(path, config)
    try:
        config = VoxelPromptConfig.model_validate(state["config"])
        encoder = VolumeEncoder(config.vision, config.language.width)
        generator = VolumeGenerator(config.vision)
        encoder.load_state_dict(state["encoder"])
        generator.load_state_dict(state["generator"])
    except (ValidationError, SagittalError, RuntimeError) as error:
        raise FileFormatError("The state does not fit its config.", got=f"{path}: {error}") from error
    return CodebookEyes(encoder.to(device).eval(), generator.to(device).eval(), config, runtime=runtime)


def _state(path: Path, config: VoxelPromptConfig | None) -> dict[str, Any]:
    import pickle

    with storage_errors(path):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise FileFormatError("The file is not a saved state.", got=f"{path}: {error}") from error
    if config is not None and isinstance(state, dict) and _RUN in state:
        state = {"config": config.model_dump(mode="json"), **_arms(state[_RUN])}
    if not isinstance(state, dict) or not set(_PARTS) <= set(state):
        got = sorted(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise FileFormatError(
            "A state holds the vision half and its config.",
            expected=", ".join(_PARTS),
            got=got,
            remedy="name the config that a run was trained with",
        )
    return state


def _arms(weights: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The weights of both arms among those of a module that holds them."""
    return {
        arm: {
            name.removeprefix(f"{arm}."): weight
            for name, weight in weights.items()
            if name.startswith(f"{arm}.")
        }
        for arm in ("encoder", "generator")
    }
