"""Specialists really run over studies: what each gave, as a language model is told it (VILA-M3 §3.3).

A bank (:mod:`sagittal.builders.consultation_bank`) is written study by study, so that it can be stopped and
gone on with. A call that failed, or that the study did not suit, is kept with what was told of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from sagittal.agent.host import Host
from sagittal.agent.library import Library
from sagittal.agent.loop import Limits, converse
from sagittal.agent.standard import STANDARD
from sagittal.builders.consultation_bank import CASE, FIRST, CallRecord, CaseRecord, Origin, RegionRecord
from sagittal.files import atomic_folder, storage_errors, write_json
from sagittal.language.specialist_answers import DECLINED
from sagittal.specialists.consulting import ConsultingPlanner, Told
from sagittal.specialists.functions import specialist_library
from sagittal.specialists.looking import first_look
from sagittal.specialists.pool import Pool
from sagittal.specialists.process import Program
from sagittal.specialists.triggers import Trigger
from sagittal.study import Study


class _Caller:
    """A voice that makes one call, and keeps what it is told."""

    def __init__(self, trigger: Trigger) -> None:
        self._trigger = trigger
        self.told: Told | None = None

    def reply(self, told: Sequence[Told], *, last: bool) -> str:
        if not told:
            return str(self._trigger)
        self.told = told[0]
        return f"{DECLINED} nothing was asked."


def consult(study: Study, trigger: Trigger, programs: Mapping[str, Program], pool: Pool) -> tuple[Told, bool]:
    """What a language model is told of a call, by the loop that tells it; and whether it gave something.

    Args:
        study: one visit.
        trigger: the call.
        programs: specialists, by name.
        pool: where they run.
    """
    caller = _Caller(trigger)
    images = {f"image{n}": image for n, image in enumerate(study.images)}
    library = Library(STANDARD, specialist_library(programs, study, pool))
    cards = {name: program.card for name, program in programs.items()}
    outcome = converse(ConsultingPlanner(caller, images, cards), Host(library), images, limits=Limits(8, 8))
    if caller.told is None:
        # Nothing was found out, so that the conversation ended with what is told of that.
        return Told(outcome.text), False
    return caller.told, True


def write_case(
    home: Path,
    study: Study,
    origin: Origin,
    calls: Sequence[Trigger],
    programs: Mapping[str, Program],
    pool: Pool,
) -> bool:
    """Run specialists over a study, unless that was done.

    Args:
        home: folder of the bank.
        study: one visit.
        origin: where it came from.
        calls: to make.
        programs: specialists, by name.
        pool: where they run.

    Returns:
        Whether it was not there yet.

    Raises:
        StorageError: the folder cannot be written.
    """
    folder = home / re.sub("[^A-Za-z0-9_-]+", "_", study.name)
    if (folder / CASE).is_file():
        return False
    with atomic_folder(folder) as temporary:
        look = first_look(study.images)
        _write_picture(temporary / FIRST, look.pixels())
        made = []
        for number, trigger in enumerate(calls):
            told, gave = consult(study, trigger, programs, pool)
            file = ""
            if told.picture is not None:
                file = f"call{number}.png"
                _write_picture(temporary / file, told.picture)
            made.append(_record(trigger, told, gave, file, programs[trigger.name]))
        case = CaseRecord(
            name=study.name, kinds=tuple(image.kind for image in study.images), calls=tuple(made),
            looks_at="picture" if look.image.geometry.is_2d else "volume", **vars(origin),
        )  # fmt: skip
        write_json(temporary / CASE, case.model_dump(mode="json"))
    return True


def _record(trigger: Trigger, told: Told, gave: bool, file: str, program: Program) -> CallRecord:
    values: dict[str, Any] = {}
    if told.found is not None:
        values["regions"] = [RegionRecord(label=r.label, facts=r.facts) for r in told.found.regions]
        values["whole"] = told.found.whole
    if told.classes is not None:
        positive = program.card.positive(told.classes)
        values["classes"] = {name: (round(p, 4), positive[name]) for name, p in told.classes.items()}
    return CallRecord(
        specialist=trigger.name, argument=trigger.argument, text=told.text, picture=file,
        numbers=told.numbers, failed=not gave, **values,
    )  # fmt: skip


def _write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    with storage_errors(path):
        Picture.fromarray(pixels).save(path)
