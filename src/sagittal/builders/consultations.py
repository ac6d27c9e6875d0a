"""Specialists really run over studies: what each gave, as a language model is told it (VILA-M3 §3.3).

A bank of consultations is a folder, written study by study, so that it can be stopped and gone on with:

    NAME/case.json     the study's kinds of image, its patient, split, source and licence, and its calls
    NAME/first.png     what a language model is shown with the question
    NAME/call0.png …   overlays

A call that failed, or that the study did not suit, is kept with what was told of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from pydantic import BaseModel, ConfigDict, ValidationError

from sagittal.agent.host import Host
from sagittal.agent.library import Library
from sagittal.agent.loop import Limits, converse
from sagittal.agent.standard import STANDARD
from sagittal.errors import FileFormatError, LayoutError
from sagittal.files import atomic_folder, storage_errors, write_json
from sagittal.language.specialist_answers import DECLINED
from sagittal.specialists.consulting import ConsultingPlanner, Told
from sagittal.specialists.functions import specialist_library
from sagittal.specialists.looking import first_look
from sagittal.specialists.pool import Pool
from sagittal.specialists.process import Program
from sagittal.specialists.triggers import Trigger
from sagittal.splits import Split
from sagittal.study import Study

CASE, FIRST = "case.json", "first.png"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegionRecord(_Record):
    """A label of a mask, and what was measured on it, as it is written."""

    label: str
    facts: tuple[str, ...]


class CallRecord(_Record):
    """One call.

    Attributes:
        specialist, argument: that were called.
        text: that is told.
        picture: file of the overlay; empty where there is none.
        numbers: that the text states.
        regions, whole: of a mask that was drawn: its labels, and what was measured on all of them.
        classes: class → probability and whether it is a yes.
        failed: whether it gave nothing.
    """

    specialist: str
    argument: str
    text: str
    picture: str = ""
    numbers: tuple[str, ...] = ()
    regions: tuple[RegionRecord, ...] = ()
    whole: tuple[str, ...] = ()
    classes: dict[str, tuple[float, bool]] = {}
    failed: bool = False


class CaseRecord(_Record):
    """One study and its calls."""

    name: str
    patient: str
    split: Split
    source: str
    licence: str
    kinds: tuple[str, ...]
    looks_at: str
    calls: tuple[CallRecord, ...]


@dataclass(frozen=True)
class Origin:
    """Where a study came from, and on which terms."""

    patient: str
    split: Split
    source: str
    licence: str


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


def read_bank(home: str | Path) -> list[tuple[Path, CaseRecord]]:
    """The cases of a bank with their folders, by name.

    Raises:
        LayoutError: there is none.
        FileFormatError: one is damaged.
        StorageError: one cannot be read.
    """
    home = Path(home)
    found = []
    for path in sorted(home.glob(f"*/{CASE}")):
        with storage_errors(path):
            text = path.read_text("utf-8")
        try:
            found.append((path.parent, CaseRecord.model_validate(json.loads(text))))
        except (ValueError, ValidationError) as error:
            raise FileFormatError("A consultation is damaged.", got=f"{path}: {error}") from error
    if not found:
        raise LayoutError("The folder holds no consultations.", expected=f"NAME/{CASE}", got=home)
    return found


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(rows, columns, 3) of a bank's picture."""
    with storage_errors(path), Picture.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


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
