"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before torch is imported, here and in processes that tests start. Networks of a test are small: threads that
# wait for each other take longer, and each of several workers would take all cores.
os.environ["OMP_NUM_THREADS"] = "1"

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real development images beside the checkout; the test is skipped where they are absent."""
    if not (SHARED_DATA / "README.md").is_file():
        pytest.skip("the real development images are not beside this checkout")
    return SHARED_DATA
