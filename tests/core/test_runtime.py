"""Threads are given back, whatever happens."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from sagittal.runtime import autocast, available_cores, one_thread, runtime

torch = pytest.importorskip("torch")


def test_one_thread_within_the_block_and_as_before_after_it() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyError), one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_runtime_takes_the_cores_that_the_process_may_use() -> None:
    before = torch.get_num_threads()
    try:
        runtime("cpu")
        assert torch.get_num_threads() == available_cores()
        runtime("cpu", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("told", "cores"), [
    ("1", 1), ("3", 3), (" 2 ", 2), ("2,1", 2), ("4", 4), ("5", 4), ("0", 4), ("-1", 4), ("", 4), ("auto", 4),
])  # fmt: skip
def test_no_more_cores_are_taken_than_openmp_is_told(
    told: str, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert available_cores() == cores


@pytest.mark.parametrize(
    ("capability", "precision"),
    [
        ("AVX512", torch.bfloat16),
        ("AVX2", torch.float32),
        ("DEFAULT", torch.float32),
        ("NO AVX", torch.float32),
    ],
)
def test_processors_take_products_in_bfloat16_where_that_is_fast(
    capability: str, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    chosen = runtime("cpu", threads=1)
    assert chosen.dtype is precision
    one = torch.ones(2, 2)
    with chosen.autocast():
        assert (one @ one).dtype is precision
    with autocast():
        assert (one @ one).dtype is precision
    with autocast("cpu", wanted=False):
        assert (one @ one).dtype is torch.float32


# In a process of its own: the allocator's options stay for good.
_KEEPING = """
from pathlib import Path

import numpy as np

from sagittal.runtime import keep_memory, trim_memory


def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


keep_memory()
arrays = [np.ones(1_000_000) for _ in range(20)]
last = np.ones(1000)
full = held()
del arrays
kept = held()
trim_memory()
print(full, kept, held())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's allocator is told")
def test_freed_memory_is_kept_until_it_is_trimmed():
    done = subprocess.run([sys.executable, "-c", _KEEPING], capture_output=True, text=True, check=True)
    full, kept, trimmed = map(float, done.stdout.split())
    assert kept > full - 20
    assert trimmed < full - 120
