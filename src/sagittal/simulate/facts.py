"""The truth about a made study, measured on its label maps and its clean images.

``sessions[k]``: ``labels`` {name: {voxels, volume_ml}}, ``lesions`` (one entry a lesion: kind, side,
centroid_ras_mm, voxels and volume_ml by label, anatomy {structure: share}, signal {image: ratio and word
relative to white matter}), ``images`` (what was done to each), and what the pathology adds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sagittal.simulate.intensity import Look
from sagittal.simulate.scene import Pathology, Scene
from sagittal.simulate.tissues import structures

#: A lesion is called bright or dark when its mean differs by more than this share from white matter's.
INTENSITY_MARGIN = 0.1
#: One side is named when it holds at least this share of the lesion's voxels that have a side.
_SIDE_SHARE = 0.85


def study_facts(
    scene: Scene,
    look: Look,
    pathology: Pathology,
    labels: Tensor,
    owner: Tensor,
    clean: Tensor,
    session: str,
    images: list[dict[str, Any]],
) -> dict[str, Any]:
    """Facts of one session.

    Args:
        labels, owner: (X, Y, Z) uint8 lesion map and lesion numbers.
        clean: (C, X, Y, Z) images before any artefact.
        images: what was done to each image.
    """
    voxel_ml = scene.geometry.voxel_volume / 1000
    count = torch.bincount(labels.reshape(-1).int(), minlength=256).tolist()
    table = {
        name: {"voxels": count[value], "volume_ml": count[value] * voxel_ml}
        for value, name in pathology.labels.items()
    }
    white = scene.of_tissues("white_matter") & (labels == 0) & (scene.depth < -4)
    reference = clean[:, white].mean(dim=1) if bool(white.any()) else None
    lesions = []
    for place, entry in enumerate(pathology.facts):
        number = entry.get("number", place + 1)
        measured = _lesion(scene, look, pathology, labels, owner == number, clean, reference)
        lesions.append({**entry, "number": number, **measured})
    return {"session": session, "labels": table, "lesions": lesions, "images": images, **pathology.extra}


def _lesion(
    scene: Scene, look: Look, pathology: Pathology, labels: Tensor, mine: Tensor, clean: Tensor,
    reference: Tensor | None,
) -> dict[str, Any]:  # fmt: skip
    index = mine.nonzero()
    empty: dict[str, Any] = {
        "voxels": 0, "volume_ml": 0.0, "by_label": {}, "centroid_ras_mm": None, "side": None, "anatomy": {},
        "signal": {},
    }  # fmt: skip
    if len(index) == 0:
        return empty
    voxel_ml = scene.geometry.voxel_volume / 1000
    values = labels[mine]
    count = torch.bincount(values.int(), minlength=256).tolist()
    by_label = {name: count[v] * voxel_ml for v, name in pathology.labels.items() if count[v]}
    under = torch.bincount(scene.labels[mine].int(), minlength=len(structures().values)).cpu().numpy()
    centre = scene.geometry.to_world(index.double().mean(dim=0).cpu().numpy())
    signal = {}
    if reference is not None:
        ratios = (clean[:, mine].mean(dim=1) / reference).tolist()
        for kind, ratio in zip(look.kinds, ratios, strict=True):
            if kind != "ct":
                signal[kind] = {"ratio": ratio, "word": intensity_word(ratio)}
    return {
        "voxels": len(index),
        "volume_ml": len(index) * voxel_ml,
        "by_label": by_label,
        "centroid_ras_mm": [float(c) for c in centre],
        "side": _side(under),
        "anatomy": _shares(under),
        "signal": signal,
    }


def intensity_word(ratio: float) -> str:
    """``hyperintense``, ``hypointense`` or ``isointense``, from the ratio to white matter."""
    if ratio > 1 + INTENSITY_MARGIN:
        return "hyperintense"
    return "hypointense" if ratio < 1 - INTENSITY_MARGIN else "isointense"


def _shares(under: np.ndarray[Any, Any]) -> dict[str, float]:
    total = int(under.sum())
    return {structures().names[i]: int(under[i]) / total for i in np.flatnonzero(under)}


def _side(under: np.ndarray[Any, Any]) -> str:
    sides = structures().side
    left, right = int(under[sides < 0].sum()), int(under[sides > 0].sum())
    if left + right == 0:
        return "midline"
    share = right / (left + right)
    if share >= _SIDE_SHARE:
        return "right"
    return "left" if share <= 1 - _SIDE_SHARE else "both"
