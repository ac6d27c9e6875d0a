"""Where voxels lie: the grid of an image in world space.

World space is RAS millimetres: +x towards the patient's right, +y anterior, +z superior. The affine
takes the index of a voxel's *centre* to world space, so a voxel reaches half a step to either side.
The affine decides what is left and right; the order of the array's axes never does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sagittal.errors import GeometryError, SpacingUnknownError

Triple = tuple[int, int, int]
#: World axes in order, by the name of the direction that a body part extends along.
WORLD_AXES = ("left_right", "front_back", "up_down")
#: Two grids are one grid when no corner differs by more than this many millimetres.
SAME_GRID_MM = 1e-2


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of a volume. A 2D image is a volume one voxel deep on its last axis.

    Attributes:
        shape: voxels along each array axis.
        affine: (4, 4) float64, voxel centre index → RAS millimetres. Read-only.
        spacing_known: ``False`` for a picture that does not say how large its pixels are; its world
            coordinates are then in pixels and millimetre measurements refuse.
        slice_axis: array axis across slices. Derived when not given: the axis with clearly the widest
            spacing, else the one that runs most nearly head to foot.

    Raises:
        GeometryError: a shape that is not three positive integers, or an affine that is not a
            finite, invertible (4, 4) matrix with last row ``0 0 0 1``.
    """

    shape: Triple
    affine: NDArray[np.float64]
    spacing_known: bool = True
    slice_axis: int = field(default=-1)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError("A grid needs three axes of at least one voxel.", got=shape)
        affine = np.array(self.affine, dtype=np.float64)
        _check_affine(affine)
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)
        if self.slice_axis not in (-1, 0, 1, 2):
            raise GeometryError("The slice axis is 0, 1 or 2.", got=self.slice_axis)
        if self.slice_axis == -1:
            object.__setattr__(self, "slice_axis", _slice_axis(affine))

    # -- what the grid is like ---------------------------------------------------------------

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along each array axis, in millimetres."""
        return _triple(np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)))

    @cached_property
    def voxel_volume(self) -> float:
        """Volume of one voxel in mm³ (right for sheared grids too)."""
        self.require_spacing("A volume")
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @cached_property
    def _towards(self) -> NDArray[np.float64]:
        """(3, 2) for each array axis: the world axis it runs along most nearly, and its sign."""
        from nibabel.orientations import io_orientation

        return io_orientation(self.affine)

    @cached_property
    def orientation(self) -> str:
        """Where each array axis points, nearest anatomical direction: ``RAS``, ``LPS``, …"""
        return "".join(_DIRECTIONS[int(axis)][int(sign > 0)] for axis, sign in self._towards)

    @property
    def is_2d(self) -> bool:
        """Whether the grid is one voxel deep on its last axis."""
        return self.shape[2] == 1

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """(4, 4) world → voxel index."""
        return np.asarray(np.linalg.inv(self.affine), dtype=np.float64)

    def require_spacing(self, what: str) -> None:
        """Refuse ``what`` when the size of a pixel is not known.

        Raises:
            SpacingUnknownError: naming ``what``.
        """
        if not self.spacing_known:
            raise SpacingUnknownError(
                f"{what} in millimetres needs the pixel spacing, and this image does not state it.",
                remedy="give the spacing (--spacing MM), or ask for a measurement in pixels or a ratio",
            )

    def axis_towards(self, world_axis: int) -> tuple[int, int]:
        """Array axis that runs most nearly along a world axis, and its sign.

        Args:
            world_axis: 0 left–right, 1 back–front, 2 foot–head.

        Returns:
            ``(array axis, +1 or -1)``; +1 when the index grows towards right, front or head.
        """
        for axis, (towards, sign) in enumerate(self._towards):
            if int(towards) == world_axis:
                return axis, int(sign)
        raise AssertionError("an invertible affine reaches every world axis")

    # -- coordinates -------------------------------------------------------------------------

    def to_world(self, voxels: ArrayLike) -> NDArray[np.float64]:
        """(…, 3) voxel indices → (…, 3) RAS millimetres."""
        points = np.asarray(voxels, dtype=np.float64)
        return points @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_voxel(self, world: ArrayLike) -> NDArray[np.float64]:
        """(…, 3) RAS millimetres → (…, 3) fractional voxel indices."""
        points = np.asarray(world, dtype=np.float64)
        return points @ self.inverse[:3, :3].T + self.inverse[:3, 3]

    def corners(self) -> NDArray[np.float64]:
        """(8, 3) world positions of the grid's outer corners, half a voxel beyond the centres."""
        ends = np.array([(-0.5, n - 0.5) for n in self.shape])
        index = np.array([[ends[a, (c >> a) & 1] for a in range(3)] for c in range(8)])
        return self.to_world(index)

    def same_grid(self, other: Geometry, tolerance_mm: float = SAME_GRID_MM) -> bool:
        """Whether both grids have the same shape and lie in the same place."""
        return self.shape == other.shape and bool(
            np.abs(self.corners() - other.corners()).max() <= tolerance_mm
        )

    def require_same_grid(self, other: Geometry, what: str) -> None:
        """Refuse ``what`` when the grids differ.

        Raises:
            GeometryError: with both grids described.
        """
        if not self.same_grid(other):
            raise GeometryError(
                f"{what} must lie on the same grid.",
                expected=self.describe(),
                got=other.describe(),
                remedy="resample one onto the other (--resample), or check that they belong together",
            )

    # -- derived grids -----------------------------------------------------------------------

    def cropped(self, start: Sequence[int], stop: Sequence[int]) -> Geometry:
        """The grid of voxels ``start`` (included) to ``stop`` (excluded); may reach outside."""
        offset = np.asarray(start, dtype=np.float64)
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world(offset)
        shape = tuple(int(b) - int(a) for a, b in zip(start, stop, strict=True))
        return Geometry(_int_triple(shape), affine, self.spacing_known, self.slice_axis)

    def with_spacing(self, spacing: Sequence[float]) -> Geometry:
        """A grid over the same box with another spacing; the outer corners stay within a voxel.

        The first corner stays exactly where it is, so a half-voxel shift never creeps in.
        """
        old = np.asarray(self.spacing)
        new = np.asarray(spacing, dtype=np.float64)
        if new.shape != (3,) or not np.all(np.isfinite(new)) or np.any(new <= 0):
            raise GeometryError("A spacing is three positive numbers of millimetres.", got=tuple(spacing))
        # The small slack keeps 239.9999 voxels from becoming 240 + 1.
        shape = np.maximum(1, np.ceil(np.asarray(self.shape) * old / new - 1e-3)).astype(int)
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * (new / old)
        affine[:3, 3] = self.to_world(np.full(3, -0.5)) + affine[:3, :3] @ np.full(3, 0.5)
        return Geometry(_int_triple(shape), affine, self.spacing_known)

    def with_shape(self, shape: Sequence[int]) -> Geometry:
        """The same box, to its outer faces, cut into another number of voxels."""
        factors = np.asarray(self.shape) / np.asarray(shape)
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * factors
        affine[:3, 3] = self.to_world((factors - 1) / 2)
        return Geometry(_int_triple(shape), affine, self.spacing_known, self.slice_axis)

    def reoriented(self, codes: str) -> tuple[Geometry, tuple[int, ...], tuple[int, ...]]:
        """The same voxels with axes permuted and flipped to point towards ``codes``.

        Returns:
            The new geometry, the order of the old axes, and the axes (of the new order) to flip.

        Raises:
            GeometryError: ``codes`` does not name three different anatomical axes.
        """
        from nibabel.orientations import axcodes2ornt, ornt_transform

        wanted = codes.upper()
        if len(wanted) != 3 or {_AXIS_OF.get(c) for c in wanted} != {0, 1, 2}:
            raise GeometryError(
                "An orientation names one of R/L, A/P and S/I each.", expected="RAS", got=codes
            )
        transform = ornt_transform(self._towards, axcodes2ornt(tuple(wanted)))
        order = [0, 0, 0]
        for old, new in enumerate(transform[:, 0].astype(int)):
            order[new] = old
        flips = tuple(new for new in range(3) if transform[order[new], 1] < 0)
        columns = self.affine[:3, :3][:, order].copy()
        first = np.zeros(3)
        for new in flips:
            first[order[new]] = self.shape[order[new]] - 1
            columns[:, new] *= -1
        affine = np.eye(4)
        affine[:3, :3] = columns
        affine[:3, 3] = self.to_world(first)
        shape = _int_triple([self.shape[a] for a in order])
        axis = order.index(self.slice_axis)
        return Geometry(shape, affine, self.spacing_known, axis), tuple(order), flips

    # -- words and JSON ----------------------------------------------------------------------

    def describe(self) -> str:
        """One line for people: shape, spacing, orientation, first voxel."""
        size = "×".join(str(n) for n in self.shape)
        unit = "mm" if self.spacing_known else "px (spacing unknown)"
        step = "×".join(f"{s:.4g}" for s in self.spacing)
        origin = ", ".join(f"{v:.2f}" for v in self.affine[:3, 3])
        return f"{size} voxels of {step} {unit}, {self.orientation}, first voxel at ({origin})"

    def to_json(self) -> dict[str, Any]:
        """All of the geometry as plain JSON values."""
        return {
            "shape": list(self.shape),
            "affine": self.affine.tolist(),
            "spacing_known": self.spacing_known,
            "slice_axis": self.slice_axis,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Geometry:
        """Inverse of :meth:`to_json`."""
        return cls(
            _int_triple(value["shape"]),
            np.array(value["affine"]),
            value["spacing_known"],
            value["slice_axis"],
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geometry):
            return NotImplemented
        return (
            self.shape == other.shape
            and self.spacing_known == other.spacing_known
            and self.slice_axis == other.slice_axis
            and bool(np.array_equal(self.affine, other.affine))
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))


