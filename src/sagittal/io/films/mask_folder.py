"""A folder of films of one's own with mask pictures, and the table ``films.csv`` that names them.

Columns: ``image`` (path of the picture, which is its id, too); where wanted ``collection``, ``patient``,
``study``, ``view`` (PA, AP, lateral), ``sex`` (female, male), ``width``, ``height``, ``spacing_x_mm``,
``spacing_y_mm``; and for each structure that was drawn a column by its name with the path of a mask's
picture. Paths count from the folder. Other columns are refused, since a misspelt structure would be lost.

A mask is a grey picture of 8 bits, black and white or with grey edges: what is lighter than
:data:`THRESHOLD` belongs to the structure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from sagittal.errors import FileFormatError, LayoutError
from sagittal.io.films.byte_rows import changed, row_again
from sagittal.io.films.byte_tables import ByteTable
from sagittal.io.films.csv_tables import missing_tables
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow, Projection
from sagittal.io.raster import read_picture
from sagittal.io.run_lengths import runs_of
from sagittal.study import Mask

TABLE = "films.csv"
#: As :data:`sagittal.measure.chest.STRUCTURES`, which a test compares.
STRUCTURES = ("heart", "cardiomediastinum", "left lung", "right lung")
COLUMNS = (
    "image", "collection", "patient", "study", "view", "sex", "width", "height", "spacing_x_mm",
    "spacing_y_mm",
)  # fmt: skip
THRESHOLD = 127
_VIEWS: Mapping[str, Projection | None] = {"PA": "PA", "AP": "AP", "lateral": "lateral", "": None}
_SEXES: Mapping[str, Literal["female", "male"] | None] = {"female": "female", "male": "male", "": None}


@dataclass(frozen=True)
class MaskFolder:
    """A statement a film; its masks' pictures are opened when they are asked for."""

    name: ClassVar[str] = "masks"
    source: ClassVar[str] = "films and masks of one's own"
    licence: ClassVar[str] = "that of the films and masks"
    collection: ClassVar[str] = "masks"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        if not (self.folder / TABLE).is_file():
            raise missing_tables(self.folder, TABLE)
        return (self.folder / TABLE,)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        table = self._table()
        for row in table.rows():
            record = table.record(row, *COLUMNS, *STRUCTURES)
            image = record.path(record.words("image"))
            drawn = [record.path(path) for path in map(record.maybe, STRUCTURES) if path]
            yield record.state(
                collection=record.maybe("collection") or self.collection,
                image=image,
                study=record.maybe("study"),
                patient=record.maybe("patient"),
                file=image,
                view=record.one_of("view", _VIEWS),
                sex=record.one_of("sex", _SEXES),
                size=record.size("width", "height"),
                spacing_mm=record.spacing("spacing_x_mm", "spacing_y_mm"),
                masks=MaskRow(table=0, offset=row.offset, length=len(row.data)) if drawn else None,
            )

    def masks(self, row: MaskRow) -> FilmMasks:
        path, data = row_again(self.tables, row)
        cells = self._table().cells(data)
        if cells is None:
            raise changed(path, row)
        record = Record(
            f"the row at byte {row.offset} of {path.name}",
            {name: cells[name].decode("utf-8", "replace") for name in STRUCTURES if name in cells},
        )
        drawn = {name: record.path(file) for name in STRUCTURES if (file := record.maybe(name))}
        found = {name: _mask(self.folder / file, name) for name, file in drawn.items()}
        sizes = {mask.geometry.shape[:2] for mask in found.values()}
        if len(sizes) != 1:
            record.refuse("its masks are of different sizes, or there are none", sorted(sizes))
        return FilmMasks(
            size=sizes.pop(), runs={name: runs_of(mask, name).to_text() for name, mask in found.items()}
        )

    def _table(self) -> ByteTable:
        path = self.tables[0]
        table = ByteTable.of(path, ["image"])
        strange = [name for name in table.places if name not in (*COLUMNS, *STRUCTURES)]
        if strange or not any(name in table.places for name in STRUCTURES):
            raise LayoutError(
                f"{TABLE} has columns that are not read, or none for a structure.",
                expected=", ".join((*COLUMNS, *STRUCTURES)),
                got=", ".join(strange) or ", ".join(table.places),
                remedy="name the columns so, and take the others out",
            )
        return table


def _mask(path: Path, name: str) -> Mask:
    picture = read_picture(path)
    grey = picture.data[..., 0] if picture.data.ndim == 3 else None
    highest = 0 if grey is None else int(grey.max(initial=0))
    # A mask of ones would pass for an empty one.
    if grey is None or grey.dtype != np.uint8 or 0 < highest <= THRESHOLD:
        raise FileFormatError(
            f"{path.name} is not a mask's picture.",
            expected=f"grey in 8 bits, lighter than {THRESHOLD} inside",
            got=f"{path}: {picture.data.dtype}, {picture.data.shape}, up to {highest}",
            remedy="write it in black and white",
        )
    return Mask((picture.data > THRESHOLD).view(np.uint8), picture.geometry, {1: name}, path.name)
