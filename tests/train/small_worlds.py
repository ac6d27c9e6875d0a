"""Worlds of the committed tables, with few and coarse studies."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from sagittal.train.worlds import World


def small_worlds(
    worlds: Iterable[World], studies: int, shape: tuple[int, int, int], spacing_mm: float
) -> tuple[World, ...]:
    """The worlds with so many studies each, of this shape and spacing."""
    grid = {"shape": shape, "spacing": (spacing_mm,) * 3}
    return tuple(
        dataclasses.replace(world, studies=studies, config=world.config.model_copy(update=grid))
        for world in worlds
    )
