"""Small veins: thin tubes in the fissures and, fainter, in the white matter. They enhance after contrast.

A tube is where two independent smooth fields are both zero; its distance is their length over their slope.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sagittal.simulate.draws import Draws
from sagittal.simulate.fields import smooth_noise
from sagittal.simulate.scene import Scene

#: Slope of unit-variance spline noise, per knot distance (rms, one direction).
_SLOPE = 0.75


def tube_share(scene: Scene, draws: Draws) -> Tensor:
    """Share of each voxel taken by veins, (X, Y, Z) float32."""
    knot = draws.uniform(8.0, 13.0)
    fields = smooth_noise(scene.labels.shape, scene.spacing, knot, draws.voxels, channels=2)
    distance = fields.square().sum(dim=0).sqrt_().mul_(knot / (_SLOPE * 3**0.5))
    radius = draws.uniform(0.6, 1.7)
    width = 0.5 * min(scene.spacing)
    # A tube thinner than a voxel fills only a part of it.
    fill = min(1.0, (radius / width) ** 2) * draws.uniform(0.6, 1.0)
    tubes = torch.sigmoid((max(radius, width) - distance) / (0.35 * width)).mul_(fill)
    fluid = scene.of_tissues("csf", "dura")
    weight = torch.where(
        fluid, 1.0, torch.where(scene.of_tissues("white_matter"), draws.uniform(0, 0.18), 0.0)
    )
    return tubes * weight * (scene.depth < 3)
