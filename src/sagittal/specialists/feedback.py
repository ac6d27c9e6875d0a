"""What a language model is told of a specialist's result: one wording, for training data and at run time.

A mask is named by its labels, each with its colour in the overlay and what was measured on it; classes are
yes or no at the specialist's own operating points (VILA-M3 §3.2, supplement 6.2). What is not there is not
named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sagittal.agent.values import rounded, with_unit
from sagittal.draw.overlay import COLOUR_NAMES, busiest_point, planes_of
from sagittal.specialists.protocol import Fault, Segmented, SpecialistError
from sagittal.study import Mask

#: Of each fault, what the language model is told; the user is told all of it.
_FAULTS: Mapping[Fault, str] = {
    "missing": "it is not installed",
    "disabled": "it is not enabled",
    "unknown": "it has no such argument",
    "unsuitable": "it does not suit these images",
    "refused": "it refused these images",
    "failed": "it failed",
    "hung": "it took too long",
    "memory": "there is too little memory for it",
    "wrong": "what it gave cannot be used",
    "nothing": "it gave nothing",
}


@dataclass(frozen=True)
class Region:
    """What is told of one label of a mask.

    Attributes:
        label: its name.
        colour: in the overlay.
        facts: what was measured on it, each as it is written: ``43.9 mL``, ``left``.
    """

    label: str
    colour: str
    facts: tuple[str, ...] = ()


def colour_name(value: int) -> str:
    """The fixed colour of a label value (1, 2, …), by name."""
    return COLOUR_NAMES[(value - 1) % len(COLOUR_NAMES)]


def shown_slice(mask: Mask, plane: str = "axial") -> tuple[str, int]:
    """The slice that is shown of a mask: the one with most of it, counted from the left, back or foot."""
    planes = planes_of(mask.geometry)
    chosen = plane if plane in planes else planes[0]
    return chosen, busiest_point(mask)[chosen]


def masks_text(
    name: str, argument: str, regions: Sequence[Region], shown: str, whole: Sequence[str] = ()
) -> str:
    """Feedback of a segmentation.

    Args:
        name, argument: of the call.
        regions: labels that are present, in the order of their values.
        shown: which slice the overlay shows; empty for a picture.
        whole: what was measured on all of them together.
    """
    if not regions:
        return f"{name}({argument}): nothing was found."
    where = f" on {shown}" if shown else ""
    told = "; ".join((*(", ".join((f"{r.label} in {r.colour}", *r.facts)) for r in regions), *whole))
    return f"{name}({argument}){where}: {told}."


def classes_text(name: str, argument: str, positive: Mapping[str, bool]) -> str:
    """Feedback of a classification: a line for each class."""
    lines = [f"{label}: {'yes' if there else 'no'}" for label, there in positive.items()]
    return "\n".join([f"{name}({argument}):", *lines])


def fault_text(error: SpecialistError) -> str:
    """Feedback where there is no result."""
    return f"{error.name}: no result, {_FAULTS[error.fault]}."


def regions_of(result: Segmented) -> list[Region]:
    """Labels that are present, with their volumes; of a picture, with their share of it."""
    geometry = result.mask.geometry
    counts = np.bincount(result.mask.data.ravel().astype(np.int64))
    regions = []
    for value in result.mask.values():
        voxels = int(counts[value])
        if geometry.spacing_known and not geometry.is_2d:
            size = with_unit(rounded(voxels * geometry.voxel_volume / 1000), "mL")
        else:
            size = with_unit(rounded(100 * voxels / counts.sum()), "%") + " of the picture"
        regions.append(Region(result.mask.labels[value], colour_name(value), (size,)))
    return regions
