"""Where each voxel of the output lies in the head: pose, smooth invertible bending, mirror image.

Everything is composed into one field of head-voxel positions, so labels are looked up once, straight onto
the output grid, whatever its spacing, field of view and orientation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sagittal.geometry import Geometry
from sagittal.simulate.config import Deformation
from sagittal.simulate.draws import Draws
from sagittal.simulate.fields import knot_count, raise_field, spline_basis
from sagittal.simulate.heads import CEREBRUM_CENTRE, Head

#: The displacement is scaled down until its Jacobian determinant stays above this everywhere.
MIN_JACOBIAN = 0.3
_CHECK_MM = 5.0


@dataclass(frozen=True)
class Pose:
    """A drawn transform from output world to head world.

    Attributes:
        affine: (4, 4) float64, output mm → head mm; holds the mirror image when ``flipped``.
        flipped: whether left and right labels must be swapped.
        lattices: coefficient tensors (3, a, b, c) of the displacement, output mm, and their knot in mm.
    """

    affine: NDArray[np.float64]
    flipped: bool
    lattices: tuple[tuple[Tensor, float], ...]


def draw_affine(config: Deformation, draws: Draws, brain_ml: float) -> NDArray[np.float64]:
    """Random rotation, scaling, shear and translation about the centre of the cerebrum.

    Args:
        brain_ml: the head's brain before scaling; it is never made larger than people's are.
    """
    linear = np.eye(3)
    for axis in range(3):
        angle = math.radians(draws.uniform(-config.rotation_deg, config.rotation_deg))
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        linear = turn @ linear
    shear = np.eye(3)
    for row in range(3):
        for column in range(3):
            if row != column:
                shear[row, column] = draws.uniform(-config.shear, config.shear)
    # One common scale and a smaller one for each axis: heads differ more in size than in shape.
    common = draws.uniform(-config.scaling, config.scaling)
    scale = np.array([1 + common + 0.4 * draws.uniform(-config.scaling, config.scaling) for _ in range(3)])
    # The transform runs from output to head, so a larger scale makes a smaller head.
    scale *= max(1.0, brain_ml / scale.prod() / config.largest_brain_ml) ** (1 / 3)
    matrix = np.eye(4)
    matrix[:3, :3] = shear @ linear @ np.diag(scale)
    centre = np.asarray(CEREBRUM_CENTRE)
    move = np.array([draws.uniform(-config.translation_mm, config.translation_mm) for _ in range(3)])
    matrix[:3, 3] = centre + move - matrix[:3, :3] @ centre
    return matrix


def draw_pose(config: Deformation, geometry: Geometry, draws: Draws, brain_ml: float) -> Pose:
    """Draw pose, bending and mirror image for one study of a head with such a brain, on one grid."""
    affine = draw_affine(config, draws, brain_ml)
    flipped = draws.chance(config.flip)
    if flipped:
        affine = affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    lattices = []
    for sd, knot in ((config.elastic_mm, config.elastic_knot_mm), (config.fine_mm, config.fine_knot_mm)):
        sd = draws.uniform(0.3, 1.0) * sd
        if sd > 0:
            size = [knot_count(n, s, knot) for n, s in zip(geometry.shape, geometry.spacing, strict=True)]
            lattices.append(((draws.rows(3, *size) * sd).float(), knot))
    # Shrink together what would fold.
    while lattices and minimum_jacobian(tuple(lattices), geometry) < MIN_JACOBIAN:
        lattices = [(coefficients * 0.8, knot) for coefficients, knot in lattices]
    return Pose(affine, flipped, tuple(lattices))


def minimum_jacobian(lattices: tuple[tuple[Tensor, float], ...], geometry: Geometry) -> float:
    """Smallest determinant of ∂(x + u)/∂x, by central differences on a 5 mm grid."""
    steps = [max(1, round(_CHECK_MM / s)) for s in geometry.spacing]
    counts = [max(2, (n - 1) // k + 1) for n, k in zip(geometry.shape, steps, strict=True)]
    distances = [s * k for s, k in zip(geometry.spacing, steps, strict=True)]
    moved = torch.zeros(3, *counts)
    for coefficients, knot in lattices:
        bases = [
            spline_basis(n, d, knot, unit_variance=False) for n, d in zip(counts, distances, strict=True)
        ]
        a, b, c = (basis.shape[1] for basis in bases)
        moved += raise_field(coefficients[:, :a, :b, :c], bases)
    slopes = torch.stack(torch.gradient(moved, spacing=distances, dim=(1, 2, 3)), dim=1)
    axes = torch.tensor(geometry.affine[:3, :3] / np.asarray(geometry.spacing), dtype=torch.float32)
    jacobian = torch.einsum("ijxyz,kj->xyzik", slopes, axes) + torch.eye(3)
    return float(_det3(jacobian).min())


def _det3(m: Tensor) -> Tensor:
    a, b, c = m[..., 0, :].unbind(-1), m[..., 1, :].unbind(-1), m[..., 2, :].unbind(-1)
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )


def positions(pose: Pose, geometry: Geometry, head: Head) -> Tensor:
    """Head-voxel position of every output voxel.

    Returns:
        (3, X, Y, Z) float32 on the head's device.
    """
    device = head.labels.device
    to_head = head.to_voxel @ pose.affine
    matrix = to_head @ geometry.affine
    grids = [torch.arange(n, dtype=torch.float64) for n in geometry.shape]
    rows = []
    for i in range(3):
        x, y, z = (matrix[i, j] * grids[j] for j in range(3))
        rows.append((x[:, None, None] + y[None, :, None] + (z + matrix[i, 3])[None, None, :]).float())
    field = torch.stack(rows).to(device)
    linear = torch.tensor(to_head[:3, :3], dtype=torch.float32)
    for coefficients, knot in pose.lattices:
        turned = torch.einsum("ij,jabc->iabc", linear, coefficients).to(device)
        bases = [
            spline_basis(n, s, knot, unit_variance=False).to(device)
            for n, s in zip(geometry.shape, geometry.spacing, strict=True)
        ]
        field += raise_field(turned, bases)
    return field


def push(
    field: Tensor,
    centre: tuple[int, int, int],
    radius_mm: float,
    strength: float,
    spacing: tuple[float, float, float],
) -> None:
    """Mass effect, in place: tissue around ``centre`` is pushed outwards.

    Inside the moved ball the head is looked up closer to the centre: r → r·(1 - a·exp(-(r/R)²)), which is
    monotone for a < 0.69, so the map stays invertible.

    Args:
        field: (3, X, Y, Z) head-voxel positions.
        centre: voxel that stays where it is.
        radius_mm: R, mm.
        strength: a.
        spacing: mm along each axis.
    """
    low = [max(0, int(c - 2.5 * radius_mm / s)) for c, s in zip(centre, spacing, strict=True)]
    high = [
        min(n, int(c + 2.5 * radius_mm / s) + 1)
        for c, s, n in zip(centre, spacing, field.shape[1:], strict=True)
    ]
    window = [slice(a, b) for a, b in zip(low, high, strict=True)]
    box = (slice(None), window[0], window[1], window[2])
    squares = sum(
        ((torch.arange(a, b, device=field.device) - c) * (s / radius_mm))
        .square()
        .reshape([-1 if k == axis else 1 for k in range(3)])
        for axis, (a, b, c, s) in enumerate(zip(low, high, centre, spacing, strict=True))
    )
    assert isinstance(squares, Tensor)
    pull = strength * torch.exp(-squares)
    origin = field[:, centre[0], centre[1], centre[2]].reshape(3, 1, 1, 1).clone()
    field[box] -= (field[box] - origin) * pull
