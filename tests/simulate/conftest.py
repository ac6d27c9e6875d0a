"""Small worlds on phantom heads, made once a session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sagittal.simulate import HeadSet, SimulatedStudy, preset, simulate

SMALL = {"shape": (52, 60, 50), "spacing": (3.5, 3.5, 3.5)}


@pytest.fixture(scope="session")
def phantoms() -> HeadSet:
    return HeadSet.phantoms(2, 3.0)


@pytest.fixture(scope="session")
def worlds(phantoms: HeadSet) -> Callable[..., list[SimulatedStudy]]:
    """``worlds("gli", 20)``: the first studies of a preset on a coarse grid, cached."""
    made: dict[tuple, list[SimulatedStudy]] = {}

    def get(name: str, count: int, **update: object) -> list[SimulatedStudy]:
        key = (name, count, repr(update))
        if key not in made:
            config = preset(name).model_copy(update={**SMALL, **update})
            made[key] = simulate(config, phantoms, range(count), seed=5)
        return made[key]

    return get
