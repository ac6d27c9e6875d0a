"""What scanners and processing do to an image: blur, thick slices, bias field, noise, contrast, cropping.

Intensities are not normalised here; readers of the images do that.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sagittal.simulate.config import Artefacts
from sagittal.simulate.draws import Draws
from sagittal.simulate.fields import blur, smooth_noise


def spoil(
    image: Tensor, kind: str, scale: float, spacing: tuple[float, ...], config: Artefacts, draws: Draws
) -> tuple[Tensor, dict[str, Any]]:
    """One image with every artefact drawn anew.

    Args:
        image: (X, Y, Z) clean signal.
        kind: kind of image; CT and ADC keep their units (no bias, no contrast curve, Gaussian noise).
        scale: signal of white matter, to which noise is relative.
        spacing: mm along each axis.
        config: how strong artefacts may be.
        draws: the image's randomness.

    Returns:
        The spoiled image, and what was done to it.
    """
    facts: dict[str, Any] = {}
    sigma = draws.uniform(0.25, 1.0) * config.blur_mm
    image = blur(image[None], [sigma / s for s in spacing])[0]
    if draws.chance(config.thick_slices):
        axis = draws.integer(0, 3)
        thickness = draws.uniform(1.5 * min(spacing), max(1.5 * min(spacing), config.thickest_mm))
        image = thick_slices(image, axis, thickness / spacing[axis], draws.uniform(0, 1))
        facts["slices_mm"], facts["slices_axis"] = thickness, axis
    quantitative = kind in ("ct", "adc")
    if not quantitative:
        image = image * bias_field(image, spacing, draws.uniform(0, 1) ** 1.5 * config.bias, draws)
        power = draws.lognormal(1.0, config.gamma)
        image = (image / scale).clamp_(min=0).pow_(power).mul_(scale)
        facts["gamma"] = power
    level = draws.uniform(0.1, 1.0) ** 1.5 * config.noise * scale
    if quantitative:
        level = draws.uniform(2, 6) if kind == "ct" else 0.06 * scale * draws.uniform(0.2, 1)
    image = add_noise(image, level, draws, rician=not quantitative)
    facts["noise"] = level / scale
    return image, facts


def thick_slices(image: Tensor, axis: int, factor: float, phase: float) -> Tensor:
    """Average over slices ``factor`` voxels thick, then bring them back to the grid linearly.

    Args:
        image: (X, Y, Z).
        axis: across the slices.
        factor: thickness in voxels; 1 and less changes nothing.
        phase: where the first slice begins, 0…1 of a slice.
    """
    size = image.shape[axis]
    count = max(1, round(size / factor))
    if factor <= 1 or count >= size:
        return image
    shift = int(phase * factor)
    moved = torch.roll(image, shift, dims=axis).movedim(axis, -1)
    shape = moved.shape
    rows = moved.reshape(1, -1, size)
    # Area averaging, then linear interpolation between slice centres.
    slices = torch.nn.functional.adaptive_avg_pool1d(rows, count)
    back = interpolate(slices, size=size, mode="linear", align_corners=False)
    return torch.roll(back.reshape(shape).movedim(-1, axis), -shift, dims=axis)


def bias_field(image: Tensor, spacing: tuple[float, ...], strength: float, draws: Draws) -> Tensor:
    """Smooth multiplicative field: exp of noise at the scale of the head, (X, Y, Z)."""
    field = smooth_noise(image.shape, spacing, 90.0, draws.voxels)[0]
    return field.mul_(strength).exp_()


def add_noise(image: Tensor, level: float, draws: Draws, *, rician: bool) -> Tensor:
    """Noise of a magnitude image (Rician), or Gaussian noise."""
    noise = torch.randn(image.shape, generator=draws.voxels, device=image.device)
    real = image.add(noise, alpha=level)
    if not rician:
        return real
    other = noise.normal_(generator=draws.voxels).mul_(level)
    return torch.hypot(real, other)


def crop_view(shape: tuple[int, ...], draws: Draws) -> list[slice]:
    """The part of the field of view that is left when up to a quarter is cut off one side of one axis."""
    axis, side = draws.integer(0, 3), draws.chance(0.5)
    cut = math.floor(draws.uniform(0.05, 0.25) * shape[axis])
    box = [slice(None)] * 3
    box[axis] = slice(cut, None) if side else slice(None, shape[axis] - cut)
    return box
