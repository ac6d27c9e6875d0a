"""Sizes in a picture's legend read as those of the answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sagittal.agent.values import rounded
from sagittal.asking.picture import _size


@pytest.mark.parametrize(
    ("ml", "legend"), [(1407.54, "1408 mL"), (999.6, "1000 mL"), (43.94, "43.9 mL"), (0.0512, "0.0512 mL")]
)
def test_volumes_are_written_as_in_words(ml, legend):
    assert _size(SimpleNamespace(volume_ml=ml)) == legend == f"{rounded(ml)} mL"
