"""Which streams of a study share a grid, and where every grid lies at every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagittal.errors import ConfigError
from sagittal.geometry import Geometry
from sagittal.nn.spacing import SpacingPlan

#: Streams by number.
Group = tuple[int, ...]


@dataclass(frozen=True)
class StreamGrids:
    """Where the streams of a study lie, level by level. Made once per study.

    Attributes:
        groups: stream indices, one tuple a grid.
        plans: the spacing plan of each grid.
    """

    groups: tuple[Group, ...]
    plans: tuple[SpacingPlan, ...]

    @classmethod
    def of(cls, geometries: Sequence[Geometry], levels: int) -> StreamGrids:
        """Plan the grids of a study's volumes, in the order of the volumes.

        Raises:
            ConfigError: no volume, or no level.
        """
        if not geometries:
            raise ConfigError("The vision network needs at least one volume.", got="none")
        groups = same_grid_groups(geometries)
        return cls(groups, tuple(SpacingPlan.of(geometries[group[0]], levels) for group in groups))

    @property
    def streams(self) -> int:
        """Volumes of the study."""
        return sum(len(group) for group in self.groups)

    def geometries(self, level: int) -> list[Geometry]:
        """The grid of each group at a level."""
        return [plan.levels[level].geometry for plan in self.plans]

    def select(self, streams: Sequence[int]) -> tuple[StreamGrids, list[tuple[int, list[int]]]]:
        """The grids of some streams, numbered anew in the order given.

        Returns:
            The grids, and for each of their groups the old group and the places in it.

        Raises:
            ConfigError: no stream, one named twice, or one that is not there.
        """
        if not streams or len(set(streams)) != len(streams) or not set(streams) <= set(range(self.streams)):
            raise ConfigError(
                "Streams are chosen by number, each once.",
                expected=f"some of 0 to {self.streams - 1}",
                got=list(streams),
            )
        groups, plans, sources = [], [], []
        for old, group in enumerate(self.groups):
            members = tuple(new for new, stream in enumerate(streams) if stream in group)
            if members:
                groups.append(members)
                plans.append(self.plans[old])
                sources.append((old, [group.index(streams[new]) for new in members]))
        return StreamGrids(tuple(groups), tuple(plans)), sources


def same_grid_groups(geometries: Sequence[Geometry]) -> tuple[tuple[int, ...], ...]:
    """Indices of the volumes that share a grid, one tuple a grid, in order of first appearance.

    Volumes on one grid must agree on the slice axis too; where they do not, they form two groups.
    """
    groups: list[list[int]] = []
    for index, geometry in enumerate(geometries):
        for group in groups:
            first = geometries[group[0]]
            if first.same_grid(geometry) and first.slice_axis == geometry.slice_axis:
                group.append(index)
                break
        else:
            groups.append([index])
    return tuple(tuple(group) for group in groups)
