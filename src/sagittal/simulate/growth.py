"""Growth through tissue: the time a front needs to reach each voxel.

Tumours and oedema spread along white matter, slowly into grey matter, and not through fluid. The arrival time
of a front that moves at a speed set by the tissue under it has all of that built in, and a threshold on it
gives any wanted volume exactly: two thresholds of one field are one lesion at two dates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sagittal.simulate.scene import Scene

#: Resolution at which fronts are propagated, mm; finer grids are filled in by interpolation.
WORK_MM = 2.0
_FAR = 1e4

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Patch:
    """A box of the output grid and its coarser work grid.

    Work voxel k stands at box voxel k · ``steps``.

    Attributes:
        box: place in the output grid.
        shape: voxels of the box.
        steps: output voxels per work voxel along each axis.
        spacing: mm between work voxels.
        labels: structure indices on the work grid.
    """

    box: Box
    shape: tuple[int, int, int]
    steps: tuple[int, int, int]
    spacing: tuple[float, float, float]
    labels: Tensor

    def on_work(self, array: Tensor) -> Tensor:
        """Values of a box array at the work voxels."""
        return array[:: self.steps[0], :: self.steps[1], :: self.steps[2]]

    def fill_in(self, field: Tensor) -> Tensor:
        """A work-grid field at every voxel of the box, linear between work voxels."""
        for axis, (step, count) in enumerate(zip(self.steps, self.shape, strict=True)):
            if step == 1:
                continue
            position = torch.arange(count, device=field.device) / step
            low = position.long().clamp_(max=field.shape[axis] - 1)
            high = (low + 1).clamp_(max=field.shape[axis] - 1)
            share = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
            field = torch.lerp(field.index_select(axis, low), field.index_select(axis, high), share)
        return field

    def least_at_border(self, field: Tensor, scene: Scene) -> float:
        """Least value of a box array on the faces of the box that are not faces of the grid.

        A front stopped before this value is not cut off by the box.
        """
        least = float("inf")
        for axis, (place, size) in enumerate(zip(self.box, scene.labels.shape, strict=True)):
            if place.start > 0:
                least = min(least, float(field.select(axis, 0).min()))
            if place.stop < size:
                least = min(least, float(field.select(axis, -1).min()))
        return least


def patch_around(scene: Scene, centre: Sequence[int], reach_mm: float) -> Patch:
    """The patch that holds everything within ``reach_mm`` of a voxel."""
    bounds = []
    for c, s, n in zip(centre, scene.spacing, scene.labels.shape, strict=True):
        reach = math.ceil(reach_mm / s)
        bounds.append(slice(max(0, int(c) - reach), min(n, int(c) + reach + 1)))
    box = (bounds[0], bounds[1], bounds[2])
    steps = [max(1, round(0.9 * WORK_MM / s)) for s in scene.spacing]
    labels = scene.labels[box]
    return Patch(
        box,
        (labels.shape[0], labels.shape[1], labels.shape[2]),
        (steps[0], steps[1], steps[2]),
        (scene.spacing[0] * steps[0], scene.spacing[1] * steps[1], scene.spacing[2] * steps[2]),
        labels[:: steps[0], :: steps[1], :: steps[2]],
    )


def _neighbour_minimum(time: Tensor, axis: int) -> Tensor:
    """Minimum of each voxel and its two neighbours along an axis."""
    out = time.clone()
    size = time.shape[axis]
    if size > 1:
        front, back = time.narrow(axis, 0, size - 1), time.narrow(axis, 1, size - 1)
        torch.minimum(out.narrow(axis, 1, size - 1), front, out=out.narrow(axis, 1, size - 1))
        torch.minimum(out.narrow(axis, 0, size - 1), back, out=out.narrow(axis, 0, size - 1))
    return out


def travel(speed: Tensor, start: Tensor, spacing: Sequence[float], limit: float) -> Tensor:
    """Arrival time of a front, by repeated 26-neighbour relaxation (a chamfer Eikonal solver).

    Args:
        speed: (x, y, z) mm per unit time; 0 blocks.
        start: (x, y, z) arrival times that are known, others at least ``limit``.
        spacing: mm along each axis.
        limit: times beyond this are not worked out.

    Returns:
        (x, y, z) arrival times; ``limit`` where the front has not come.
    """
    slowness = torch.where(speed > 0, 1.0 / speed.clamp(min=1e-3), torch.full_like(speed, _FAR))
    hx, hy, hz = spacing
    steps = {
        "x": hx, "y": hy, "z": hz, "xy": math.hypot(hx, hy), "xz": math.hypot(hx, hz),
        "yz": math.hypot(hy, hz), "xyz": math.sqrt(hx * hx + hy * hy + hz * hz),
    }  # fmt: skip
    time = start.clamp(max=limit)
    # A front at full speed crosses at least one voxel a round.
    for _ in range(math.ceil(1.6 * limit / min(spacing)) + 1):
        least = {"x": _neighbour_minimum(time, 0), "y": _neighbour_minimum(time, 1)}
        least["z"] = _neighbour_minimum(time, 2)
        least["xy"] = _neighbour_minimum(least["x"], 1)
        least["xz"] = _neighbour_minimum(least["x"], 2)
        least["yz"] = _neighbour_minimum(least["y"], 2)
        least["xyz"] = _neighbour_minimum(least["xy"], 2)
        new = time
        for name, values in least.items():
            new = torch.minimum(new, torch.add(values, slowness, alpha=steps[name]))
        if torch.equal(new, time):
            break
        time = new
    return time


def threshold_for(time: Tensor, allowed: Tensor, voxels: int) -> float:
    """The arrival time that ``voxels`` of the allowed voxels come before.

    Args:
        time: arrival times.
        allowed: bool; only these are counted.
        voxels: wanted count.

    Returns:
        A value halfway between the last voxel in and the first one out; below the largest time.
    """
    values = time[allowed].sort().values
    count = max(1, min(voxels, len(values) - 1))
    return float((values[count - 1] + values[count]) / 2)
