"""Analytic solids, random blobs, and the 48 ways of storing one volume."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np

from sagittal.geometry import Geometry
from sagittal.study import Image, Mask

ORIENTATIONS = [
    "".join(pair[side] for pair, side in zip(order, sides, strict=True))
    for order in itertools.permutations(("RL", "AP", "SI"))
    for sides in itertools.product((0, 1), repeat=3)
]


def affine_of(spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)) -> np.ndarray:
    out = np.diag([*spacing, 1.0])
    out[:3, 3] = origin
    return out


def rotated(spacing, degrees, axis=2, origin=(3.0, -20.0, 11.0)) -> np.ndarray:
    """An affine of voxels with a spacing, turned about a world axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn = np.eye(3)
    a, b = (x for x in range(3) if x != axis)
    turn[[a, a, b, b], [a, b, a, b]] = c, -s, s, c
    out = np.eye(4)
    out[:3, :3] = turn @ np.diag(spacing)
    out[:3, 3] = origin
    return out


def stored_as(data: np.ndarray, affine: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    """The same voxels in the same places, with the array's axes towards ``codes`` (nibabel's doing)."""
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    turned = nib.orientations.apply_orientation(data, turn)
    return turned, affine @ nib.orientations.inv_ornt_aff(turn, data.shape)


def mask_of(data: np.ndarray, affine: np.ndarray | None = None, labels=None, **geometry) -> Mask:
    affine = np.eye(4) if affine is None else affine
    values = np.unique(data)
    names = labels or {int(v): f"l{int(v)}" for v in values if v}
    data = data.astype(np.uint8) if data.dtype == bool else data
    return Mask(data, Geometry(data.shape, affine, **geometry), names or {1: "l1"})


def image_of(data: np.ndarray, affine: np.ndarray | None = None, **kwargs) -> Image:
    return Image(data, Geometry(data.shape[:3], np.eye(4) if affine is None else affine), **kwargs)


def centres(shape, spacing) -> tuple[np.ndarray, ...]:
    """Open grid of voxel centres in mm about the grid's middle."""
    return np.ix_(*[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)])


def ellipsoid(radii, spacing=(1.0, 1.0, 1.0), margin=2) -> np.ndarray:
    shape = [2 * int(np.ceil(r / s)) + 1 + 2 * margin for r, s in zip(radii, spacing, strict=True)]
    return sum((c / r) ** 2 for c, r in zip(centres(shape, spacing), radii, strict=True)) <= 1


def blobs(seed: int, shape=(30, 34, 26), smooth: float = 1.5, keep: float = 0.12) -> np.ndarray:
    """Random smooth blobs plus specks: many components of all sizes, some at the border."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), smooth)
    inside = field > np.quantile(field, 1 - keep)
    inside |= rng.random(shape) < 0.002
    return inside
