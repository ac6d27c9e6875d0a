"""Structures (label values) and tissues (what they are made of): the two committed tables.

A head's voxels hold a *structure index*, 0…255, the rank of a FreeSurfer value in the table; look-up
vectors take it to the value, to the tissue, and to its mirror image on the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from sagittal.errors import LabelError
from sagittal.io.labels import load_labels

_PARCELS = range(36)


def _table(name: str) -> Any:
    return yaml.safe_load(
        resources.files("sagittal.simulate").joinpath("tables", name).read_text(encoding="utf-8")
    )


@dataclass(frozen=True)
class Tissues:
    """Tissue classes with their physical properties.

    Attributes:
        names: class names, healthy ones first; class 0 is air.
        healthy: how many of them are healthy.
        values: (classes, properties) float64; columns as in :attr:`columns`.
        columns: property names: pd, t1, t2, t2s, adc, hu, uptake, texture.
    """

    names: tuple[str, ...]
    healthy: int
    values: NDArray[np.float64]
    columns: tuple[str, ...]

    def index(self, name: str) -> int:
        """Class number of a tissue name."""
        return self.names.index(name)


@cache
def tissues() -> Tissues:
    """The committed table ``tissues.yaml``."""
    table = _table("tissues.yaml")
    rows: dict[str, list[float]] = {**table["healthy"], **table["lesion"]}
    return Tissues(
        tuple(rows), len(table["healthy"]), np.array(list(rows.values()), float), tuple(table["columns"])
    )


@dataclass(frozen=True)
class Structures:
    """Structures by index: look-up vectors of one length.

    Attributes:
        values: index → FreeSurfer value; index 0 is value 0.
        names: index → short name.
        tissue: index → tissue class.
        mirror: index → index of the structure on the other side (itself in the middle).
        side: index → -1 left, +1 right, 0 neither.
        parenchyma: index → whether it is brain tissue.
        merge: value → value, for values read as another structure.
    """

    values: NDArray[np.int64]
    names: tuple[str, ...]
    tissue: NDArray[np.int64]
    mirror: NDArray[np.int64]
    side: NDArray[np.int64]
    parenchyma: NDArray[np.bool_]
    merge: Mapping[int, int]

    def index(self, value: int) -> int:
        """Index of a FreeSurfer value."""
        return int(np.searchsorted(self.values, value))

    def indices(self, *tissue_names: str) -> list[int]:
        """Indices of every structure made of the named tissues."""
        wanted = [tissues().index(name) for name in tissue_names]
        return [int(i) for i in np.flatnonzero(np.isin(self.tissue, wanted))]

    def encode(self, labels: NDArray[Any], source: str) -> NDArray[np.uint8]:
        """Label values → structure indices.

        Args:
            labels: whole numbers in any type.
            source: what to call the map in an error.

        Raises:
            LabelError: values that the table does not know.
        """
        present = np.unique(labels)
        known = np.array([self.merge.get(int(v), int(v)) for v in present])
        strange = [
            float(v) for v, k in zip(present, known, strict=True) if k not in self.values or v != int(v)
        ]
        if strange:
            raise LabelError(
                f"{source} holds values that are not FreeSurfer, Desikan-Killiany or CHARM labels.",
                expected="aseg or aparc+aseg values, and 502-530 outside the brain",
                got=strange[:12],
                remedy="translate the map's values first, or take it out of the folder",
            )
        rank = np.searchsorted(self.values, known).astype(np.uint8)
        # A table over whole values when they are small: a search through millions of voxels is slow.
        lookup = np.zeros(int(present[-1]) + 1, dtype=np.uint8)
        lookup[present.astype(np.int64)] = rank
        return lookup[labels.astype(np.int64)]


@cache
def structures() -> Structures:
    """The committed table ``structures.yaml``, with names from the label presets."""
    table = _table("structures.yaml")
    tissue_of = {int(v): name for name, values in table["tissues"].items() for v in values}
    mirror_of: dict[int, int] = {int(a): int(b) for a, b in table["pairs"].items()}
    for parcel in _PARCELS:
        tissue_of[1000 + parcel] = tissue_of[2000 + parcel] = "cortex"
        mirror_of[1000 + parcel] = 2000 + parcel
    names = {**load_labels("freesurfer").names, **load_labels("dk").names, **table["names"]}
    values = np.array([0, *sorted(v for v in tissue_of if v in names)])
    side = np.zeros(len(values), dtype=np.int64)
    mirror = np.arange(len(values))
    for left, right in mirror_of.items():
        if left in names and right in names:
            a, b = np.searchsorted(values, [left, right])
            mirror[a], mirror[b], side[a], side[b] = b, a, -1, 1
    tissue = [tissues().index(tissue_of[int(v)]) if v else 0 for v in values]
    brain = {tissues().index(name) for name in table["parenchyma"]}
    return Structures(
        values,
        ("background", *(names[int(v)] for v in values[1:])),
        np.array(tissue),
        mirror,
        side,
        np.array([t in brain for t in tissue]),
        {int(a): int(b) for a, b in table["merge"].items()},
    )
