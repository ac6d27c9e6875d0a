"""ChestX-ray14 of the NIH: frontal films with 14 labels, the original's size and spacing, and some boxes.

``Data_Entry_2017_v2020.csv`` or ``Data_Entry_2017.csv`` (Image Index, Finding Labels, Patient ID, Patient
Gender or Patient Sex, View Position, OriginalImage[Width,Height], OriginalImagePixelSpacing[x,y], whose
commas part them into two columns each; a table of this form may be called ``labels.csv``, too), and
``BBox_List_2017.csv`` (Image Index, Finding Label, Bbox [x,y,w,h]). The real tables were read: 112,120
films and 984 boxes, nothing left out.

The labels name what was found of 14 findings; what is not named was not found. The pictures were published
at 1024×1024, whatever the original's shape, and the boxes are in those pixels: here they are in the
original's, as size and spacing are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from sagittal.io.films.columns import Wanted
from sagittal.io.films.csv_tables import find_table, missing_tables, read_table
from sagittal.io.films.findings import findings_of
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow, Projection, Sign

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv", "labels.csv")
BOXES = "BBox_List_2017.csv"
#: Reasons for leaving a box out.
OUTSIDE = "a box that reaches out of its film"
NO_FILM = "a box of a film that the table does not have"
#: Edge of the published pictures.
EDGE = 1024
_WIDTH, _HEIGHT = "OriginalImage[Width", "Height]"
_X_MM, _Y_MM = "OriginalImagePixelSpacing[x", "y]"
_COLUMNS: Sequence[Wanted] = (
    "Image Index", "Finding Labels", "Patient ID", ("Patient Gender", "Patient Sex"), "View Position",
    _WIDTH, _HEIGHT, _X_MM, _Y_MM,
)  # fmt: skip
_SEXES: Mapping[str, Literal["female", "male"]] = {"F": "female", "M": "male"}
_VIEWS: Mapping[str, Projection] = {"PA": "PA", "AP": "AP"}
_NOTHING = "No Finding"
#: A box: the common name, and x, y, width, height in pixels of the published picture.
_Box = tuple[str, tuple[float, float, float, float]]


@dataclass(frozen=True)
class Nih:
    """A statement a film."""

    name: ClassVar[str] = "nih"
    collection: ClassVar[str] = "nih"
    source: ClassVar[str] = "ChestX-ray14 (Wang et al. 2017), NIH Clinical Center"
    licence: ClassVar[str] = "no restriction on use; attribution to the NIH Clinical Center is asked for"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        table, boxes = find_table(self.folder, *TABLES), find_table(self.folder, BOXES)
        if table is None:
            raise missing_tables(self.folder, *TABLES)
        return (table, boxes) if boxes else (table,)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        table, *others = self.tables
        boxes = _boxes(others[0]) if others else {}
        names = findings_of("nih")
        for record in read_table(table, _COLUMNS):
            image = record.path(record.words("Image Index"))
            size = record.size(_WIDTH, _HEIGHT)
            yield record.state(
                collection=self.collection,
                image=image,
                patient=record.words("Patient ID"),
                file=image,
                view=record.one_of("View Position", _VIEWS),
                sex=record.one_of("Patient Gender", _SEXES),
                size=size,
                spacing_mm=record.spacing(_X_MM, _Y_MM),
                labels=_labels(record, names),
                signs=_signs(boxes.pop(image, []), size, left_out),
            )
        if boxes:
            left_out[NO_FILM] += sum(map(len, boxes.values()))

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)


def _labels(record: Record, names: Mapping[str, str]) -> dict[str, bool | None]:
    found = record.words("Finding Labels").split("|")
    strange = [name for name in found if name not in names]
    if strange or (_NOTHING in found and len(found) > 1):
        record.refuse(f"`Finding Labels` is none of {', '.join(names)}, or not alone", "|".join(found))
    return {common: name in found for name, common in names.items()}


def _boxes(path: Path) -> dict[str, list[_Box]]:
    names = findings_of("nih-boxes")
    found: dict[str, list[_Box]] = {}
    for record in read_table(path, ["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"]):
        x, y, w, h = (record.number(key) for key in ("Bbox [x", "y", "w", "h]"))
        if x is None or y is None or w is None or h is None or min(x, y) < 0 or min(w, h) <= 0:
            record.refuse("it has no box", [x, y, w, h])
        name = record.one_of("Finding Label", names)
        found.setdefault(record.words("Image Index"), []).append((name, (x, y, w, h)))
    return found


def _signs(boxes: list[_Box], size: tuple[int, int] | None, left_out: Counter[str]) -> tuple[Sign, ...]:
    signs = []
    for name, (x, y, w, h) in boxes:
        # A box that ends half a pixel outside was rounded, no more.
        if size is None or x + w > EDGE + 1 or y + h > EDGE + 1:
            left_out[OUTSIDE] += 1
            continue
        x1, x2 = _pixels(x, w, size[0])
        y1, y2 = _pixels(y, h, size[1])
        signs.append(Sign(name=name, box=(x1, y1, x2, y2)))
    return tuple(signs)


def _pixels(start: float, length: float, edge: int) -> tuple[int, int]:
    """First and last pixel of the original that a stretch of the published picture touches."""
    scale = edge / EDGE
    first = min(math.floor(start * scale), edge - 1)
    last = min(math.ceil((start + length) * scale), edge) - 1
    return first, max(first, last)
