"""MIMIC-Ext-MIMIC-CXR-VQA 1.0.0: questions about films of MIMIC-CXR-JPG, by 48 templates.

``train.json``, ``valid.json``, ``test.json``: lists of objects with split, idx, image_id, subject_id,
study_id, image_path, question, semantic_type (verify, choose, query), content_type, answer (a list, empty
where none applies); keys as the authors' public code writes them, ``image_path`` beginning below ``files``.
The files lie in the folder or in its folder ``dataset``; where the release puts them is not verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sagittal.io.films.csv_tables import missing_tables
from sagittal.io.films.json_lists import read_json_list
from sagittal.io.films.mimic import COLLECTION, CREDENTIALED, dicom_of, film_at, patient_of, study_of
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow

FILES = ("train.json", "valid.json", "test.json")


@dataclass(frozen=True)
class MimicCxrVqa:
    """A statement a question."""

    name: ClassVar[str] = "mimic-cxr-vqa"
    collection: ClassVar[str] = COLLECTION
    source: ClassVar[str] = "MIMIC-Ext-MIMIC-CXR-VQA 1.0.0 (Bae et al. 2023), PhysioNet"
    licence: ClassVar[str] = CREDENTIALED
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        for folder in (self.folder, self.folder / "dataset"):
            found = tuple(folder / name for name in FILES if (folder / name).is_file())
            if found:
                return found
        raise missing_tables(self.folder, *FILES)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        for path in self.tables:
            for record in read_json_list(path):
                film = film_at(record, "image_path", dicom_of(record, "image_id"))
                if (film.patient, film.study) != (patient_of(record), study_of(record)):
                    record.refuse("`image_path` is not of this patient and study", record.cells["image_path"])
                question = {
                    "id": f"{record.words('split')}/{record.words('idx')}",
                    "semantic": record.words("semantic_type"),
                    "content": record.words("content_type"),
                    "question": record.words("question"),
                    "answers": _answers(record),
                }
                yield record.state(
                    collection=COLLECTION, **film._asdict(), file=film.file, questions=[question]
                )

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)


def _answers(record: Record) -> list[str]:
    found = record.cells.get("answer")
    if not isinstance(found, list):
        record.refuse("`answer` is no list (the files without answers are not read)", found)
    # Each is read as a field of its own would be.
    return [Record(record.where, {"answer": one}).words("answer") for one in found]
