"""Small simulated studies on phantom heads, made once a session, and the truth of each."""

from __future__ import annotations

from functools import cache

from sagittal.builders.voxel.truth import Truth
from sagittal.simulate import HeadSet, SimulatedStudy, preset, simulate

GRID = {"shape": (44, 52, 42), "spacing": (4.0, 4.0, 4.0)}
#: Name → preset, changes to it, and the number of the study.
WORLDS = {
    "gli": ("gli", {"skull_strip": 1.0}, 0),
    "whole head": ("pre", {"skull_strip": 0.0}, 1),
    "wmh": ("wmh", {"skull_strip": 1.0}, 0),
    "lesion": ("lesion", {}, 1),
    "healthy": ("healthy", {"skull_strip": 0.0}, 0),
    "restriction": ("restriction", {"skull_strip": 1.0}, 0),
    "ct": ("pre", {"sequences": ("ct",), "skull_strip": 1.0}, 0),
    "growth": ("growth", {"skull_strip": 1.0}, 0),
}


@cache
def made(name: str) -> SimulatedStudy:
    """A study of a world."""
    world, update, index = WORLDS[name]
    config = preset(world).model_copy(update={**GRID, **update})
    (study,) = simulate(config, _heads(), [index], seed=5)
    return study


@cache
def truth_of(name: str) -> Truth:
    """Its truth, which remembers what it counted."""
    study = made(name)
    return Truth(study.study, study.facts)


@cache
def _heads() -> HeadSet:
    return HeadSet.phantoms(1, 4.0)
