"""MIMIC-CXR-PE-Severity 1.0.1: grades of pulmonary oedema of films and reports of MIMIC-CXR.

``regex_report_edema_severity.csv`` and ``expert_report_edema_severity.csv`` (subject_id, study_id,
edema_severity) grade reports, and so hold for a study; ``consensus_image_edema_severity.csv`` has a dicom_id
as well. Grades 0 to 3. Columns read off the authors' public files (those of the regex table by their length
alone).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sagittal.io.films.csv_tables import find_tables, read_table
from sagittal.io.films.mimic import COLLECTION, dicom_of, patient_of, study_of
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.statement import FilmMasks, FilmStatement, GradedBy, MaskRow

_TABLES: Mapping[str, GradedBy] = {
    "regex_report_edema_severity.csv": "regex",
    "expert_report_edema_severity.csv": "expert",
    "consensus_image_edema_severity.csv": "consensus",
}


@dataclass(frozen=True)
class PeSeverity:
    """A statement a row: a grade, and how it was come by."""

    name: ClassVar[str] = "mimic-cxr-pe-severity"
    collection: ClassVar[str] = COLLECTION
    source: ClassVar[str] = "MIMIC-CXR-PE-Severity 1.0.1 (Liao et al. 2021), PhysioNet"
    licence: ClassVar[str] = "PhysioNet Restricted Health Data License 1.5.0"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        return find_tables(self.folder, *_TABLES)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        for path in self.tables:
            graded_by = _TABLES[path.name.removesuffix(".gz")]
            of_films = ["dicom_id"] if graded_by == "consensus" else []
            for record in read_table(path, ["subject_id", "study_id", "edema_severity", *of_films]):
                record.words("edema_severity")
                yield record.state(
                    collection=COLLECTION,
                    image=dicom_of(record) if of_films else "",
                    study=study_of(record),
                    patient=patient_of(record),
                    oedema=record.whole("edema_severity"),
                    graded_by=graded_by,
                )

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)
