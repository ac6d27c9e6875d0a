"""Convolution and resampling in a volume's native spacing (VoxelPrompt, appendix A.1).

Tensors are (N, C, X, Y, Z), kept in channels-last memory: measured 3–6 times faster on CPU with
bfloat16, and pointwise layers then see (voxels, channels) without a copy.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.errors import ConfigError
from sagittal.nn.spacing import Factors

Shape = tuple[int, int, int]


class NativeConv3d(nn.Module):
    """A 3×3×3 convolution that becomes 2D, slice by slice, on thick slices.

    At a level with ω > 2 only the kernel's central slice along the volume's slice axis is used, so one
    set of weights serves every spacing. Zero padding keeps the shape.

    Args:
        inputs: input channels.
        outputs: output channels.
        bias: add a bias.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        weight = torch.empty(outputs, inputs, 3, 3, 3)
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last_3d))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor, flat_axis: int | None = None) -> Tensor:
        """Convolve (N, inputs, X, Y, Z) to (N, outputs, X, Y, Z).

        Args:
            x: features.
            flat_axis: slice axis (0, 1 or 2) of a thick-slice level, else ``None``.
        """
        if flat_axis is None:
            return functional.conv3d(x, self.weight, self.bias, padding=1)
        central = self.weight.narrow(2 + flat_axis, 1, 1)
        padding = [1, 1, 1]
        padding[flat_axis] = 0
        return functional.conv3d(x, central, self.bias, padding=padding)


def downsample(x: Tensor, factors: Factors) -> Tensor:
    """Max-pool to a grid whose spacing is ``factors`` times wider; its first outer corner stays.

    An output voxel takes the largest value of the input voxels that it overlaps. For whole factors these
    are the usual windows, the last of which may be cut off by the border; for others (a slice axis at
    1 < ω ≤ 2) neighbouring windows share a voxel. A factor of one leaves its axis alone.

    Args:
        x: (N, C, X, Y, Z).
        factors: per array axis, each ≥ 1.

    Raises:
        ConfigError: a factor below one.
    """
    if min(factors) < 1:
        raise ConfigError("Down-sampling cannot narrow the spacing.", expected="factors ≥ 1", got=factors)
    whole = [int(f) if float(f).is_integer() else 1 for f in factors]
    # A window longer than the axis would be refused although it only needs the voxels there are.
    window = [min(f, n) for f, n in zip(whole, x.shape[2:], strict=True)]
    if max(window) > 1:
        x = functional.max_pool3d(x, kernel_size=window, stride=window, ceil_mode=True)
    for axis, factor in enumerate(factors):
        if not float(factor).is_integer():
            x = _max_windows(x, 2 + axis, factor)
    return x


def _max_windows(x: Tensor, dim: int, factor: float) -> Tensor:
    """Largest value of the voxels that overlap [j·factor, (j+1)·factor) along one axis."""
    length = x.shape[dim]
    count = coarse_length(length, factor)
    edges = [j * factor for j in range(count + 1)]
    first = [min(math.floor(e + 1e-3), length - 1) for e in edges[:-1]]
    last = [min(math.ceil(e - 1e-3) - 1, length - 1) for e in edges[1:]]
    widest = max(b - a for a, b in zip(first, last, strict=True))
    result = x.index_select(dim, torch.tensor(first, device=x.device))
    for step in range(1, widest + 1):
        index = [min(a + step, b) for a, b in zip(first, last, strict=True)]
        result = torch.maximum(result, x.index_select(dim, torch.tensor(index, device=x.device)))
    return result


def coarse_length(length: int, factor: float) -> int:
    """Voxels of an axis after down-sampling; the rule of :meth:`sagittal.geometry.Geometry.with_spacing`."""
    return max(1, math.ceil(length / factor - 1e-3))


def upsample(x: Tensor, factors: Factors, shape: Shape) -> Tensor:
    """Trilinear values of a coarse grid at the voxel centres of the finer one: reverses the grid's change.

    Beyond the outermost coarse centres the border value holds.

    Args:
        x: (N, C, X, Y, Z) on the coarse grid.
        factors: what :func:`downsample` was given.
        shape: of the finer grid.
    """
    for axis, factor in enumerate(factors):
        if not float(factor).is_integer():
            x = _linear_along(x, 2 + axis, factor, shape[axis])
    scale = tuple(float(f) if float(f).is_integer() else 1.0 for f in factors)
    if max(scale) > 1:
        x = functional.interpolate(x, scale_factor=scale, mode="trilinear", align_corners=False)
    if tuple(x.shape[2:]) != tuple(shape):
        # The last coarse voxel may reach beyond the finer grid.
        x = x[:, :, : shape[0], : shape[1], : shape[2]]
    return x


def _linear_along(x: Tensor, dim: int, factor: float, length: int) -> Tensor:
    """Linear interpolation of one axis at fine centres: fine i lies at coarse (i + ½)/factor − ½."""
    at = ((torch.arange(length, device=x.device) + 0.5) / factor - 0.5).clamp(0, x.shape[dim] - 1)
    below = at.floor().long()
    above = (below + 1).clamp(max=x.shape[dim] - 1)
    share = (at - below).to(x.dtype)
    share = share.view([-1 if d == dim else 1 for d in range(x.ndim)])
    return torch.lerp(x.index_select(dim, below), x.index_select(dim, above), share)
