"""Threads are given back, whatever happens."""

from __future__ import annotations

import pytest

from sagittal.runtime import available_cores, one_thread, runtime

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
