"""How well two masks of one thing agree: overlap, distance between surfaces, volume.

Conventions where something is empty (BraTS's and MONAI's leave some of them open):

=====================  ====  ==========  ============  ==============
truth / prediction     Dice  surface D.  HD95          volume error %
=====================  ====  ==========  ============  ==============
both empty             1     1           undefined     undefined
one of them empty      0     0           undefined     undefined if truth is
both there             in (0…1)          mm            100·(p - t) / t
=====================  ====  ==========  ============  ==============
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.measure.points import Points
from sagittal.study import Mask

#: Surfaces nearer than this agree, for the normalised surface Dice.
TOLERANCE_MM = 2.0


@dataclass(frozen=True)
class Overlap:
    """Agreement of a predicted mask with the truth.

    Attributes:
        dice: 2·|P ∩ T| / (|P| + |T|).
        surface_dice: share of both surfaces' voxels that lie within :data:`TOLERANCE_MM` of the other surface
            (Nikolov et al. 2021, each surface voxel counting the same).
        hd95_mm: the larger of the two directions' 95th percentiles of distances between surfaces; ``None``
            where one is empty.
        volume_ml, true_ml: of the prediction and the truth.
        volume_error_percent: signed, of the truth; ``None`` where the truth is empty.
    """

    dice: float
    surface_dice: float | None
    hd95_mm: float | None
    volume_ml: float
    true_ml: float
    volume_error_percent: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def dice(p: NDArray[np.bool_], t: NDArray[np.bool_]) -> float:
    """2·|P ∩ T| / (|P| + |T|); 1 where both are empty."""
    total = int(np.count_nonzero(p)) + int(np.count_nonzero(t))
    return 2 * int(np.count_nonzero(p & t)) / total if total else 1.0


def compare(predicted: Mask, truth: Mask, *, surfaces: bool = True) -> Overlap:
    """Compare two binary masks (anything but 0 counts) on one grid.

    Args:
        predicted, truth: on the same grid.
        surfaces: whether to measure distances between surfaces, which cost most of the time; without, they
            are ``None``.

    Raises:
        GeometryError: the masks lie on different grids.
        SpacingUnknownError: the grid has no millimetres.
    """
    truth.geometry.require_same_grid(predicted.geometry, "A mask and its truth")
    voxel_ml = truth.geometry.voxel_volume / 1000
    p, t = predicted.data != 0, truth.data != 0
    mine, true = int(np.count_nonzero(p)), int(np.count_nonzero(t))
    surface, hd95 = _surfaces(p, t, truth.geometry.affine) if surfaces else (None, None)
    error = 100.0 * (mine - true) / true if true else None
    return Overlap(dice(p, t), surface, hd95, mine * voxel_ml, true * voxel_ml, error)


def _surfaces(
    p: NDArray[np.bool_], t: NDArray[np.bool_], affine: NDArray[np.float64]
) -> tuple[float, float | None]:
    """Normalised surface Dice, and the 95th percentile of the Hausdorff distance in mm."""
    mine, true = surface_voxels(p) @ affine[:3, :3].T, surface_voxels(t) @ affine[:3, :3].T
    if not len(mine) or not len(true):
        return float(len(mine) == len(true)), None
    there, back = Points(true).distances(mine), Points(mine).distances(true)
    near = int((there <= TOLERANCE_MM).sum() + (back <= TOLERANCE_MM).sum())
    hd95 = max(float(np.percentile(there, 95)), float(np.percentile(back, 95)))
    return near / (len(there) + len(back)), hd95


def surface_voxels(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(n, 3) indices of voxels of a mask with a face neighbour outside it; beyond the array is outside."""
    from scipy.ndimage import binary_erosion

    found = (
        np.argwhere(mask.any(axis=(1, 2))),
        np.argwhere(mask.any(axis=(0, 2))),
        np.argwhere(mask.any(axis=(0, 1))),
    )
    if not len(found[0]):
        return np.empty((0, 3), np.intp)
    start = np.array([int(f[0, 0]) for f in found])
    box = tuple(slice(int(f[0, 0]), int(f[-1, 0]) + 1) for f in found)
    inside = mask[box]
    return np.argwhere(inside & ~binary_erosion(inside)) + start
