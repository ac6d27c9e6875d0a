"""Predictions to be looked at: masks as drawn and as marked, and regions with what was said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagittal.evaluation.medplib.answers import Given
from sagittal.evaluation.medplib.asked import grounding_questions, region_questions
from sagittal.evaluation.medplib.shipped import Asked
from sagittal.files import atomic_path
from sagittal.train.picture_bank import MarkedPicture

#: Pictures of each of the two rows.
_COLUMNS = 8


def draw_gallery(asked: Asked, path: Path) -> None:
    """A row of masks that were asked for, one of regions that were pointed at, of some pictures."""
    from matplotlib.figure import Figure

    count = len(asked.pictures)
    chosen = sorted(np.random.default_rng(0).permutation(count)[:_COLUMNS].tolist())
    masks = [one for one in grounding_questions(asked.pictures) if not one.absent]
    regions = region_questions(asked.pictures)
    first = [next((one for one in own if one.picture == n), None) for own in (masks, regions) for n in chosen]
    given = iter(asked.put([one for one in first if one is not None], 80))
    figure = Figure(figsize=(2.1 * len(chosen), 5.2), layout="constrained")
    panels = figure.subplots(2, len(chosen), squeeze=False).ravel()
    for axes, question in zip(panels, first, strict=True):
        axes.set_axis_off()
        if question is not None:
            _panel(axes, next(given), asked.pictures[question.picture])
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def _panel(axes: object, given: Given, picture: MarkedPicture) -> None:
    draw = axes
    pixels = picture.pixels.T if picture.pixels.ndim == 2 else picture.pixels.transpose(1, 0, 2)
    spacing = picture.facts.spacing or (1.0, 1.0)
    draw.imshow(pixels, cmap="gray", aspect=spacing[1] / spacing[0])  # type: ignore[attr-defined]
    question = given.question
    if question.region is not None:
        _outline(axes, question.region, "#ffd400")
        wanted = question.asked[0]
        words = f"{question.pointed}: {given.text[:28]}"
        right = given.text == wanted
        draw.set_title(  # type: ignore[attr-defined]
            words if right else f"{words}\n({wanted})", fontsize=7, color="black" if right else "#b00000"
        )
        return
    for number, name in enumerate(question.masks):
        _outline(axes, picture.of_class(name), "#00c000")
        if number < len(given.masks) and given.masks[number].any():
            own = np.ma.masked_equal(given.masks[number].T, 0)
            draw.imshow(own, cmap="autumn", alpha=0.45, aspect=spacing[1] / spacing[0])  # type: ignore[attr-defined]
    draw.set_title("\n".join(question.masks)[:60], fontsize=7)  # type: ignore[attr-defined]


def _outline(axes: object, plane: np.ndarray, colour: str) -> None:
    axes.contour(plane.T.astype(float), [0.5], colors=[colour], linewidths=0.8)  # type: ignore[attr-defined]
