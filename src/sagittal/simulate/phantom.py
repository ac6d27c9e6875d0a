"""A head made of ellipsoids: needs no file, for tests, first runs and speed measurements.

It has every structure that the world asks for (both sides), a folded cortical ribbon, and shells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: (left or middle value, right value or None, centre in mm from the middle, half axes in mm); later wins.
_Part = tuple[int, int | None, tuple[float, float, float], tuple[float, float, float]]
_PARTS: tuple[_Part, ...] = (
    (4, 43, (14, 2, 12), (9, 34, 9)),
    (5, 44, (30, -12, -14), (4, 18, 4)),
    (31, 63, (15, -16, 10), (4, 8, 4)),
    (10, 49, (10, -8, 0), (8, 14, 9)),
    (11, 50, (15, 22, 8), (6, 14, 10)),
    (12, 51, (26, 8, 2), (7, 16, 11)),
    (13, 52, (18, 4, 0), (5, 9, 7)),
    (26, 58, (10, 20, -8), (5, 5, 4)),
    (28, 60, (9, -6, -11), (8, 9, 5)),
    (17, 53, (27, -14, -16), (6, 17, 6)),
    (18, 54, (23, 5, -18), (7, 7, 7)),
    (14, None, (0, -4, -2), (2.5, 12, 9)),
)


def phantom_labels(spacing: float = 2.0, *, folds: int = 9, seed: int = 0) -> NDArray[np.int16]:
    """FreeSurfer-like label map of a head, RAS, 176 × 216 × 192 mm.

    Args:
        spacing: isotropic voxel size, mm.
        folds: number of gyri around the surface.
        seed: shifts the folds and stretches the head, so that phantoms differ.

    Returns:
        int16 label map; value 24 between brain and skull, 515/516 skull, 507 and 511 scalp.
    """
    rng = np.random.default_rng(seed)
    stretch = 1 + 0.06 * rng.standard_normal(3)
    size = (np.array([176, 216, 192]) / spacing).astype(int)
    axes = [(np.arange(n) - (n - 1) / 2) * spacing for n in size]
    x, y, z = (a / s for a, s in zip(np.meshgrid(*axes, indexing="ij"), stretch, strict=True))
    z = z - 8
    labels = np.zeros(tuple(size), dtype=np.int16)
    skull = np.sqrt((x / 70) ** 2 + (y / 88) ** 2 + (z / 70) ** 2)
    for value, limit in ((511, 1.18), (507, 1.155), (515, 1.09), (516, 1.07), (515, 1.04), (24, 1.02)):
        labels[skull < limit] = value
    left = x < 0
    surface = np.sqrt((x / 67) ** 2 + (y / 85) ** 2 + (np.where(z > -25, z, (z + 25) * 3 - 25) / 67) ** 2)
    shift = rng.uniform(0, 2 * np.pi, 3)
    angle = np.arctan2(y, np.abs(x) + 8)
    fold = np.sin(folds * angle + 3 * np.sin(z / 17 + shift[0]) + shift[1]) * np.sin(
        z / 9 + shift[2] + 2 * angle
    )
    cortex = (surface < 0.985 - 0.05 * (fold > 0.72)) & (np.abs(x) > 1.6)
    white = (surface < 0.92 - 0.08 * fold.clip(-0.4, 1)) & (np.abs(x) > 3.5)
    white |= (np.abs(x) < 12) & (np.abs(z - 24) < 4) & (np.abs(y) < 32)
    labels[cortex] = np.where(left, 3, 42)[cortex]
    labels[white] = np.where(left, 2, 41)[white]
    _posterior_fossa(labels, x, y, z)
    for low, high, centre, half in _PARTS:
        for value, side in ((low, -1), (high, 1)) if high else ((low, 0),):
            inside = sum(
                ((axis - sign * c) / h) ** 2
                for axis, c, h, sign in zip((x, y, z), centre, half, (side, 1, 1), strict=True)
            )
            labels[inside < 1] = value
    return labels


def _posterior_fossa(labels: NDArray[np.int16], x: NDArray, y: NDArray, z: NDArray) -> None:
    left = x < 0
    fossa = np.sqrt((x / 46) ** 2 + ((y + 42) / 30) ** 2 + ((z + 42) / 22) ** 2)
    labels[(fossa < 1.1) & (labels != 0)] = 24
    cerebellum = fossa < 1
    labels[cerebellum] = np.where(left, 8, 47)[cerebellum]
    deep = (fossa < 0.72) & (np.sin(z / 2.2 + np.abs(x) / 6) > -0.2)
    labels[deep] = np.where(left, 7, 46)[deep]
    stem = ((x / 13) ** 2 + ((y + 14) / 12) ** 2 < 1) & (z < -14) & (z > -72)
    labels[stem] = 16
    labels[(np.abs(x) < 5) & (np.abs(y + 28) < 4) & (np.abs(z + 38) < 9)] = 15
