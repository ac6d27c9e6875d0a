"""Which template space a grid lies in, told from the grid alone, with the evidence in words.

A match needs the size, the spacing and the place. The same size elsewhere is ``native``: a coincidence
must never put a region's name on the wrong tissue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagittal.geometry import Geometry

#: Corners may lie this far (mm) from the template's: half-voxel conventions differ by less.
TOLERANCE_MM = 0.75


@dataclass(frozen=True)
class Space:
    """A space and why it was taken for that.

    Attributes:
        name: ``SRI24``, ``MNI152`` or ``native``.
        reason: the evidence, in one sentence.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class _Grid:
    space: str
    what: str
    shape: tuple[int, int, int]  # towards right, front, head
    spacing: float
    first: tuple[float, float, float]  # centre of the leftmost, backmost, lowest voxel, RAS mm


_GRIDS = (
    _Grid("SRI24", "the SRI24 grid that BraTS used until 2023", (240, 240, 155), 1, (-239, 0, 0)),
    _Grid("SRI24", "the SRI24 grid with y counted from the other end", (240, 240, 155), 1, (-239, -239, 0)),
    _Grid("MNI152", "FSL's MNI152 grid, also BraTS-GLI 2024", (182, 218, 182), 1, (-91, -126, -72)),
    _Grid("MNI152", "FSL's MNI152 grid at 2 mm", (91, 109, 91), 2, (-90, -126, -72)),
    _Grid("MNI152", "the ICBM 152 grid", (181, 217, 181), 1, (-90, -126, -72)),
    _Grid("MNI152", "the MNI152NLin2009c grid", (193, 229, 193), 1, (-96, -132, -78)),
    _Grid("MNI152", "the MNI152NLin2009c grid at 2 mm", (97, 115, 97), 2, (-96.5, -132.5, -78.5)),
    _Grid("MNI152", "the ICBM 2009 grid", (197, 233, 189), 1, (-98, -134, -72)),
    _Grid("MNI152", "the ICBM 2009 grid at 2 mm", (99, 117, 95), 2, (-98, -134, -72)),
)  # fmt: skip


def recognise_space(geometry: Geometry) -> Space:
    """The template space of a grid, or ``native``.

    The array's order does not matter; an oblique grid is always native.
    """
    if not geometry.spacing_known:
        return Space("native", "its pixel spacing is unknown")
    upright, _, _ = geometry.reoriented("RAS")
    off = upright.affine[:3, :3] - np.diag(np.diag(upright.affine[:3, :3]))
    if np.abs(off).max() * max(upright.shape) > TOLERANCE_MM:
        return Space("native", "its axes are oblique, as those of no template are")
    alike = [
        grid
        for grid in _GRIDS
        if grid.shape == upright.shape and np.allclose(upright.spacing, grid.spacing, atol=1e-3)
    ]
    for grid in alike:
        if np.abs(upright.affine[:3, 3] - grid.first).max() <= TOLERANCE_MM:
            return Space(grid.space, f"it lies on {grid.what}")
    if alike:
        return Space("native", f"it has the size of {alike[0].what}, but lies elsewhere")
    return Space("native", "no known template has its grid")
