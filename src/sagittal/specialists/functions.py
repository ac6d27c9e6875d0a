"""Specialists as functions of the agent's programs, and what programs need to measure what they give.

``BRATS("whole tumour")`` is a line like any other: the loop runs it, its step stands in the trace under the
specialist's name. It gives a mask, or, of classes, a reading alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sagittal.agent.host import CallContext
from sagittal.agent.library import Library
from sagittal.agent.toolbox import Reading
from sagittal.agent.values import Text
from sagittal.answer import Measurement
from sagittal.errors import InputError, LabelError
from sagittal.io.run_lengths import UPRIGHT, runs_of
from sagittal.measure.chest import measure_chest
from sagittal.models.voxelprompt.head import find_head
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.feedback import classes_text, fault_text
from sagittal.specialists.pool import Pool
from sagittal.specialists.process import Program
from sagittal.specialists.protocol import Segmented, SpecialistError
from sagittal.study import Image, Mask, Study

RESULTS = Library()
#: Structures whose widths make the cardiothoracic ratio.
CHEST = ("heart", "right lung", "left lung")


@RESULTS.function("Mask")
def select(call: CallContext, mask: Mask, label: Text) -> Mask:
    """One label of a mask that has several."""
    try:
        return mask.of(label.value)
    except LabelError as error:
        known = ", ".join(mask.labels.values()) or "nothing"
        raise InputError("The mask has no such label.", expected=known, got=label.value) from error


@RESULTS.function("Mask")
def head(call: CallContext, volume: Image) -> Mask:
    """The head in a volume, against the air around it."""
    return head_of(volume)


def head_of(volume: Image) -> Mask:
    """The head in a volume, against the air around it: what sides are told by."""
    found = find_head(volume)
    data = np.zeros(volume.shape, np.uint8)
    box = tuple(slice(a, b) for a, b in zip(found.start, found.stop, strict=True))
    data[box] = found.inside
    return Mask(data, volume.geometry, {1: "head"}, f"head of {volume.name}", volume.session)


@RESULTS.function("number", "%")
def picture_share(call: CallContext, mask: Mask) -> Measurement:
    """Area of a mask in percent of the picture."""
    [name] = mask.labels.values()
    percent = 100 * float(np.count_nonzero(mask.data)) / mask.data.size
    return Measurement("share", percent, "%", name, "pixels of the mask ÷ pixels of the picture")


@RESULTS.function("number")
def cardiothoracic_ratio(call: CallContext, mask: Mask) -> Measurement:
    """Cardiac width ÷ widest lung extent of a film's mask of heart and lungs; undefined without them."""
    upright = mask.reorient(UPRIGHT)
    structures = {name: runs_of(upright, name) for name in CHEST if name in mask.labels.values()}
    return measure_chest(structures).measurements()[0]


def specialist_library(programs: Mapping[str, Program], study: Study, pool: Pool) -> Library:
    """A function for each specialist, to add to the standard ones.

    Args:
        programs: name → specialist that may be called.
        study: what is looked at: a volume's specialists are given its volumes, a picture's its picture.
        pool: where they run.
    """
    library = Library(RESULTS)
    for name, program in programs.items():
        _add(library, name, program, study, pool)
    return library


def _add(library: Library, name: str, program: Program, study: Study, pool: Pool) -> None:
    card = program.card
    returns = "Mask" if card.masks else "nothing"

    def ask(call: CallContext, argument: Text) -> Mask | None:
        try:
            made = pool.run(program, study, argument.value)
        except SpecialistError as error:
            # Told as it is; the program hears of it as of any fault.
            call.host.said.readings.append(Reading(fault_text(error), error))
            raise
        if isinstance(made.result, Segmented):
            present = ", ".join(made.result.mask.labels.values()) or "nothing"
            call.host.said.readings.append(Reading(f"{name} found {present}", made))
            return made.result.mask
        text = classes_text(name, argument.value, card.positive(made.result.probabilities))
        call.host.said.readings.append(Reading(text, made))
        return None

    ask.__doc__ = _doc(card)
    library.function(returns, kind="specialist", name=name)(ask)


def _doc(card: SpecialistCard) -> str:
    return f"{card.summary[:1].upper()}{card.summary[1:]}."
