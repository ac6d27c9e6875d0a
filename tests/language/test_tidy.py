from __future__ import annotations

import pytest

from sagittal.language.tidy import tidy


@pytest.mark.parametrize(
    ("rough", "clean"),
    [
        ("  what  is\nit ?", "What is it?"),
        ("a oval, an round , a honest", "An oval, a round, an honest."),
        ("an unit and a MRI and a CT and a unusual one", "A unit and an MRI and a CT and an unusual one."),
        ("one ,, two ;. three", "One, two. Three."),
        ("is it?. yes", "Is it? Yes."),
        ("{label} is {volume} .", "{label} is {volume}."),
        ("vitamin A is, as such,", "Vitamin A is, as such."),
        ("at 1.5 mm", "At 1.5 mm."),
        ("", ""),
    ],
)
def test_tidy(rough: str, clean: str) -> None:
    assert tidy(rough) == clean
    assert tidy(clean) == clean
