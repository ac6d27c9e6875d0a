"""CXR-Cardiomegaly 1.0.0: cardiothoracic and cardiopulmonary area ratios of PA films of MIMIC-CXR-JPG.

``CTRs.csv`` (dicom_file, CTR) and ``CPARs.csv`` (dicom_file, CPAR), 96,161 rows each: file names, columns and
number of rows as others report them of the released files. The code published with the set writes
``dicom_id`` and codes in the place of a ratio: 2 no heart, 3 no lungs, 4 neither. That the release holds the
same codes, and no words, is not verified; both are read. The films are PA, says the set's page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, get_args

from sagittal.io.films.csv_tables import find_tables, read_table
from sagittal.io.films.mimic import COLLECTION, dicom_of
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, Marking, MaskRow

_TABLES: Mapping[str, tuple[str, str]] = {"CTRs.csv": ("CTR", "ctr"), "CPARs.csv": ("CPAR", "cpar")}
_WORDS: tuple[Marking, ...] = get_args(Marking)
_CODES: Mapping[float, Marking] = dict(zip((2.0, 3.0, 4.0), _WORDS, strict=True))


@dataclass(frozen=True)
class Cardiomegaly:
    """A statement a row: one ratio, or why it could not be measured."""

    name: ClassVar[str] = "cxr-cardiomegaly"
    collection: ClassVar[str] = COLLECTION
    source: ClassVar[str] = "CXR-Cardiomegaly 1.0.0 (Duvieusart et al. 2024), PhysioNet"
    licence: ClassVar[str] = "Open Data Commons Attribution License v1.0"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        return find_tables(self.folder, *_TABLES)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        for path in self.tables:
            column, field = _TABLES[path.name.removesuffix(".gz")]
            for record in read_table(path, [("dicom_file", "dicom_id"), column]):
                yield record.state(
                    collection=COLLECTION,
                    image=dicom_of(record, "dicom_file"),
                    view="PA",
                    **_found(record, column, field),
                )

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)


def _found(record: Record, column: str, field: str) -> dict[str, float | Marking]:
    if (words := record.words(column)) in _WORDS:
        return {"marking": words}
    value = record.number(column)
    if value is None:
        record.refuse(f"`{column}` is blank", words)
    return {"marking": _CODES[value]} if value in _CODES else {field: value}
