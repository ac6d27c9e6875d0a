"""What lies around the brain: depth below its surface, dura, falx, tentorium, skull and scalp.

Skull stripping, the shells of heads that come without them, and the dura that enhances after contrast
all follow from one signed distance to the brain's surface. Everything here runs once a head, in numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sagittal.simulate.tissues import structures

Labels = NDArray[np.uint8]
#: Depth is kept in half millimetres.
DEPTH_UNIT = 0.5
_WORK_MM = 2.0


@dataclass(frozen=True)
class Shell:
    """One layer around the brain: FreeSurfer-style value and outer limit, mm from the skull's inside."""

    value: int
    outer_mm: float


#: Layers of a synthesised head, from the inner table of the skull outwards.
SHELLS = (
    Shell(24, 2.0),
    Shell(601, 3.0),
    Shell(515, 4.5),
    Shell(516, 7.5),
    Shell(515, 9.0),
    Shell(602, 13.0),
    Shell(511, 15.5),
)


def brain_depth(
    inside: NDArray[np.bool_], spacing: NDArray[np.float64], closing_mm: float
) -> NDArray[np.float32]:
    """Signed distance to the surface of the closed brain, worked out on a 2 mm grid.

    Args:
        inside: brain tissue and ventricles.
        spacing: mm along each axis.
        closing_mm: fissures narrower than twice this count as brain.

    Returns:
        float32 array of ``inside.shape``: mm, negative inside.
    """
    steps = np.maximum(1, np.round(_WORK_MM / spacing)).astype(int)
    coarse = inside[:: steps[0], :: steps[1], :: steps[2]]
    sampling = spacing * steps
    pad = [int(np.ceil((closing_mm + 4) / s)) for s in sampling]
    coarse = np.pad(coarse, [(p, p) for p in pad])
    grown = ndimage.distance_transform_edt(~coarse, sampling=sampling) <= closing_mm
    closed = ndimage.distance_transform_edt(grown, sampling=sampling) > closing_mm
    closed = ndimage.binary_fill_holes(closed | coarse)
    depth = ndimage.distance_transform_edt(~closed, sampling=sampling)
    depth -= ndimage.distance_transform_edt(closed, sampling=sampling)
    depth = depth[tuple(slice(p, -p) for p in pad)]
    # Back to the head's own grid: coarse voxel k stands at fine voxel k * step.
    for axis, step in enumerate(steps):
        position = np.arange(inside.shape[axis]) / step
        low = np.minimum(position.astype(int), depth.shape[axis] - 1)
        high = np.minimum(low + 1, depth.shape[axis] - 1)
        share = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
        depth = depth.take(low, axis) * (1 - share) + depth.take(high, axis) * share
        depth = depth.astype(np.float32)
    return depth


def midline(labels: Labels) -> NDArray[np.float64]:
    """The plane between the hemispheres: (4,) with unit normal in voxel units, positive on the right.

    Least squares over the sides (-1, +1) of the cerebral white matter, every third voxel.
    """
    table = structures()
    sparse = labels[::3, ::3, ::3]
    points, sides = [], []
    for value, side in ((2, -1.0), (41, 1.0)):
        found = np.argwhere(sparse == table.index(value)) * 3.0
        points.append(found)
        sides.append(np.full(len(found), side))
    matrix = np.concatenate(points)
    design = np.column_stack([matrix, np.ones(len(matrix))])
    plane, *_ = np.linalg.lstsq(design, np.concatenate(sides), rcond=None)
    return plane / np.linalg.norm(plane[:3])


def plane_distance(
    labels: Labels, plane: NDArray[np.float64], spacing: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Signed distance of every voxel to the midline, mm (nearly isotropic voxels assumed)."""
    x, y, z = np.ogrid[tuple(slice(n) for n in labels.shape)]
    return ((plane[0] * x + plane[1] * y + plane[2] * z + plane[3]) * spacing.mean()).astype(np.float32)


def add_shells(labels: Labels, skull_depth: NDArray[np.float32]) -> None:
    """Give a bare brain CSF, dura, skull and scalp, in place."""
    table = structures()
    empty = labels == 0
    order = np.searchsorted([shell.outer_mm for shell in SHELLS], skull_depth)
    values = np.array([*(table.index(shell.value) for shell in SHELLS), 0], dtype=np.uint8)
    labels[empty] = values[order[empty]]


def add_membranes(
    labels: Labels, distance: NDArray[np.float32], spacing: NDArray[np.float64], bare: bool
) -> None:
    """Mark dura, falx and tentorium (and, in a synthesised head, the sagittal sinus) in place.

    Dura: fluid that touches bone. Falx: fluid on the midline above the thalamus. Tentorium: fluid
    between cerebellum and cerebrum.
    """
    table = structures()
    fluid = labels == table.index(24)
    bone = np.isin(labels, [table.index(515), table.index(516)])
    membrane = fluid & ndimage.binary_dilation(bone)
    reach = max(1, round(2.0 / float(spacing.mean())))
    cerebellum = np.isin(labels, table.indices("cerebellar_cortex"))
    cerebrum = np.isin(labels, table.indices("cortex"))
    between = ndimage.binary_dilation(cerebellum, iterations=reach)
    between &= ndimage.binary_dilation(cerebrum, iterations=reach)
    membrane |= fluid & between
    thalamus = np.flatnonzero(np.isin(labels, table.indices("thalamus")).any(axis=(0, 1)))
    above = np.zeros(labels.shape[2], dtype=bool)
    above[int(thalamus.mean()) if len(thalamus) else labels.shape[2] // 2 :] = True
    half = max(0.75, 0.5 * float(spacing[0]))
    membrane |= fluid & (np.abs(distance) < half) & above
    labels[membrane] = table.index(601)
    if bare:
        outer = ndimage.binary_dilation(bone, iterations=max(1, round(6 / float(spacing.mean()))))
        fluid = np.isin(labels, [table.index(24), table.index(601)])
        labels[outer & fluid & (np.abs(distance) < 3.5) & above] = table.index(514)


def split_soft_tissue(labels: Labels, skull_depth: NDArray[np.float32], noise: NDArray[np.float32]) -> None:
    """Tell fat and muscle apart inside "other soft tissue", in place.

    The scalp above the thalamus is fat. Below, smooth ``noise`` draws lobules of muscle and fat.
    """
    table = structures()
    soft = labels == table.index(507)
    thalamus = np.flatnonzero(np.isin(labels, table.indices("thalamus")).any(axis=(0, 1)))
    low = int(thalamus.mean()) if len(thalamus) else labels.shape[2] // 2
    scalp = soft & (skull_depth < 18)
    scalp[:, :, :low] = False
    labels[scalp] = table.index(602)
    rest = soft & ~scalp
    labels[rest & (noise > 0.35)] = table.index(602)
    labels[rest & (noise < 0.15)] = table.index(603)
