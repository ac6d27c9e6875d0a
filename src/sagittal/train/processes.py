"""Processes that train as one, started together by ``torchrun`` on one machine or several."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from sagittal.errors import ConfigError, IntegrityError
from sagittal.files import sha256_file
from sagittal.runtime import fastest_precision

Value = TypeVar("Value")


def training_processes(device: torch.device | str) -> PartialState:
    """The processes that were started together; the first call decides what they share values through.

    Not told that it is to use processors, accelerate takes processes without a GPU for as many single ones,
    each of which would train by itself; and where there is a GPU, it cannot share what lies elsewhere.

    Args:
        device: where what is trained lies.
    """
    state = PartialState(cpu=torch.device(device).type == "cpu")
    if state.num_processes > 1:
        _leave_at_the_end()
    return state


@cache
def _leave_at_the_end() -> None:
    """Left open, what processes talk through can keep one from ending, and with it all that started it."""
    atexit.register(PartialState().destroy_process_group)


def of_main(value: Value) -> Value:
    """The main process's value, in every process: what follows from it is then decided alike."""
    shared: list[Value] = broadcast_object_list([value])
    return shared[0]


def require_shared_device(device: torch.device) -> None:
    """Refuse weights that lie where the processes cannot share them.

    Raises:
        ConfigError: they lie elsewhere than this process's device.
    """
    own: torch.device = training_processes(device).device
    # A device without a number is the first.
    if (own.type, own.index or 0) != (device.type, device.index or 0):
        raise ConfigError(
            "What is trained does not lie where its process computes.",
            expected=own,
            got=device,
            remedy="call training_processes with the kind of device first, and move the module to its device",
        )


def require_same_precision(device: torch.device) -> None:
    """Refuse processes that take products in different precisions.

    Raises:
        ConfigError: they do.
    """
    found = gather_object([str(fastest_precision(device))])
    if len(set(found)) > 1:
        raise ConfigError(
            "The processes take products in different precisions.",
            expected="one precision",
            got=_by_process(found),
            remedy="use machines alike, or set ATEN_CPU_CAPABILITY=avx2 on those that have AVX-512",
        )


def require_same_file(path: Path) -> None:
    """Refuse processes that do not all find the same file, or none.

    Raises:
        IntegrityError: they do not.
    """
    found = gather_object([sha256_file(path)[:12] if path.exists() else "none"])
    if len(set(found)) > 1:
        raise IntegrityError(
            "The processes do not find the same run to go on with.",
            expected=f"the same {path.name} in every process, or none",
            got=f"{path}: {_by_process(found)}",
            remedy="share the folder between the machines, or copy the main process's to the others",
        )


def _by_process(found: Sequence[str]) -> str:
    return ", ".join(f"{value} in process {number}" for number, value in enumerate(found))
