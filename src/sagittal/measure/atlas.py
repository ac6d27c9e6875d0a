"""An atlas: named structures on a grid of their own, each in one region of the brain, or in none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagittal.measure.block import Block
from sagittal.measure.region_table import RegionTable
from sagittal.study import Mask

# As in resampling: a centre on the border between two voxels must not flip with the last bit.
_TIE = 1e-6


@dataclass(frozen=True, eq=False)
class Atlas:
    """A labelled template brain.

    Attributes:
        name: what it is called.
        space: the template space that it lies in, ``MNI152`` or ``SRI24``, or a user's own word.
        mask: value → structure, on the atlas's grid.
        table: structure → region.
        licence: the words under which its makers give it away.

    Raises:
        LabelError: a structure that the table neither maps nor lists as unmapped.
    """

    name: str
    space: str
    mask: Mask
    table: RegionTable
    licence: str = ""

    def __post_init__(self) -> None:
        self.mask.check_labels()
        self.table.require_all(self.mask.labels.values(), self.name)

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the regions, in the table's order."""
        return tuple(self.table.regions)

    def values_at(self, block: Block) -> Iterator[NDArray[np.integer]]:
        """Atlas values at a label's voxel centres, nearest neighbour; 0 outside. In chunks.

        Only the label's own voxels are looked up: neither image nor atlas is resampled.

        Raises:
            SpacingUnknownError: the label's grid has no place in the world.
        """
        block.geometry.require_spacing("A place in an atlas")
        matrix = self.mask.geometry.inverse @ block.geometry.affine
        shape = np.array(self.mask.shape)[:, None]
        for _, index in block.coordinates():
            nearest = np.floor(matrix[:3, :3] @ index + (matrix[:3, 3:] + (0.5 + _TIE))).astype(np.intp)
            covered = ((nearest >= 0) & (nearest < shape)).all(axis=0)
            values = np.zeros(index.shape[1], dtype=self.mask.data.dtype)
            i, j, k = nearest[:, covered]
            values[covered] = self.mask.data[i, j, k]
            yield values

    @cached_property
    def region_codes(self) -> NDArray[np.uint8]:
        """Atlas value → 0 for no region, else 1 + the region's position in :attr:`regions`."""
        codes = np.zeros(max(self.mask.labels, default=0) + 1, dtype=np.uint8)
        for value, structure in self.mask.labels.items():
            region = self.table.region_of(structure)
            if region is not None:
                codes[value] = 1 + self.regions.index(region)
        return codes


def load_atlas_files(
    name: str, volume: Path, labels: Path | str, table: RegionTable, *, space: str, licence: str
) -> Atlas:
    """An atlas from a label volume and its list of structures.

    Raises:
        InputError: a damaged volume, values without a name, or structures that the table does not list.
    """
    from sagittal.io.labels import load_labels
    from sagittal.io.nifti import read_mask

    mask = read_mask(volume, load_labels(labels), name=name)
    return Atlas(name, space, mask, table, licence)


def structure_shares(block: Block, atlas: Atlas) -> Mapping[str, float]:
    """Share of a label's voxels in each structure of the atlas, largest first; absent ones left out.

    Raises:
        SpacingUnknownError: the label's grid has no place in the world.
    """
    counts = np.zeros(max(atlas.mask.labels, default=0) + 1, dtype=np.int64)
    for values in atlas.values_at(block):
        counts += np.bincount(values, minlength=counts.size)
    found = [(-int(counts[v]), s) for v, s in atlas.mask.labels.items() if counts[v]]
    return {structure: -count / block.voxels for count, structure in sorted(found)}
