"""Weights of foreign networks: safetensors, or what torch reads without running anything.

A pickle may run any program when it is read; it is refused unless ``weights_only`` reads it. TorchScript is a
program: it is loaded only when it is, to the byte, the file that a card names.
"""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors
from sagittal.specialists.needs import require_content


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name, from a file of safetensors or of torch.

    Raises:
        FileFormatError: it is neither, or holds more than tensors.
        StorageError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    with storage_errors(path):
        with path.open("rb") as handle:
            begins = handle.read(4)
        try:
            if begins[:2] == b"PK" or begins[:1] == b"\x80":
                return _tensors(torch.load(path, map_location="cpu", weights_only=True), path)
            return load_file(path)
        except SafetensorError as error:
            raise FileFormatError("The weights are damaged.", got=f"{path}: {error}") from error
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise FileFormatError(
                "These weights are refused: reading them could run a program.",
                expected="safetensors, or a file that torch reads with weights_only",
                got=f"{path}: {str(error).splitlines()[0]}", remedy="ask its makers for safetensors",
            ) from error  # fmt: skip


def _tensors(value: Any, path: Path) -> dict[str, Tensor]:
    """Of a state, or of a checkpoint that holds one."""
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
            break
    if not isinstance(value, dict) or not all(isinstance(t, Tensor) for t in value.values()):
        raise FileFormatError("The file holds no weights by name.", got=path)
    return {str(name): tensor for name, tensor in value.items()}


def read_script(path: str | Path, sha256: str) -> torch.jit.ScriptModule:
    """A TorchScript program whose content is known.

    Raises:
        IntegrityError: it is another one.
        StorageError: it cannot be read.
    """
    path = Path(path)
    require_content(path, sha256)
    with warnings.catch_warnings():
        # torch would rather have other files; these are published as they are.
        warnings.simplefilter("ignore", DeprecationWarning)
        script: torch.jit.ScriptModule = torch.jit.load(str(path), map_location="cpu")
    return script.eval()
