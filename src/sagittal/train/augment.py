"""Random changes of annotated real studies: other exposures of the same head, and its mirror image (§4.3).

Simulated studies need none of this: every one of them is another head, pose and scanner.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sagittal.simulate.fields import smooth_noise
from sagittal.study import Image, Study

# Largest sd of the logarithms of the smooth change of brightness and of the exponent.
_BIAS, _GAMMA = 0.3, 0.25


def augmented(study: Study, rng: np.random.Generator) -> Study:
    """The study with other exposures, and half of the time mirrored left to right.

    Studies whose masks name sides (a mirrored left would be called left) or that lie on several grids are
    not mirrored.
    """
    images = tuple(_exposed(image, rng) for image in study.images)
    changed = replace(study, images=images)
    names = " ".join(name for mask in study.masks for name in mask.labels.values()).lower()
    sided = "left" in names or "right" in names
    if sided or not _one_grid(study) or rng.random() < 0.5:
        return changed
    return _mirrored(changed)


def _exposed(image: Image, rng: np.random.Generator) -> Image:
    """Smooth brightness and another exponent; background that is exactly zero stays zero."""
    if image.kind in ("ct", "adc"):
        return image  # their numbers mean something
    data = np.asarray(image.data, np.float32)
    low, high = float(data.min()), float(data.max())
    if not high > low:
        return image
    share = (data - low) / (high - low)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 31)))
    spacing = image.geometry.spacing
    bias = smooth_noise(image.shape, spacing, 60.0, generator)[0].numpy() * rng.uniform(0, _BIAS)
    changed = np.power(share, np.exp(rng.normal(0, _GAMMA))) * np.exp(bias) * (high - low) + low
    return replace(image, data=np.where(data == 0, 0, changed).astype(np.float32))


def _mirrored(study: Study) -> Study:
    """Mirrored within its one grid: the affine stays, the head on it is another."""
    axis = study.images[0].geometry.axis_towards(0)[0]
    images = tuple(replace(i, data=np.ascontiguousarray(np.flip(i.data, axis))) for i in study.images)
    masks = tuple(replace(m, data=np.ascontiguousarray(np.flip(m.data, axis))) for m in study.masks)
    return replace(study, images=images, masks=masks)


def _one_grid(study: Study) -> bool:
    first = study.images[0].geometry
    return all(other.geometry.same_grid(first) for other in (*study.images, *study.masks))
