"""The one place that decides device, precision, memory layout and threads.

Imports torch only when asked for a torch runtime: the light core never pays for it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sagittal.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import torch


def available_cores() -> int:
    """Processor cores this process may use: not those of the whole machine, nor more than OMP_NUM_THREADS."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)
    # Of a list, the first number is that of threads that are not nested.
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(cores, int(told)) if told.isdecimal() and int(told) else cores


@dataclass(frozen=True)
class Runtime:
    """How tensors are computed: ``device``, autocast ``dtype`` and memory layout."""

    device: torch.device
    dtype: torch.dtype
    channels_last: bool

    def autocast(self) -> torch.autocast:
        """Take products in ``dtype``; it is no context of its own where that is single precision."""
        return _autocast(self.device, self.dtype)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core within the block: for steps that are too small to share.

    A small language model writes as fast on one core as on two (427 and 407 tokens a second were measured);
    beside other work, two cores wait for each other (20 tokens a second against 91).
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_memory() -> None:
    """Let this process keep the memory that it frees, for training: it soon asks for as much again.

    GNU's allocator gives large arrays back at once, and the system clears every page when it is asked for
    again: that took a third of a step of the vision networks on whole heads. What is kept falls into pieces
    and grows; :func:`trim_memory` now and then bounds it. With another allocator nothing is done.
    """
    mallopt = _allocator("mallopt")
    if mallopt is not None:
        # M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD of malloc.h: no mappings of their own, never trim, grow
        # by 256 MB at a time.
        for option, value in ((-4, 0), (-1, -1), (-2, 1 << 28)):
            mallopt(option, value)


def trim_memory() -> None:
    """Give back what :func:`keep_memory` kept and nothing uses."""
    malloc_trim = _allocator("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


def _allocator(function: str) -> Any:
    """A function of GNU's allocator; ``None`` where there is another."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform.startswith("linux") else None


def fastest_precision(device: torch.device) -> torch.dtype:
    """In which products are taken fastest: bfloat16, and single precision on processors without AVX-512.

    Those have to take bfloat16 products apart: 8 times slower in a linear layer and 200 times in a 3D
    convolution, measured on a processor with AVX2.
    """
    import torch

    if device.type == "cpu" and not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return torch.float32
    return torch.bfloat16


def autocast(device: torch.device | str = "cpu", *, wanted: bool = True) -> torch.autocast:
    """Take products in the precision that is fastest on a device; where that is not wanted, in single."""
    import torch

    device = torch.device(device)
    return _autocast(device, fastest_precision(device) if wanted else torch.float32)


def _autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    import torch

    # Single precision is no dtype of autocast's.
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype is not torch.float32)


def runtime(device: str = "auto", *, threads: int | None = None) -> Runtime:
    """Choose how to compute.

    Measured on two CPU cores with AVX-512, bfloat16 autocast with channels-last memory runs our 3D U-Net
    3–6 times faster than plain float32; GPUs get the same settings. See :func:`fastest_precision`.

    Args:
        device: ``auto`` (a GPU when there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads; all available cores when ``None``.

    Raises:
        MissingExtraError: torch is not installed.
        ConfigError: the device is not there.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("This", "models") from error

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(
            "The device is not known.", expected="auto, cpu, cuda or cuda:N", got=device
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("No GPU can be used here.", got=device, remedy="use --device cpu")
    torch.set_num_threads(threads or available_cores())
    return Runtime(device=chosen, dtype=fastest_precision(chosen), channels_last=True)
