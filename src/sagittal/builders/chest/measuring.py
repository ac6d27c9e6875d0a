"""Masks of a film → ratios, areas and boxes, or a reason why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sagittal.builders.chest.facts import Thousandths
from sagittal.errors import FileFormatError
from sagittal.io.films.statement import FilmMasks, Projection
from sagittal.io.raster import MAX_PIXELS, picture_geometry
from sagittal.io.run_lengths import parse_runs
from sagittal.measure.chest import Outcome, measure_chest

#: Masks with a mean Dice of reverse classification accuracy of at most that are not used (IMAX A.1).
RCA = 0.7
LOW_RCA = f"masks with an RCA of {RCA} or less"
OTHER_SIZE = "masks of another size than the film's"
UNREADABLE = "masks that cannot be read"
SPECK = "a structure that is too small for a box"
LATERAL = "masks of a lateral film"
#: So far the sides' ratio of masks and film may differ: pictures are resized to whole pixels.
_ASPECT_TOLERANCE = 0.01


@dataclass
class Measured:
    """What masks tell.

    Attributes:
        ctr, cpar: ``None`` where there is none; ``left_out`` says why.
        heart: what they are of.
    """

    ctr: float | None = None
    cpar: float | None = None
    heart: Literal["heart", "cardiomediastinum"] = "heart"
    areas: dict[str, float] = field(default_factory=dict)
    boxes: dict[str, Thousandths] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def measured(
    masks: FilmMasks, rca: float | None, sizes: Sequence[tuple[int, int]], view: Projection | None
) -> Measured:
    """Measure the masks of one film.

    Masks that no chest looks like give nothing: neither are their boxes to be trusted.

    Args:
        masks: as published.
        rca: as published; ``None`` for masks that a person drew.
        sizes: of the film: its picture's, and the original's where it is stated. Masks must have the
            proportions of one; some sets give pictures that were squeezed, and masks of either.
        view: of the film; ratios are those of PA films alone.
    """
    out = Measured()
    reason = _unusable(masks, rca, sizes, view)
    if reason:
        out.left_out.append(reason)
        return out
    width, height = masks.size
    grid = picture_geometry(width, height)
    try:
        runs = {name: parse_runs(text, grid) for name, text in masks.runs.items()}
    except FileFormatError:
        out.left_out.append(UNREADABLE)
        return out
    found = measure_chest(runs, projection=view or "unknown")
    if found.outcome is not Outcome.MEASURED:
        out.left_out.append(str(found.outcome))
    if found.outcome is Outcome.IMPLAUSIBLE:
        return out
    out.heart = "heart" if found.cardiac == "heart" else "cardiomediastinum"
    for name, shape in found.found.items():
        x1, y1, x2, y2 = box = thousandths(shape.box, width, height)
        if x1 == x2 or y1 == y2:
            out.left_out.append(SPECK)
            continue
        out.boxes[name] = box
        out.areas[name] = round(shape.pixels / (width * height), 6)
    if view == "PA":
        out.ctr, out.cpar = found.ctr, found.cpar
    elif found.ctr is not None:
        out.left_out.append("ratios are those of PA films")
    return out


def thousandths(box: tuple[int, int, int, int], width: int, height: int) -> Thousandths:
    """First and last pixel of a box → its corners in thousandths of the film's sides.

    Corners lie on the edges of pixels, so that a box over the whole film is 0, 0, 1000, 1000.
    """
    x1, y1, x2, y2 = box
    return (
        round(1000 * x1 / width), round(1000 * y1 / height),
        round(1000 * (x2 + 1) / width), round(1000 * (y2 + 1) / height),
    )  # fmt: skip


def _unusable(
    masks: FilmMasks, rca: float | None, sizes: Sequence[tuple[int, int]], view: Projection | None
) -> str | None:
    width, height = masks.size
    if view == "lateral":
        return LATERAL
    if rca is not None and rca <= RCA:
        return LOW_RCA
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        return UNREADABLE
    alike = [abs(width * size[1] / (height * size[0]) - 1) <= _ASPECT_TOLERANCE for size in sizes]
    if alike and not any(alike):
        return OTHER_SIZE
    return None
