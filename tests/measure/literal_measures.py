"""The appendix of mpLLM taken literally: per component, on the full volume; the fast path's oracle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.measure import find_contours, marching_cubes

CORNERS = np.array([[(c >> a) & 1 for a in range(3)] for c in range(8)]) - 0.5


def mesh_area(component: np.ndarray, linear: np.ndarray) -> float:
    """Area of scikit-image's mesh of one component on the full volume, in world units."""
    vertices, faces, _, _ = marching_cubes(np.pad(component, 1).astype(np.float32), 0.5)
    p, q, r = (vertices[faces[:, k]].astype(np.float64) @ linear.T for k in range(3))
    return float(np.linalg.norm(np.cross(q - p, r - p), axis=1).sum() / 2)


def component_metrics(component: np.ndarray, linear: np.ndarray) -> dict[str, float]:
    """All metrics of one component, formula by formula; NaN where a ratio is 0 ÷ 0 or x ÷ 0."""
    volume = component.sum() * abs(np.linalg.det(linear))
    area = mesh_area(component, linear)
    voxels = np.argwhere(component).astype(np.float64)
    points = voxels @ linear.T
    centred = points - points.mean(axis=0)
    covariance = centred.T @ centred / len(points)
    three, two, one = np.maximum(np.linalg.eigvalsh(covariance), 0)
    tiny = 1e-9 * max(1.0, one)
    corners = (voxels[:, None] + CORNERS[None]).reshape(-1, 3)
    return {
        "volume": volume,
        "surface": area,
        "sphericity": np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area,
        "compactness": area / volume,
        "elongation": np.sqrt(one / two) if two > tiny else np.nan,
        "flatness": (np.sqrt(three / two) if three > tiny else 0.0) if two > tiny else np.nan,
        "solidity": volume / (ConvexHull(corners @ linear.T).volume),
    }


def label_metrics(inside: np.ndarray, linear: np.ndarray) -> dict[str, object]:
    """Components, core share and aggregated metrics of a label on the full volume."""
    labelled, count = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    every = [component_metrics(labelled == i, linear) for i in range(1, count + 1)]
    sizes = ndimage.sum_labels(inside, labelled, np.arange(1, count + 1))
    core = int(np.argmax(sizes))
    share = sizes[core] / inside.sum()
    names = ("sphericity", "compactness", "elongation", "flatness", "solidity")
    if count == 1 or share >= 0.7:
        metrics = {name: every[core][name] for name in names}
    else:
        metrics = {name: float(np.nanmean([m[name] for m in every])) for name in names}
    return {
        "components": count,
        "core_share": float(share),
        "surface": sum(m["surface"] for m in every),
        "every": every,
        **metrics,
    }


def extents(inside: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """(3,) world extents over all corners of all voxels."""
    corners = (np.argwhere(inside)[:, None] + CORNERS[None]).reshape(-1, 3)
    return np.ptp(corners @ affine[:3, :3].T, axis=0)


def longest_in_plane(inside: np.ndarray, affine: np.ndarray, axis: int) -> tuple[float, int]:
    """Longest distance between two outline points of one 2D piece, over all pairs; and its first slice."""
    columns = affine[:3, :3][:, [a for a in range(3) if a != axis]]
    best = (0.0, -1)
    for s in range(inside.shape[axis]):
        flat = np.take(inside, s, axis=axis)
        labelled, count = ndimage.label(flat, structure=np.ones((3, 3)))
        for piece in range(1, count + 1):
            outline = find_contours(np.pad(labelled == piece, 1).astype(float), 0.5)
            points = np.concatenate(outline) @ columns.T
            apart = np.linalg.norm(points[:, None] - points[None], axis=2).max()
            if apart > best[0] * (1 + 1e-9):
                best = (float(apart), s)
    return best
