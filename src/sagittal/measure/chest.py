"""Size of the heart against the lungs on a frontal chest film (IMAX, appendix A.1).

    CTR = cardiac width ÷ thoracic width        CPAR = cardiac area ÷ area of both lungs

- *Cardiac width*: the horizontal distance between the extremes of the heart's shadow, the largest right edge
  less the smallest left edge over all rows.
- *Thoracic width* is defined between the inner sides of the ribs at the level of the hemidiaphragms. Masks of
  lungs show no ribs, so the **widest lung extent** stands for it and is called that: the largest distance,
  along one row that has both lungs, between their outer edges.
- Both ratios are free of the pixels' size, unequal sides included, and are defined on posterior–anterior (PA)
  films. An anterior–posterior (AP) film magnifies the heart: it is measured with a warning. A lateral one is
  not measured.
- A mask of the *cardiomediastinum* is not one of the heart; what is measured on it is called
  cardiomediastinal.

A film that cannot be measured has one of the three error markings of CXR-Cardiomegaly, as the appendix words
them (one lung alone counts as lungs not located), or one of two of our own: masks that no chest looks like,
and lateral films. What there is of widths, areas and boxes is told even so; of a lateral film, boxes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from sagittal.answer import Box, Line, Measurement
from sagittal.errors import ConfigError, LabelError
from sagittal.io.run_lengths import Runs
from sagittal.measure.chest_widths import Width, extreme_width, widest_lung_extent
from sagittal.measure.silhouette import Silhouette, silhouette_of

Projection = Literal["PA", "AP", "lateral", "unknown"]
#: What may stand for the heart → the word for its width and area, CTR's name, CPAR's name.
CARDIAC: Mapping[str, tuple[str, str, str]] = {
    "heart": ("cardiac", "cardiothoracic_ratio", "cardiopulmonary_area_ratio"),
    "cardiomediastinum": (
        "cardiomediastinal", "cardiomediastinal_thoracic_ratio", "cardiomediastinal_pulmonary_area_ratio"
    ),
}  # fmt: skip
#: The patient's left and right.
LUNGS = ("left lung", "right lung")
#: Names of the structures that are measured.
STRUCTURES = (*CARDIAC, *LUNGS)


class Outcome(StrEnum):
    """Whether a film's ratios could be measured, and what kept them from it."""

    MEASURED = "measured"
    NO_HEART = "unable to locate heart"
    NO_LUNGS = "unable to locate lungs"
    NEITHER = "unable to locate either"
    IMPLAUSIBLE = "implausible masks"
    NOT_FRONTAL = "not a frontal film"


@dataclass(frozen=True, eq=False)
class ChestMeasures:
    """What was measured on one film.

    Attributes:
        outcome, reason: whether there are ratios, and why not; ``reason`` is ``None`` where there are.
        cardiac: which of :data:`CARDIAC` was measured.
        found: name → what it covers, for each structure that has a pixel.
        ctr, cpar: the ratios; ``None`` without an outcome of ``MEASURED``.
        cardiac_width: ``None`` where the heart was not located, or the film is not frontal.
        widest_lung_extent: stands for the thoracic width; ``None`` where no row has both lungs, or the film
            is not frontal.
        warnings: what the reader must know.
    """

    outcome: Outcome
    reason: str | None
    cardiac: str
    found: Mapping[str, Silhouette]
    ctr: float | None = None
    cpar: float | None = None
    cardiac_width: Width | None = None
    widest_lung_extent: Width | None = None
    warnings: tuple[str, ...] = ()

    def boxes(self, image: str) -> tuple[Box, ...]:
        """The bounding box of each structure that was found: its first and last pixel."""
        return tuple(shape.answer_box(name, image) for name, shape in self.found.items())

    def lines(self, image: str) -> tuple[Line, ...]:
        """What the widths are measured along."""
        return tuple(width.line(name, image) for name, _, _, width in self._widths() if width)

    def measurements(self) -> list[Measurement]:
        """Ratios, widths and areas: in pixels and, where the film states their size, in millimetres, too."""
        word, ctr, cpar = CARDIAC[self.cardiac]
        how = f"{word} width ÷ widest lung extent, which stands for the thoracic width"
        out = [
            Measurement(ctr, self.ctr, "", self.cardiac, how, undefined=self.reason),
            Measurement(
                cpar, self.cpar, "", self.cardiac, f"{word} area ÷ area of both lungs", undefined=self.reason
            ),
        ]
        for name, of, method, width in self._widths():
            out.append(self._in_pixels(name, of, method, width))
            if width and width.geometry.spacing_known:
                out.append(Measurement(name, width.mm, "mm", of, method))
        for of in (self.cardiac, *LUNGS):
            shape = None if self.outcome is Outcome.NOT_FRONTAL else self.found.get(of)
            out.append(self._in_pixels("area", of, "pixels of the mask", shape))
            if shape and shape.geometry.spacing_known:
                out.append(Measurement("area", shape.area_mm2, "mm²", of, "pixels × area of a pixel"))
        return out

    def _widths(self) -> tuple[tuple[str, str, str, Width | None], ...]:
        """Name, what of, how, and the width."""
        extremes = "largest right edge − smallest left edge, over all rows"
        along = "largest distance along one row between the outer edges of both lungs"
        return (
            (f"{CARDIAC[self.cardiac][0]}_width", self.cardiac, extremes, self.cardiac_width),
            ("widest_lung_extent", "lungs", along, self.widest_lung_extent),
        )

    def _in_pixels(self, name: str, of: str, method: str, size: Width | Silhouette | None) -> Measurement:
        if size is None:
            return Measurement(name, None, "pixels", of, method, undefined=self.reason)
        return Measurement(name, size.pixels, "pixels", of, method)


