"""Planes in space → one grid (PS3.3 C.7.6.2.1.1).

DICOM's patient axes are left, posterior, superior; ours are right, anterior, superior. Column index runs
along the row's direction, so the array is ``data[column, row, slice]``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sagittal.errors import FileFormatError
from sagittal.geometry import Geometry
from sagittal.io.dicom_headers import Frame
from sagittal.io.raster import picture_geometry

#: A slice may lie this far (mm) from where an even stack puts it, or this share of the slice spacing.
UNEVEN_MM = 0.02
UNEVEN_SHARE = 0.01
#: Planes whose cosines differ by no more than this are parallel.
PARALLEL = 1e-3
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DIRECTIONS = {
    "L": (-1, 0, 0), "R": (1, 0, 0), "P": (0, -1, 0), "A": (0, 1, 0), "F": (0, 0, -1), "H": (0, 0, 1),
}  # fmt: skip


def normal_of(orientation: ArrayLike) -> NDArray[np.float64]:
    """(3,) direction across a plane, LPS: row direction × column direction."""
    cosines = np.asarray(orientation, dtype=np.float64)
    return np.cross(cosines[:3], cosines[3:])


def along_normal(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Millimetres of each frame along the first frame's normal. All must be placed."""
    normal = normal_of(frames[0].orientation or ())
    return np.array([np.dot(normal, frame.position or ()) for frame in frames])


def has_repeats(frames: Sequence[Frame]) -> bool:
    """Whether two frames lie at one place along the normal."""
    return bool((np.diff(np.sort(along_normal(frames))) < UNEVEN_MM).any())


def ordered(frames: Sequence[Frame]) -> list[Frame]:
    """Frames by their position along the normal: file names and instance numbers do not count."""
    return [frames[i] for i in np.argsort(along_normal(frames), kind="stable")]


def check_stack(frames: Sequence[Frame]) -> None:
    """Refuse planes that are not one stack.

    Raises:
        FileFormatError: naming the files: unlike sizes, orientations or spacings; two planes at one
            place; a missing slice; uneven slices; a stack that is not straight.
    """
    first = frames[0]
    for frame in frames:
        _check_alike(first, frame)
    if len(frames) == 1:
        return
    depth = along_normal(frames)
    gaps = np.diff(depth)
    twice = np.flatnonzero(gaps < UNEVEN_MM)
    if twice.size:
        a, b = frames[twice[0]], frames[twice[0] + 1]
        raise FileFormatError(
            "Two slices of the series lie at one place.",
            got=f"{_name(a)} and {_name(b)} at {depth[twice[0]]:.2f} mm",
            remedy="take the copy out, or give one volume of the series (one time point, echo or b-value)",
        )
    _check_even(frames, gaps)
    points = np.array([frame.position for frame in frames])
    step = (points[-1] - points[0]) / (len(frames) - 1)
    off = np.linalg.norm(points - (points[0] + np.arange(len(frames))[:, None] * step), axis=1)
    worst = int(off.argmax())
    if off[worst] > _tolerance(float(np.linalg.norm(step))) * 2:
        raise FileFormatError(
            "The slices of the series do not lie on a straight line.",
            got=f"{_name(frames[worst])} is {off[worst]:.2f} mm off",
            remedy="the series mixes two scans: give one of them",
        )


def _check_even(frames: Sequence[Frame], gaps: NDArray[np.float64]) -> None:
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > _tolerance(usual))
    if not odd.size:
        return
    at = int(odd[0])
    between = f"{_name(frames[at])} and {_name(frames[at + 1])}"
    # A gap of a whole number of slices is a lost slice; anything else is an uneven stack.
    count = round(gaps[at] / usual)
    if count >= 2 and abs(gaps[at] - count * usual) <= _tolerance(usual) * count:
        raise FileFormatError(
            "Slices of the series are missing.",
            expected=f"a slice every {usual:.3g} mm",
            got=f"{gaps[at]:.3g} mm between {between}: {count - 1} missing",
            remedy="fetch the whole series",
        )
    raise FileFormatError(
        "The slices of the series are unevenly spaced.",
        expected=f"{usual:.4g} mm, within {_tolerance(usual):.2g}",
        got=f"{gaps[at]:.4g} mm between {between}",
        remedy="resample it to an even spacing with a tool that knows the scan, and give NIfTI",
    )


def _tolerance(spacing: float) -> float:
    return max(UNEVEN_MM, UNEVEN_SHARE * spacing)


def _check_alike(first: Frame, other: Frame) -> None:
    same_size = (first.rows, first.columns, first.samples) == (other.rows, other.columns, other.samples)
    pairs = [(first.orientation, other.orientation, PARALLEL), (first.spacing, other.spacing, 1e-4)]
    alike = same_size and all(
        (a is None) == (b is None) and (a is None or np.allclose(a, b or (), atol=tolerance))
        for a, b, tolerance in pairs
    )
    if not alike or other.position is None or first.position is None:
        raise FileFormatError(
            "The slices of a series must have one size, orientation and pixel spacing, and a position.",
            expected=f"{_name(first)}: {_describe(first)}",
            got=f"{_name(other)}: {_describe(other)}",
            remedy="give one series",
        )


def _describe(frame: Frame) -> str:
    return (
        f"{frame.columns}×{frame.rows}×{frame.samples}, orientation {frame.orientation}, "
        f"spacing {frame.spacing}, position {frame.position}"
    )


def _name(frame: Frame) -> str:
    return frame.path.name if frame.index == 0 else f"{frame.path.name} frame {frame.index + 1}"


def stack_geometry(frames: Sequence[Frame]) -> Geometry:
    """The grid of an ordered, checked stack. A tilted gantry gives a sheared grid, which is what it is.

    One slice alone is as thick as SliceThickness says, else 1 mm.
    """
    first = frames[0]
    between_rows, between_columns = first.spacing or (1.0, 1.0)
    orientation = np.array(first.orientation)
    lps = np.eye(4)
    lps[:3, 0] = orientation[:3] * between_columns
    lps[:3, 1] = orientation[3:] * between_rows
    lps[:3, 3] = first.position or ()
    if len(frames) == 1:
        lps[:3, 2] = normal_of(orientation) * (first.thickness or 1.0)
    else:
        lps[:3, 2] = np.subtract(frames[-1].position or (), first.position or ()) / (len(frames) - 1)
    shape = (first.columns, first.rows, len(frames))
    return Geometry(shape, _LPS_TO_RAS @ lps, first.spacing is not None, slice_axis=2)


def film_geometry(frame: Frame, patient_orientation: Sequence[str]) -> Geometry:
    """The grid of a film: its stated orientation where it has one, else as a frontal film is viewed."""
    if frame.spacing is None:
        grid = picture_geometry(frame.columns, frame.rows)
    else:
        grid = picture_geometry(frame.columns, frame.rows, (frame.spacing[1], frame.spacing[0]))
    letters = [code[:1].upper() for code in patient_orientation]
    if len(letters) != 2 or any(letter not in _DIRECTIONS for letter in letters):
        return grid
    row, column = (np.array(_DIRECTIONS[letter], dtype=np.float64) for letter in letters)
    if row @ column != 0:
        return grid
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * grid.spacing[0], column * grid.spacing[1]
    affine[:3, 2] = np.cross(row, column)
    return Geometry(grid.shape, affine, grid.spacing_known, slice_axis=2)
