"""Spacing, shape and kind of convolution of every level of a network that works in native space.

VoxelPrompt, appendix A.1. With in-plane spacing s_inp, slice spacing s_sep and ω_n = s_sep / s_inp at
level n, the next level has

    s_inp(n+1) = 2 s_inp(n),    s_sep(n+1) = s_sep if ω_n > 2, else s_inp(n+1),

and the level's convolutions are 2D in the slice's plane where ω_n > 2. The slice axis may be any array
axis, so kernels keep their meaning: the first kernel axis always runs along the first array axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sagittal.errors import ConfigError
from sagittal.geometry import Geometry

#: Convolve slice by slice, and leave slices alone, where ω is above this (A.1).
THICK = 2.0
# Spacings come from affines written as float32: 2.0000001 is not thicker than 2.
_SLACK = 1e-4

Factors = tuple[float, float, float]


@dataclass(frozen=True)
class Level:
    """One resolution level of one volume.

    Attributes:
        geometry: the level's grid. Its first outer corner is that of the volume's own grid.
        in_plane: s_inp, millimetres; the geometric mean where the two in-plane axes differ.
        between: s_sep, millimetres.
        flat_axis: the slice axis where ω > 2 (2D convolution), else ``None`` (3D).
        factors: by how much the step to the next level multiplies the spacing of each array axis.
    """

    geometry: Geometry
    in_plane: float
    between: float
    flat_axis: int | None
    factors: Factors

    @property
    def omega(self) -> float:
        """ω = s_sep / s_inp."""
        return self.between / self.in_plane


@dataclass(frozen=True)
class SpacingPlan:
    """The levels of one volume, finest first."""

    levels: tuple[Level, ...]

    @classmethod
    def of(cls, geometry: Geometry, levels: int) -> SpacingPlan:
        """Plan the levels of a network for one volume, once.

        Args:
            geometry: the volume's grid; its ``slice_axis`` and spacing decide.
            levels: resolution levels of the network, at least one.

        Raises:
            ConfigError: fewer than one level.
        """
        if levels < 1:
            raise ConfigError("A network has at least one resolution level.", got=levels)
        made = [_level(geometry, geometry.slice_axis)]
        while len(made) < levels:
            last = made[-1]
            spacing = [s * f for s, f in zip(last.geometry.spacing, last.factors, strict=True)]
            made.append(_level(last.geometry.with_spacing(spacing), geometry.slice_axis))
        return cls(tuple(made))


def _level(geometry: Geometry, slice_axis: int) -> Level:
    spacing = geometry.spacing
    in_plane = math.sqrt(math.prod(s for a, s in enumerate(spacing) if a != slice_axis))
    between = spacing[slice_axis]
    omega = between / in_plane
    thick = omega > THICK * (1 + _SLACK)
    factors = [2.0, 2.0, 2.0]
    factors[slice_axis] = 1.0 if thick else _clean(2 * in_plane / between)
    a, b, c = factors
    return Level(geometry, in_plane, between, slice_axis if thick else None, (a, b, c))


def _clean(factor: float) -> float:
    """A factor that a rounding error keeps from being whole, made whole."""
    whole = round(factor)
    return float(whole) if abs(factor - whole) <= _SLACK * factor else factor
