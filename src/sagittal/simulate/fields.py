"""Smooth random fields and the cubic B-splines that carry them.

A field is drawn on a coarse lattice of knots and raised to the grid by three small matrix products,
one an axis: C² smooth, no visible lattice, and about 2 ms for a million voxels on one core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def spline_basis(count: int, spacing: float, knot: float, *, unit_variance: bool) -> Tensor:
    """Cubic B-spline weights of every knot at ``count`` positions, ``spacing`` mm apart.

    Args:
        count: positions along the axis.
        spacing: distance between them, mm.
        knot: distance between knots, mm.
        unit_variance: scale each row so that independent unit-variance coefficients give a
            unit-variance field; else each row sums to one.

    Returns:
        (count, knots) float32. Knot ``k`` lies at ``(k - 1) · knot`` mm from the first position.
    """
    position = torch.arange(count, dtype=torch.float64) * (spacing / knot)
    cell = position.floor().long()
    t = (position - cell)[:, None]
    weights = torch.cat(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], dim=1
    )
    weights /= 6
    if unit_variance:
        weights /= weights.square().sum(dim=1, keepdim=True).sqrt()
    basis = torch.zeros(count, int(cell[-1]) + 4, dtype=torch.float64)
    basis.scatter_(1, cell[:, None] + torch.arange(4), weights)
    return basis.float()


def knot_count(count: int, spacing: float, knot: float) -> int:
    """Knots that :func:`spline_basis` uses along an axis."""
    return math.floor((count - 1) * (spacing / knot)) + 4


def raise_field(coefficients: Tensor, bases: Sequence[Tensor]) -> Tensor:
    """(C, a, b, c) knot coefficients → (C, X, Y, Z) field, one basis matrix an axis."""
    channels, a = coefficients.shape[:2]
    x, y, z = (basis.shape[0] for basis in bases)
    field = torch.matmul(coefficients, bases[2].T)
    field = torch.matmul(bases[1], field)
    return torch.matmul(bases[0], field.reshape(channels, a, y * z)).reshape(channels, x, y, z)


def smooth_noise(
    shape: Sequence[int],
    spacing: Sequence[float],
    knot: float,
    generator: torch.Generator,
    *,
    channels: int = 1,
) -> Tensor:
    """A smooth Gaussian random field of zero mean and unit variance.

    Args:
        shape: (X, Y, Z).
        spacing: mm along each axis.
        knot: scale of the field's features, mm.
        generator: source of randomness; the field lies on its device.
        channels: independent fields.

    Returns:
        (channels, X, Y, Z) float32.
    """
    device = generator.device
    bases = [
        spline_basis(n, s, knot, unit_variance=True).to(device) for n, s in zip(shape, spacing, strict=True)
    ]
    size = (channels, *(basis.shape[1] for basis in bases))
    return raise_field(torch.randn(size, generator=generator, device=device), bases)


def blur_axis(image: Tensor, axis: int, sigma: float) -> Tensor:
    """Gaussian blur along one axis with edges held; ``sigma`` in voxels."""
    radius = max(1, math.ceil(2.5 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel /= kernel.sum()
    size = image.shape[axis]
    index = torch.arange(-radius, size + radius, device=image.device).clamp_(0, size - 1)
    padded = image.index_select(axis, index)
    out = padded.narrow(axis, radius, size) * float(kernel[radius])
    for step in range(radius):
        weight = float(kernel[step])
        out.add_(padded.narrow(axis, step, size), alpha=weight)
        out.add_(padded.narrow(axis, 2 * radius - step, size), alpha=weight)
    return out


def blur(image: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Gaussian blur of the last three axes; ``sigmas`` in voxels, 0.05 and less is left out."""
    for axis, sigma in zip((-3, -2, -1), sigmas, strict=True):
        if sigma > 0.05:
            image = blur_axis(image, image.ndim + axis, sigma)
    return image
