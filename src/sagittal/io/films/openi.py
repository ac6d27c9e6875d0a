"""The Indiana collection of Open-i: reports with findings and impression, and their films.

Either form, or both: the published XML reports (``ecgen-radiology/1.xml``, …: ``uId``, ``AbstractText`` by
``Label``, ``parentImage``; all 3,955 real ones were read, with 7,470 films), or the tables made of them
(``indiana_reports.csv``: uid, findings, impression; ``indiana_projections.csv``: uid, filename,
projection), as several public readers describe them. Reports are taken from the XML files where there are
any, films from the projections where there are any.

A film's id here is ``CXR`` with the report's number and the part from ``IM-`` on, which both forms share
("CXR1_1_IM-0001-3001" and "1_IM-0001-3001.dcm.png" are CXR1_IM-0001-3001): how the two go together is read
off their names, not verified film by film. "Frontal" is neither PA nor AP, so it is no view. Patients are
not said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sagittal.files import storage_errors
from sagittal.io.films.csv_tables import find_table, missing_tables, read_table
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.openi_xml import read_openi_xml
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow, Projection

REPORTS, FILMS, FOLDER = "indiana_reports.csv", "indiana_projections.csv", "ecgen-radiology"
#: Sections that make a report, in this order.
SECTIONS = ("FINDINGS", "IMPRESSION")
#: Reason for leaving a report out.
NO_WORDS = "a report with neither findings nor impression"
_VIEWS: Mapping[str, Projection | None] = {"Lateral": "lateral", "Frontal": None}
_UID = re.compile(r"\d{1,6}", re.ASCII)


@dataclass(frozen=True)
class OpenI:
    """Reports, a statement a study; then films."""

    name: ClassVar[str] = "openi"
    collection: ClassVar[str] = "openi"
    source: ClassVar[str] = "Indiana chest X-ray collection (Demner-Fushman et al. 2016), Open-i, NLM"
    licence: ClassVar[str] = "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        found = (*self._xml, *(path for path in (self._table(REPORTS), self._table(FILMS)) if path))
        if not found:
            raise missing_tables(self.folder, f"{FOLDER}/1.xml", REPORTS, FILMS)
        return found

    @cached_property
    def _xml(self) -> tuple[Path, ...]:
        inner = self.folder / FOLDER
        if not inner.is_dir():
            return ()
        with storage_errors(inner):
            paths = [path for path in inner.iterdir() if path.suffix == ".xml"]
        return tuple(sorted(paths, key=lambda path: (len(path.name), path.name)))

    def _table(self, name: str) -> Path | None:
        return find_table(self.folder, name)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        reports, films = self._table(REPORTS), self._table(FILMS)
        for path in self._xml:
            yield from self._of_xml(path, left_out, films=films is None)
        if reports and not self._xml:
            for record in read_table(reports, ["uid", "findings", "impression"]):
                sections = {label: record.maybe(label.lower()) for label in SECTIONS}
                yield from self._report(record, _uid(record), sections, left_out)
        if films:
            for record in read_table(films, ["uid", "filename", "projection"]):
                uid, file = _uid(record), record.path(record.words("filename"))
                yield record.state(
                    collection=self.collection,
                    image=_film_id(uid, file.removesuffix(".png").removesuffix(".dcm")),
                    study=f"CXR{uid}",
                    file=file,
                    view=record.one_of("projection", _VIEWS),
                )

    def _of_xml(self, path: Path, left_out: Counter[str], *, films: bool) -> Iterator[FilmStatement]:
        report, record = read_openi_xml(path), Record(path.name, {})
        yield from self._report(record, report.uid, report.sections, left_out)
        for image in report.images if films else ():
            yield record.state(
                collection=self.collection,
                image=_film_id(report.uid, image),
                study=f"CXR{report.uid}",
                file=f"{image}.png",
            )

    def _report(
        self, record: Record, uid: str, sections: Mapping[str, str], left_out: Counter[str]
    ) -> Iterator[FilmStatement]:
        words = "\n\n".join(f"{label}: {sections[label]}" for label in SECTIONS if sections.get(label))
        if words:
            yield record.state(collection=self.collection, study=f"CXR{uid}", report=words)
        else:
            left_out[NO_WORDS] += 1

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)


def _uid(record: Record) -> str:
    return record.matching("uid", _UID, "1")[0]


def _film_id(uid: str, name: str) -> str:
    return f"CXR{uid}_{name[max(name.find('IM-'), 0) :]}"
