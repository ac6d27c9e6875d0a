"""Pages with fewer draws: what an interval is drawn by is tested where it is made (`tests/score`)."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sagittal.score.descriptors.RESAMPLES", "sagittal.evaluation.imax.tables.RESAMPLES"):
        monkeypatch.setattr(name, 60)
