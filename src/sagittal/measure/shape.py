"""Shape of components and of the label as a whole (mpLLM, appendix A).

With V the volume, A the marching-cubes area and λ₁ ≥ λ₂ ≥ λ₃ the eigenvalues of the covariance of
voxel coordinates in mm:

    sphericity Φ = π^⅓ (6V)^⅔ / A      compactness C = A / V  [1/mm]      solidity S = V / V_hull
    elongation E = √(λ₁ / λ₂)          flatness F = √(λ₃ / λ₂)

V counts voxels while A is a mesh's, so Φ of a ball of 15 voxels' radius is about 0.92, and a
component of a few voxels can exceed 1: that is the published formula.

The appendix leaves the hull's points open. We take the voxels' *corners*: V counts whole voxels, so
this is the hull of the same body, a convex solid has S ≤ 1, and no component is degenerate. (Over
voxel centres a single line or plane has no hull, and a box of n voxels has S > 1.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.measure.components import Components
from sagittal.measure.hull import hull_volumes
from sagittal.measure.surface import surface_areas

METRICS = ("sphericity", "compactness", "elongation", "flatness", "solidity")
_ONE_VOXEL = "the component is a single voxel"
_ONE_LINE = "all voxels of the component lie on one line"


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shape of several components; a row each. NaN stands for undefined inside this class only.

    Attributes:
        index: (M,) which components.
        surface_mm2: (M,) marching-cubes area.
        eigenvalues: (M, 3) of the covariance in mm², largest first; exactly 0 where voxels lie in
            one plane, on one line or on one point.
        values: metric → (M,) values.
        rank: (M,) 0 one voxel, 1 a line, 2 a plane, 3 a body.
    """

    index: NDArray[np.intp]
    surface_mm2: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]]
    rank: NDArray[np.int64]

    def value(self, row: int, metric: str) -> tuple[float | None, str | None]:
        """One metric of one component, or ``None`` and the reason why it has none."""
        found = float(self.values[metric][row])
        if not np.isnan(found):
            return found, None
        return None, _ONE_VOXEL if self.rank[row] == 0 else _ONE_LINE


@dataclass(frozen=True)
class LabelShape:
    """Shape of a label: of its core, or the mean over its components.

    Attributes:
        values: metric → value, ``None`` where undefined.
        undefined: metric → why it is ``None``.
        notes: metric → which components the mean left out, and why.
        from_core: whether the values are the core's.
    """

    values: Mapping[str, float | None]
    undefined: Mapping[str, str]
    notes: Mapping[str, str]
    from_core: bool


def component_shapes(
    components: Components,
    only: Sequence[int] | None = None,
    *,
    areas: NDArray[np.float64] | None = None,
) -> Shapes:
    """Shape metrics of a label's components.

    Args:
        components: the label, split.
        only: indices of the components wanted; all when ``None``.
        areas: (N,) from :func:`~sagittal.measure.surface.surface_areas`, when at hand.

    Raises:
        SpacingUnknownError: the grid has no spacing.
    """
    index = np.arange(len(components)) if only is None else np.asarray(only, dtype=np.intp)
    area = (surface_areas(components) if areas is None else areas)[index]
    volume = components.volumes_mm3[index]
    eigenvalues, rank = principal_variances(components, index)
    one, two, three = eigenvalues.T
    # λ₂ = 0 leaves both ratios undefined; a plane (λ₃ = 0) is simply flat.
    safe = np.where(two > 0, two, np.nan)
    values = {
        "sphericity": np.cbrt(np.pi) * np.cbrt(6 * volume) ** 2 / area,
        "compactness": area / volume,
        "elongation": np.sqrt(one / safe),
        "flatness": np.sqrt(three / safe),
        "solidity": components.voxels[index] / hull_volumes(components, index),
    }
    return Shapes(index, area, eigenvalues, values, rank)


def principal_variances(
    components: Components, only: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(M, 3) eigenvalues of Σ = (1/n) Σⱼ (xⱼ − x̄)(xⱼ − x̄)ᵀ in mm², largest first, and (M,) ranks.

    The scatter of voxel indices is computed in whole numbers, so its rank is exact.
    """
    rank = np.zeros(only.size, dtype=np.int64)
    covariance = np.zeros((only.size, 3, 3))
    matrix = components.geometry.affine[:3, :3]
    for row, index in enumerate(only):
        scatter = _whole_scatter(components, int(index))
        rank[row] = _whole_rank(scatter)
        n = int(components.voxels[index])
        covariance[row] = matrix @ np.array([[s / n**2 for s in line] for line in scatter]) @ matrix.T
    eigenvalues = np.linalg.eigvalsh(covariance)[:, ::-1].astype(np.float64)
    # Round-off must not give a line some width.
    eigenvalues[np.arange(3) >= rank[:, None]] = 0.0
    return eigenvalues, rank


def _whole_scatter(components: Components, index: int) -> list[list[int]]:
    """n² times the covariance of voxel indices: n Σ xxᵀ − (Σx)(Σx)ᵀ, exactly."""
    n = int(components.voxels[index])
    x, y, z = (int(v) for v in components.first[index])
    xx, xy, xz, yy, yz, zz = (int(v) for v in components.second[index])
    return [
        [n * xx - x * x, n * xy - x * y, n * xz - x * z],
        [n * xy - x * y, n * yy - y * y, n * yz - y * z],
        [n * xz - x * z, n * yz - y * z, n * zz - z * z],
    ]


def _whole_rank(m: list[list[int]]) -> int:
    """Rank of a positive semidefinite matrix of whole numbers, from its principal minors."""
    (a, d, e), (_, b, f), (_, _, c) = m
    if a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e) != 0:
        return 3
    if (a * b - d * d) + (a * c - e * e) + (b * c - f * f) != 0:
        return 2
    return int(a + b + c != 0)


def counts_by_core(components: Components, core_share: float) -> bool:
    """Whether the core alone stands for the label: N_c = 1 or f_core ≥ ``core_share``."""
    return len(components) == 1 or components.core_share >= core_share


def aggregate(shapes: Shapes, components: Components, *, core_share: float = 0.7) -> LabelShape:
    """One value per metric for the label (appendix A, "Metric aggregation").

    The core's where N_c = 1 or f_core ≥ ``core_share``, else the plain mean over components. A
    component without a value (one voxel or one line has no elongation) does not enter that mean;
    ``notes`` says how many were left out. With none left the metric is undefined.

    Args:
        shapes: of the core at least, or of all components where the mean is due.
        components: the label, split.
        core_share: least share of the core for it to stand for the label.
    """
    from_core = counts_by_core(components, core_share)
    rows = np.flatnonzero(shapes.index == components.core) if from_core else np.arange(shapes.index.size)
    if not from_core and rows.size != len(components):
        raise AssertionError("the mean over components needs the shape of every component")
    values: dict[str, float | None] = {}
    undefined: dict[str, str] = {}
    notes: dict[str, str] = {}
    for metric in METRICS:
        found = shapes.values[metric][rows]
        missing = int(np.isnan(found).sum())
        values[metric] = float(np.nanmean(found)) if missing < found.size else None
        if values[metric] is None:
            undefined[metric] = shapes.value(int(rows[0]), metric)[1] or ""
            if found.size > 1:
                undefined[metric] = "every component is a single voxel or a single line of voxels"
        elif missing:
            notes[metric] = (
                f"mean over {found.size - missing} of {found.size} components; the others are single "
                f"voxels or single lines of voxels"
            )
    return LabelShape(values, undefined, notes, from_core)
