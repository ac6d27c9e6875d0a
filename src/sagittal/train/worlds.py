"""Which simulated studies a network learns from, by a committed table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from sagittal.simulate import Bank, HeadSet, SimulatedStudy, WorldConfig, make_bank, preset


@dataclass(frozen=True)
class World:
    """One simulated world of a training set.

    Attributes:
        name: of its bank's folder.
        config: what is simulated.
        studies: how many.
    """

    name: str
    config: WorldConfig
    studies: int


def training_worlds(table: str) -> tuple[World, ...]:
    """The worlds of a committed table."""
    text = (files("sagittal.train") / "tables" / f"{table}.yaml").read_text(encoding="utf-8")
    return tuple(
        World(name, _changed(preset(entry["preset"]), entry.get("change", {})), entry["studies"])
        for name, entry in yaml.safe_load(text)["worlds"].items()
    )


def _changed(config: WorldConfig, change: Mapping[str, Any]) -> WorldConfig:
    values = config.model_dump(mode="json")
    for key, value in change.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    return WorldConfig.model_validate(values)


class Banks:
    """The studies of several worlds, on disk, under one numbering.

    Args:
        folder: holds one bank a world; see :func:`make_banks`.
        worlds: which of them, in order.
    """

    def __init__(self, folder: str | Path, worlds: tuple[World, ...]) -> None:
        self._banks = [Bank(Path(folder) / world.name) for world in worlds]
        self.places = [(b, n) for b, bank in enumerate(self._banks) for n in range(len(bank))]

    def __len__(self) -> int:
        return len(self.places)

    def load(self, number: int) -> SimulatedStudy:
        """One study; its arrays are memory-mapped."""
        bank, index = self.places[number]
        return self._banks[bank].load(index)


def make_banks(
    folder: str | Path,
    worlds: tuple[World, ...],
    heads: HeadSet,
    seed: int,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Banks:
    """Make the studies of all worlds; those that are there already are kept.

    Raises:
        IntegrityError: the folder holds studies of other worlds.
        StorageError: it cannot be written.
    """
    for world in worlds:
        report = (lambda n, of, name=world.name: on_progress(name, n, of)) if on_progress else None
        make_bank(world.config, heads, Path(folder) / world.name, world.studies, seed, on_progress=report)
    return Banks(folder, worlds)
