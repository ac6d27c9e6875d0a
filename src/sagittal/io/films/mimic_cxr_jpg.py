"""MIMIC-CXR-JPG 2.0.0 and 2.1.0: films, their views and sizes, labels of their reports, and the reports.

``mimic-cxr-2.0.0-metadata.csv`` (dicom_id, subject_id, study_id, ViewPosition, Rows, Columns) and
``mimic-cxr-2.0.0-chexpert.csv`` or ``-negbio.csv`` (subject_id, study_id, 14 findings); the tables keep
their names in release 2.1.0. Columns as several public readers use them. Where both labellers' tables are
there, CheXpert's is read: a statement says one thing. The reports come with MIMIC-CXR
(``mimic-cxr-reports.zip``), as ``files/p10/p10000032/s50414267.txt`` in the folder itself or in its folder
``mimic-cxr-reports``; they are not listed among ``tables``.

Views other than PA, AP and lateral (decubitus, oblique, swimmer's, …) are not said, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sagittal.io.films.csv_tables import find_table, find_tables, read_table
from sagittal.io.films.findings import findings_of
from sagittal.io.films.mimic import COLLECTION, CREDENTIALED, film_of, patient_of, study_of, study_path
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow, Projection
from sagittal.io.films.texts import read_text

METADATA = "mimic-cxr-2.0.0-metadata.csv"
LABELS = ("mimic-cxr-2.0.0-chexpert.csv", "mimic-cxr-2.0.0-negbio.csv")
#: Reasons for leaving something out.
OTHER_VIEW = "a view that is neither PA, AP nor lateral (the film is kept, without a view)"
NO_LABEL = "a study of which no label is said"
NO_REPORT = "a study without a report in the folder"
VIEWS: Mapping[str, Projection] = {"PA": "PA", "AP": "AP", "LATERAL": "lateral", "LL": "lateral"}
_REPORTS = "mimic-cxr-reports"


@dataclass(frozen=True)
class MimicCxrJpg:
    """Labels, a statement a study; then films and, before the first film of each study, its report."""

    name: ClassVar[str] = "mimic-cxr-jpg"
    collection: ClassVar[str] = COLLECTION
    source: ClassVar[str] = "MIMIC-CXR-JPG 2.1.0 (Johnson et al. 2024), PhysioNet"
    licence: ClassVar[str] = CREDENTIALED
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        labels = find_table(self.folder, *LABELS)
        return (*([labels] if labels else []), *find_tables(self.folder, METADATA))

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        *labels, metadata = self.tables
        for path in labels:
            yield from _labels(path, left_out)
        reports = self.folder / _REPORTS if (self.folder / _REPORTS).is_dir() else self.folder
        seen: set[str] = set()
        for record in read_table(
            metadata, ["dicom_id", "subject_id", "study_id", "ViewPosition", "Rows", "Columns"]
        ):
            film = film_of(record)
            if film.study not in seen:
                seen.add(film.study)
                text = read_text(reports / f"{study_path(film.patient, film.study)}.txt")
                if text:
                    yield record.state(
                        collection=COLLECTION, study=film.study, patient=film.patient, report=text
                    )
                else:
                    left_out[NO_REPORT] += 1
            yield record.state(
                collection=COLLECTION,
                **film._asdict(),
                file=film.file,
                view=_view(record, left_out),
                size=record.size("Columns", "Rows"),
            )

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)


def _labels(path: Path, left_out: Counter[str]) -> Iterator[FilmStatement]:
    names = findings_of("chexpert")
    for record in read_table(path, ["subject_id", "study_id", *names]):
        labels = record.labels(names)
        if labels:
            yield record.state(
                collection=COLLECTION, study=study_of(record), patient=patient_of(record), labels=labels
            )
        else:
            left_out[NO_LABEL] += 1


def _view(record: Record, left_out: Counter[str]) -> Projection | None:
    words = record.maybe("ViewPosition")
    if words and words not in VIEWS:
        left_out[OTHER_VIEW] += 1
    return VIEWS.get(words)
