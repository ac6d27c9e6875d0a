"""A bank of consultations: what specialists gave on studies, as files.

The folder holds, of each study:

    NAME/case.json     the study's kinds of image, its patient, split, source and licence, and its calls
    NAME/first.png     what a language model is shown with the question
    NAME/call0.png …   overlays

:mod:`sagittal.builders.consultations` makes one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from pydantic import BaseModel, ConfigDict, ValidationError

from sagittal.errors import FileFormatError, LayoutError
from sagittal.files import storage_errors
from sagittal.splits import Split

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
            data = path.read_bytes()
        try:
            found.append((path.parent, CaseRecord.model_validate(json.loads(data))))
        except (ValueError, ValidationError) as error:
            raise FileFormatError("A consultation is damaged.", got=f"{path}: {error}") from error
    if not found:
        raise LayoutError("The folder holds no consultations.", expected=f"NAME/{CASE}", got=home)
    return found


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(rows, columns, 3) of a bank's picture."""
    with storage_errors(path), Picture.open(path) as opened:
        return np.asarray(opened.convert("RGB"))