_DIRECTIONS = ("LR", "PA", "IS")
_AXIS_OF = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}


def _check_affine(affine: NDArray[np.float64]) -> None:
    if affine.shape != (4, 4):
        raise GeometryError("An affine is a 4×4 matrix.", got=f"shape {affine.shape}")
    if not np.isfinite(affine).all():
        raise GeometryError("The affine holds NaN or infinity.", got=affine.tolist())
    if not np.allclose(affine[3], (0, 0, 0, 1)):
        raise GeometryError("The affine's last row must be 0 0 0 1.", got=affine[3].tolist())
    columns = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    # Compared with the product of the column lengths, so that small voxels are not called singular.
    if not columns.all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6 * columns.prod():
        raise GeometryError(
            "The affine is singular: two voxel axes point the same way, or one has no length.",
            got=affine[:3, :3].tolist(),
            remedy="write the file again with a valid sform or qform",
        )


def _slice_axis(affine: NDArray[np.float64]) -> int:
    spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    widest = int(spacing.argmax())
    if spacing[widest] > 1.2 * np.delete(spacing, widest).max():
        return widest
    return int(np.abs(affine[2, :3] / spacing).argmax())


def _triple(values: ArrayLike) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in np.asarray(values))
    return x, y, z


def _int_triple(values: ArrayLike) -> Triple:
    x, y, z = (int(v) for v in np.asarray(values))
    return x, y, z
