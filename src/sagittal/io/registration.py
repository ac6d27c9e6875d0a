"""Rigid and affine registration of volumes, by mutual information (extra ``registration``: SimpleITK).

The result is a matrix between worlds. Applying it moves an image's grid and touches no voxel; whoever
needs another grid resamples afterwards, once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import ConfigError, GeometryError, InputError, MissingExtraError
from sagittal.geometry import Geometry
from sagittal.study import Image, Mask

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813 (its own documentation's name for it)

Kind = Literal["rigid", "affine"]
OnGrid = TypeVar("OnGrid", Image, Mask)
#: Working grids, coarse first: spacing and smoothing (standard deviation) in mm.
LEVELS_MM = ((6.0, 4.0), (2.5, 0.0))
_BINS = 64
_SAMPLED = 0.2
# Where mutual information is looked at: the fixed image's foreground (Otsu) and this far (mm) around it.
_MARGIN_MM = 12.0
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Registration:
    """A transform from one image's world to another's, and how it was found.

    Attributes:
        matrix: (4, 4), RAS mm of the moving image → RAS mm of the fixed image.
        kind: ``rigid`` or ``affine``.
        moving, fixed: names of the images.
        metric: Mattes mutual information at the end; larger is better.
        iterations: optimiser steps, all levels together.
        stopped: why the last level stopped, in the optimiser's words.
        seed: seed of the sampling.
        software: name and version of what found it.
    """

    matrix: NDArray[np.float64]
    kind: Kind
    moving: str
    fixed: str
    metric: float
    iterations: int
    stopped: str
    seed: int
    software: str

    def apply(self, moving: OnGrid) -> OnGrid:
        """The same voxels in the fixed image's world; nothing is resampled."""
        old = moving.geometry
        geometry = Geometry(old.shape, self.matrix @ old.affine, old.spacing_known, old.slice_axis)
        return replace(moving, geometry=geometry)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {
            "kind": self.kind,
            "matrix": self.matrix.tolist(),
            "moving": self.moving,
            "fixed": self.fixed,
            "metric": self.metric,
            "iterations": self.iterations,
            "stopped": self.stopped,
            "seed": self.seed,
            "software": self.software,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Registration:
        """Inverse of :meth:`to_json`."""
        return cls(**{**value, "matrix": np.array(value["matrix"], dtype=np.float64)})


def register(moving: Image, fixed: Image, *, kind: Kind = "rigid", seed: int = 0) -> Registration:
    """Find where ``moving`` lies in the world of ``fixed``.

    Both are brought onto working grids (:data:`LEVELS_MM`), aligned by their centres of intensity, then
    by Mattes mutual information, which needs no like contrast, maximised by Powell's method: on heads,
    which are nearly round, gradient descent stops some degrees short. One thread and a seed: the same
    images give the same matrix.

    Args:
        moving, fixed: volumes of one head or body with known spacing.
        kind: ``rigid`` (six parameters) or ``affine`` (twelve, after a rigid pass).

    Raises:
        MissingExtraError: SimpleITK is not installed.
        GeometryError: a picture, a sheared grid, or images that do not overlap.
        SpacingUnknownError: an image without pixel spacing.
        InputError: an image without contrast, or with colours.
    """
    if kind not in ("rigid", "affine"):
        raise ConfigError("The kind of registration is not known.", expected="rigid or affine", got=kind)
    for image in (moving, fixed):
        _check(image)
    try:
        import SimpleITK as sitk  # noqa: N813
    except ImportError as error:
        raise MissingExtraError("Registration", "registration") from error

    centred = sitk.CenteredTransformInitializer(
        _working(fixed, *LEVELS_MM[0]),
        _working(moving, *LEVELS_MM[0]),
        sitk.Euler3DTransform(),
        sitk.CenteredTransformInitializerFilter.MOMENTS,
    )
    transform: sitk.Transform = sitk.Euler3DTransform(centred)
    metric, steps, stopped = 0.0, 0, ""
    for level in LEVELS_MM:
        pair = _working(fixed, *level), _working(moving, *level)
        transform, metric, taken, stopped = _optimise(*pair, transform, seed)
        steps += taken
    if kind == "affine":
        transform, metric, taken, stopped = _optimise(*pair, _as_affine(transform), seed)
        steps += taken
    # ITK's transforms take fixed points to moving ones, in LPS.
    matrix = np.linalg.inv(_FLIP @ _matrix(transform) @ _FLIP).astype(np.float64)
    software = f"SimpleITK {sitk.Version.VersionString()}"
    return Registration(matrix, kind, moving.name, fixed.name, -metric, steps, stopped, seed, software)


def _check(image: Image) -> None:
    image.geometry.require_spacing("A registration")
    if image.geometry.is_2d or min(image.shape) < 4:
        raise GeometryError("Only volumes are registered.", got=image.geometry.describe())
    columns = image.geometry.affine[:3, :3] / image.geometry.spacing
    if np.abs(columns.T @ columns - np.eye(3)).max() > 1e-3:
        raise GeometryError(
            "A sheared grid is not registered.",
            got=f"{image.name}: {image.geometry.describe()}",
            remedy="resample it onto a grid with right angles first",
        )
    if image.channels != 1 or image.data.min() == image.data.max():
        raise InputError("Registration needs a grey image with some contrast.", got=image.name)


def _working(image: Image, spacing: float, smoothing: float) -> sitk.Image:
    """``image`` with voxels of at least ``spacing`` mm, smoothed, as SimpleITK has it."""
    import SimpleITK as sitk  # noqa: N813

    image = image.reorient()
    grid = image.geometry.with_spacing([max(step, spacing) for step in image.geometry.spacing])
    small = image.resample_to(grid)
    out = sitk.GetImageFromArray(np.ascontiguousarray(small.data.T, dtype=np.float32))
    lps = _FLIP @ grid.affine
    out.SetSpacing(grid.spacing)
    out.SetOrigin(lps[:3, 3].tolist())
    out.SetDirection((lps[:3, :3] / grid.spacing).ravel().tolist())
    return sitk.SmoothingRecursiveGaussian(out, smoothing) if smoothing else out


def _foreground(image: sitk.Image) -> sitk.Image:
    import SimpleITK as sitk  # noqa: N813

    radius = [max(1, round(_MARGIN_MM / step)) for step in image.GetSpacing()]
    return sitk.BinaryDilate(sitk.OtsuThreshold(image, 0, 1), radius)


def _optimise(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform, seed: int
) -> tuple[sitk.Transform, float, int, str]:
    import SimpleITK as sitk  # noqa: N813

    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(_SAMPLED, seed + 1)  # ITK takes 0 for "by the clock"
    method.SetInterpolator(sitk.sitkLinear)
    method.SetMetricFixedMask(_foreground(fixed))
    method.SetOptimizerAsPowell(
        numberOfIterations=30,
        maximumLineIterations=100,
        stepLength=1.0,
        stepTolerance=1e-3,
        valueTolerance=1e-7,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        raise GeometryError(
            "The images could not be registered: they hardly overlap, or share no structure.",
            got=str(error).strip().splitlines()[-1],
            remedy="check that they show the same part of the same person",
        ) from error
    return (
        start,
        float(method.GetMetricValue()),
        int(method.GetOptimizerIteration()),
        method.GetOptimizerStopConditionDescription(),
    )


def _as_affine(rigid: sitk.Transform) -> sitk.Transform:
    import SimpleITK as sitk  # noqa: N813

    euler = sitk.Euler3DTransform(rigid)
    affine = sitk.AffineTransform(3)
    # The centre stays: turned about a far origin, the parameters would pull against each other.
    affine.SetCenter(euler.GetCenter())
    affine.SetMatrix(euler.GetMatrix())
    affine.SetTranslation(euler.GetTranslation())
    return affine


def _matrix(transform: sitk.Transform) -> NDArray[np.float64]:
    """(4, 4) of a linear transform, read off at the origin and the unit points."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    out = np.eye(4)
    out[:3, 3] = origin
    for axis, unit in enumerate(np.eye(3)):
        out[:3, axis] = np.array(transform.TransformPoint(unit.tolist())) - origin
    return out