def measure_chest(structures: Mapping[str, Runs], *, projection: Projection = "unknown") -> ChestMeasures:
    """Measure one film.

    Args:
        structures: by name of :data:`STRUCTURES`, all on one grid; what is missing or has no pixel was not
            located. The labels of a mask come by :func:`~sagittal.io.run_lengths.runs_of`.
        projection: how the film was taken.

    Raises:
        LabelError: a name that is not measured, or heart and cardiomediastinum both.
        GeometryError: structures of different films.
        ConfigError: no such projection.
    """
    cardiac = _cardiac(structures)
    _require_one_film(structures)
    if projection not in get_args(Projection):
        raise ConfigError(
            "There is no such projection.", expected=", ".join(get_args(Projection)), got=projection
        )
    found = {name: silhouette_of(runs) for name, runs in structures.items() if runs.pixels}
    if projection == "lateral":
        turned = "a lateral film does not show the width of heart and chest"
        return ChestMeasures(Outcome.NOT_FRONTAL, turned, cardiac, found)
    heart, left, right = (found.get(name) for name in (cardiac, *LUNGS))
    width = extreme_width(heart) if heart else None
    extent = widest_lung_extent(left, right) if left and right else None
    warnings = _reservations(projection, left, right)
    outcome, reason = _judged(cardiac, found, extent)
    if outcome is not Outcome.MEASURED:
        return ChestMeasures(outcome, reason, cardiac, found, None, None, width, extent, warnings)
    assert heart and left and right and width and extent, "what is measured was located"
    ctr, cpar = width.pixels / extent.pixels, heart.pixels / (left.pixels + right.pixels)
    return ChestMeasures(outcome, None, cardiac, found, ctr, cpar, width, extent, warnings)


def _cardiac(structures: Mapping[str, Runs]) -> str:
    """Which structure stands for the heart."""
    strange = [name for name in structures if name not in STRUCTURES]
    both = [name for name in CARDIAC if name in structures]
    if strange or len(both) > 1:
        raise LabelError(
            "The structures of a film are named otherwise, or two stand for the heart.",
            expected=f"{' or '.join(CARDIAC)}, {', '.join(LUNGS)}",
            got=", ".join(structures),
            remedy="name them so, and give one for the heart",
        )
    return both[0] if both else "heart"


def _require_one_film(structures: Mapping[str, Runs]) -> None:
    grids = [runs.geometry for runs in structures.values()]
    for grid in grids[1:]:
        # One object serves all structures of a film as a rule.
        if grid is not grids[0]:
            grids[0].require_same_grid(grid, "The structures of a film")


def _judged(
    cardiac: str, found: Mapping[str, Silhouette], extent: Width | None
) -> tuple[Outcome, str | None]:
    """The outcome, and why it is not ``MEASURED``."""
    missing = [name for name in (cardiac, *LUNGS) if name not in found]
    if missing:
        outcome = Outcome.NEITHER
        if len(missing) == 1 and cardiac in missing:
            outcome = Outcome.NO_HEART
        elif cardiac in found:
            outcome = Outcome.NO_LUNGS
        return outcome, f"not marked on the film: {', '.join(missing)}"
    reason = _implausible(cardiac, found, extent)
    return (Outcome.IMPLAUSIBLE, reason) if reason else (Outcome.MEASURED, None)


def _implausible(cardiac: str, found: Mapping[str, Silhouette], extent: Width | None) -> str | None:
    """What no chest looks like, whatever its disease; a large ratio alone is none of that."""
    heart, left, right = (found[name] for name in (cardiac, *LUNGS))
    for name in (cardiac, *LUNGS):
        if found[name].spans_the_picture:
            return f"the {name} reaches from one side of the film to the other"
    if extent is None or _within(left, right) or _within(right, left):
        return "the lungs do not lie side by side"
    first, last = min(left.box[0], right.box[0]), max(left.box[2], right.box[2])
    if heart.box[0] < first or heart.box[2] > last:
        return f"the {cardiac} reaches beyond the lungs; fluid or collapse may hide their edges"
    top, bottom = min(left.box[1], right.box[1]), max(left.box[3], right.box[3])
    if heart.box[3] < top or heart.box[1] > bottom:
        return f"the {cardiac} lies above or below both lungs"
    if heart.box[2] - heart.box[0] + 1 > extent.pixels:
        return f"the {cardiac} is wider than the lungs"
    return None


def _within(one: Silhouette, other: Silhouette) -> bool:
    """Whether the middle column of one lies within the columns of the other."""
    return 2 * other.box[0] <= one.box[0] + one.box[2] <= 2 * other.box[2]


def _reservations(
    projection: Projection, left: Silhouette | None, right: Silhouette | None
) -> tuple[str, ...]:
    out = []
    if projection == "AP":
        out.append("An AP film magnifies the heart; the ratios are defined on PA films.")
    elif projection == "unknown":
        out.append("The projection is not known; the ratios are defined on PA films.")
    if any(
        lung and (lung.box[0] == 0 or lung.box[2] == lung.geometry.shape[0] - 1) for lung in (left, right)
    ):
        out.append("A lung reaches the side of the film and may be cut off; the chest may be wider.")
    if left and right and left.box[0] + left.box[2] < right.box[0] + right.box[2]:
        out.append("The left lung lies on the film's left: the film is mirrored, or the lungs' names are.")
    return tuple(out)
