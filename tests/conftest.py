"""Fixtures that every part of the suite shares."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real development images beside the checkout; the test is skipped where they are absent."""
    if not (SHARED_DATA / "README.md").is_file():
        pytest.skip("the real development images are not beside this checkout")
    return SHARED_DATA
