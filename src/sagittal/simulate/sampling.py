"""Look-ups in a head at the positions of :mod:`sagittal.simulate.deform`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sagittal.simulate.heads import MARGIN, Head

#: Sub-voxels lie at most this far from a voxel's centre, head voxels.
_REACH = MARGIN - 1.01


def confine(field: Tensor, head: Head) -> None:
    """Hold positions so far inside the head's array that offsets stay inside too, in place.

    The outermost voxels of a head are air, so what lies beyond is air as well.
    """
    for axis, size in enumerate(head.labels.shape):
        field[axis].clamp_(MARGIN - 1.0, size - float(MARGIN))


def flat_index(field: Tensor, head: Head, offset: Sequence[float] = (0.0, 0.0, 0.0)) -> Tensor:
    """Index into the flattened head of the voxel nearest each confined position plus an offset.

    Args:
        field: (3, …) head-voxel positions.
        offset: head voxels, less than ``MARGIN - 1``.

    Returns:
        int32 of the trailing shape.
    """
    _, height, depth = head.labels.shape
    # Nothing here is negative, so cutting off the fraction rounds down.
    index = (field[0] + (offset[0] + 0.5)).to(torch.int32)
    index.mul_(height).add_((field[1] + (offset[1] + 0.5)).to(torch.int32))
    return index.mul_(depth).add_((field[2] + (offset[2] + 0.5)).to(torch.int32))


def look_up(volume: Tensor, index: Tensor) -> Tensor:
    """Values of a head's array at flat indices, in the shape of ``index``."""
    return volume.reshape(-1).index_select(0, index.reshape(-1)).reshape(index.shape)


def mean_over_voxel(
    rows: Tensor, field: Tensor, head: Head, steps: Sequence[Sequence[float]], counts: Sequence[int]
) -> Tensor:
    """Partial volume: the mean of a look-up table over sub-voxels of each output voxel.

    Args:
        rows: (structures, C) float32 table.
        field: (3, N) confined head-voxel positions.
        head: where labels are looked up.
        steps: for each output axis, the head-voxel vector of one output voxel.
        counts: sub-voxels along each output axis.

    Returns:
        (N, C) float32.
    """
    total = torch.zeros(field.shape[1], rows.shape[1], device=rows.device)
    shifts = [[(k + 0.5) / n - 0.5 for k in range(n)] for n in counts]
    for a in shifts[0]:
        for b in shifts[1]:
            for c in shifts[2]:
                offset = [a * steps[0][i] + b * steps[1][i] + c * steps[2][i] for i in range(3)]
                offset = [max(-_REACH, min(_REACH, o)) for o in offset]
                labels = look_up(head.labels, flat_index(field, head, offset))
                total += rows.index_select(0, labels.to(torch.int32))
    return total.div_(len(shifts[0]) * len(shifts[1]) * len(shifts[2]))
