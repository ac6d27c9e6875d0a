"""The words around a conversation: acquisition metadata, and what reading encoded volumes says.

Training data and run time use these functions alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from sagittal.geometry import WORLD_AXES, Geometry
from sagittal.nn.spacing import SpacingPlan
from sagittal.study import Image

_PLANES = {"left_right": "sagittal", "front_back": "coronal", "up_down": "axial"}


def acquisition_words(volumes: Mapping[str, Image]) -> dict[str, str]:
    """Acquisition metadata of each volume, as the agent reads it (§3, the first state).

    Args:
        volumes: variable → image.

    Returns:
        Variable → one line, such as ``flair = flair, session 2 of 2, 2021-03-04, 1×1×5 mm, axial slices``.
    """
    visits = _visits(volumes)
    lines = {}
    for name, image in volumes.items():
        parts = [f"{name} = {image.kind}", f"session {visits.index(_visit(image)) + 1} of {len(visits)}"]
        if image.acquired is not None:
            parts.append(image.acquired.isoformat())
        lines[name] = ", ".join([*parts, _grid_words(image.geometry)])
    return lines


def _visit(image: Image) -> tuple[str, str]:
    return (image.acquired.isoformat() if image.acquired else "", image.session)


def _visits(volumes: Mapping[str, Image]) -> list[tuple[str, str]]:
    """Visits in time order; by identifier where a date is missing, as :attr:`Study.sessions` has it."""
    found = {_visit(image) for image in volumes.values()}
    dated = all(date for date, _ in found)
    return sorted(found, key=lambda visit: visit if dated else visit[1])


def _grid_words(geometry: Geometry) -> str:
    if not geometry.spacing_known:
        return "spacing unknown"
    steps = [f"{round(s, 1):g}" for s in _slices_last(geometry)]
    across = next(a for a in range(3) if geometry.axis_towards(a)[0] == geometry.slice_axis)
    thick = SpacingPlan.of(geometry, 1).levels[0].flat_axis is not None
    slices = f"{_PLANES[WORLD_AXES[across]]} slices" if thick else "3D"
    return f"{'×'.join(steps)} mm, {slices}"


def _slices_last(geometry: Geometry) -> list[float]:
    """Spacing with the slice axis last: the order of the array's axes says nothing."""
    in_plane = sorted(s for axis, s in enumerate(geometry.spacing) if axis != geometry.slice_axis)
    return [*in_plane, geometry.spacing[geometry.slice_axis]]


def encoded_words(volumes: int) -> str:
    """What ``read`` of encoded volumes says in words, beside their vectors.

    Args:
        volumes: how many were encoded together.
    """
    return f"{volumes} encoded image{'s' if volumes > 1 else ''}"
