"""Where in the brain a label lies, by an atlas (mpLLM, §3.2.1, "Region")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sagittal.measure.atlas import Atlas
from sagittal.measure.block import Block
from sagittal.measure.classes import Thresholds, region_names


@dataclass(frozen=True)
class RegionShares:
    """How a label's voxels fall into an atlas's regions.

    Attributes:
        shares: region → share of the label's voxels in it, in the table's order; regions without a
            voxel are left out. Shares are of the whole label, so they add up to ``covered_share``.
        covered_share: share of the label's voxels that lie in any region.
    """

    shares: Mapping[str, float]
    covered_share: float

    def names(self, thresholds: Thresholds | None = None) -> tuple[str, ...]:
        """The regions to name; one word, ``unlocalised`` by default, when there are none."""
        return tuple(region_names(dict(self.shares), thresholds))


def region_shares(block: Block, atlas: Atlas) -> RegionShares:
    """Shares of a label by region: the atlas is read at the label's voxel centres, nearest neighbour.

    Raises:
        SpacingUnknownError: the label's grid has no place in the world.
    """
    counts = np.zeros(len(atlas.regions) + 1, dtype=np.int64)
    for values in atlas.values_at(block):
        counts += np.bincount(atlas.region_codes[values], minlength=counts.size)
    shares = {
        region: int(count) / block.voxels
        for region, count in zip(atlas.regions, counts[1:], strict=True)
        if count
    }
    return RegionShares(shares, int(counts[1:].sum()) / block.voxels)
