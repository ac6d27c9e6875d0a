"""What was said about a film, put into order: ratios with their lines, places with their boxes, words."""

from __future__ import annotations

import time
from dataclasses import replace

from sagittal.agent.loop import Outcome
from sagittal.answer import Box, FieldValue, Line, Measurement, Step
from sagittal.asking.film_question import FilmQuestion
from sagittal.io.films.names import FINDINGS
from sagittal.measure.chest import LUNGS, ChestMeasures
from sagittal.measure.chest import Outcome as Measured
from sagittal.models.film_boxes import out_of_square
from sagittal.models.medplib.pictures import Frame
from sagittal.score.strict import LARGEST_CORNER, read_box, read_labels, read_number
from sagittal.specialists.chest import SEGMENTER, ChestOrgans
from sagittal.study import Image, Mask

NOTHING = "The model said nothing about this."
#: Quarter turns, anticlockwise, in words.
TURNED = {1: "90° anticlockwise", 2: "180°", 3: "90° clockwise"}
#: Task → name of the measurement, and its short name.
RATIOS = {
    "calculate-ctr": ("cardiothoracic_ratio", "CTR"),
    "calculate-cpar": ("cardiopulmonary_area_ratio", "CPAR"),
}
#: What may be asked next; what was asked just now is left out.
_NEXT = ("What is the cardiothoracic ratio?", "Where is the heart?", "Which conditions are present?",
         "Write a report.")  # fmt: skip


def outcome_of(
    text: str, steps: tuple[Step, ...], *, reason: str | None = None,
    measurements: tuple[Measurement, ...] = (), masks: dict[str, Mask] | None = None,
    boxes: tuple[Box, ...] = (), lines: tuple[Line, ...] = (), warnings: tuple[str, ...] = (),
    fields: dict[str, FieldValue] | None = None,
) -> Outcome:  # fmt: skip
    """The pieces of an answer; an abstention where there is a reason for one."""
    return Outcome(
        text=text, abstained=reason is not None, reason=reason, measurements=measurements, masks=masks or {},
        volumes={}, steps=steps, programs=(), warnings=warnings, fields=fields or {}, suggestions=_NEXT,
        boxes=boxes, lines=lines,
    )  # fmt: skip


def ratio_outcome(asked: FilmQuestion, organs: ChestOrgans, image: Image, said: str, step: Step) -> Outcome:
    """A ratio as it was measured on masks, and as the model tells it.

    Args:
        asked: a calculation.
        organs: draws heart and lungs.
        image: the film.
        said: the model's answer.
        step: in which it was given.
    """
    name, short = RATIOS[asked.task]
    own, _ = read_number(said)
    begun = time.perf_counter()
    drawn = organs.masks(image)
    found = drawn.measures()
    seconds = time.perf_counter() - begun
    second = Step("specialist", SEGMENTER, {"image": image.name}, str(found.outcome), seconds)
    if found.outcome is Measured.NEITHER:
        reason = f"{short} could not be measured: {found.reason}."
        return outcome_of(reason, (step, second), reason=reason, warnings=found.warnings)
    measurements = [replace(one, step=1) for one in found.measurements()]
    told = "no number that could be read" if own is None else f"{own:g}"
    if own is not None:
        how = "as the model tells it, not measured"
        measurements.append(Measurement(f"{name}_told", own, "", "heart", how, 0))
    if found.outcome is not Measured.MEASURED:
        text = f"{short} could not be measured: {found.reason}. The model tells {told}."
    else:
        text = f"{short} {_value(found, name):.2f}, {_along(found)}. The model tells {told}."
    return outcome_of(
        text, (step, second), measurements=tuple(measurements),
        masks={organ: drawn.of(organ) for organ in ("heart", *LUNGS) if organ in found.found},
        lines=found.lines(image.name), warnings=found.warnings,
    )  # fmt: skip


def _value(found: ChestMeasures, name: str) -> float:
    value = found.ctr if name == "cardiothoracic_ratio" else found.cpar
    assert value is not None, "it was measured"
    return value


def _along(found: ChestMeasures) -> str:
    assert found.cardiac_width is not None and found.widest_lung_extent is not None, "it was measured"
    heart, lungs = found.cardiac_width.pixels, found.widest_lung_extent.pixels
    return (
        f"measured on masks of heart and lungs (cardiac width {heart} pixels, widest lung extent "
        f"{lungs} pixels)"
    )


def place_outcome(asked: FilmQuestion, film: Image, frame: Frame, said: str, step: Step) -> Outcome:
    """A structure's box on the film, in its own pixels: the first and the last within it.

    Args:
        asked: for the place of a structure.
        film: as it is shown.
        frame: where it lies in the square that the model saw.
        said, step: as for :func:`ratio_outcome`.
    """
    box, fault = read_box(said)
    if box is None:
        reason = f"The model gave no box that could be read ({fault})."
        return outcome_of(reason, (step,), reason=reason)
    x1, y1, x2, y2 = out_of_square(box, frame)
    width, height = film.shape[:2]
    left, top = round(x1 * width / LARGEST_CORNER), round(y1 * height / LARGEST_CORNER)
    right, bottom = round(x2 * width / LARGEST_CORNER) - 1, round(y2 * height / LARGEST_CORNER) - 1
    if right < left or bottom < top:
        reason = "The model gave a box beside the film."
        return outcome_of(reason, (step,), reason=reason)
    words = f"The {asked.structure} lies between columns {left} and {right} and rows {top} and {bottom}."
    return outcome_of(
        words, (step,), boxes=(Box(asked.structure, film.name, (left, top, right, bottom)),)
    )  # fmt: skip


def words_outcome(asked: FilmQuestion, said: str, step: Step) -> Outcome:
    """Words; of ten conditions those that are there, each with its field."""
    if asked.task != "cls-multilabel":
        return outcome_of(said, (step,))
    digits, fault = read_labels(said, len(FINDINGS))
    if digits is None:
        reason = f"The model's answer could not be read ({fault})."
        return outcome_of(reason, (step,), reason=reason)
    told = {str(name): digit for name, digit in zip(FINDINGS, digits, strict=True)}
    there = [name.lower() for name, digit in told.items() if digit]
    fields = {name: FieldValue("present" if digit else "absent") for name, digit in told.items()}
    return outcome_of(
        f"Present: {', '.join(there) or 'none of the ten conditions'}.", (step,), fields=fields
    )  # fmt: skip
