"""MIMIC-Diff-VQA (Medical-Diff-VQA 1.0.0): questions about studies of MIMIC-CXR, and about pairs of them.

``mimic_pair_questions.csv`` (study_id, subject_id, ref_id, question_type, question, answer, split) and
``mimic_all.csv`` (study_id, dicom_id: the film of each study that the questions were made for), columns as
others print them of the released files. Questions of the type "difference" need two films; they are left
out and counted. A question about the view needs to know its film: without ``mimic_all.csv`` it is left out
as well.

The set has no kinds of questions as MIMIC-CXR-VQA has; by the authors' templates, what is answered by yes
or no is to "verify", left side or right side is to "choose", all else is a "query". Answers stand as
published, several findings in one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sagittal.io.films.csv_tables import find_table, find_tables, read_table
from sagittal.io.films.mimic import COLLECTION, CREDENTIALED, MimicFilm, dicom_of, patient_of, study_of
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow

QUESTIONS, FILMS = "mimic_pair_questions.csv", "mimic_all.csv"
TYPES = ("abnormality", "location", "level", "view", "type", "presence", "difference")
#: Reasons for leaving a question out.
DIFFERENCE = "a question about the difference of two films"
VIEW = "a question about the view, whose film is not said"
_CHOICE = "left side or right side"


@dataclass(frozen=True)
class MimicDiffVqa:
    """A statement a question; of a film where it is known, of a study otherwise."""

    name: ClassVar[str] = "mimic-diff-vqa"
    collection: ClassVar[str] = COLLECTION
    source: ClassVar[str] = "Medical-Diff-VQA 1.0.0 (Hu et al. 2023), PhysioNet"
    licence: ClassVar[str] = CREDENTIALED
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        films = find_table(self.folder, FILMS)
        return (*find_tables(self.folder, QUESTIONS), *([films] if films else []))

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        table, *others = self.tables
        films = _films(others[0]) if others else {}
        wanted = ["study_id", "subject_id", "question_type", "question", "answer"]
        for number, record in enumerate(read_table(table, wanted)):
            kind = record.one_of("question_type", {name: name for name in TYPES})
            film = MimicFilm(patient_of(record), study_of(record), films.get(study_of(record), ""))
            if kind == "difference" or (kind == "view" and not film.image):
                left_out[DIFFERENCE if kind == "difference" else VIEW] += 1
                continue
            question, answer = record.words("question"), record.words("answer")
            asked = {
                "id": str(number),
                "semantic": _semantic(question, answer),
                "content": kind,
                "question": question,
                "answers": [answer],
            }
            yield record.state(
                collection=COLLECTION,
                **film._asdict(),
                file=film.file if film.image else "",
                questions=[asked],
            )

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)


def _films(path: Path) -> dict[str, str]:
    return {study_of(row): dicom_of(row) for row in read_table(path, ["study_id", "dicom_id"])}


def _semantic(question: str, answer: str) -> str:
    if answer.lower() in ("yes", "no"):
        return "verify"
    return "choose" if _CHOICE in question.lower() else "query"
