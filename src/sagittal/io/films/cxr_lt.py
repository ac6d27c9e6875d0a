"""CXR-LT: labels of films of MIMIC-CXR-JPG, 26 findings in 2023 and 45 in 2024.

Release 2.0.0 has a folder a year. ``cxr-lt-2023``: ``train.csv``, ``development.csv``, ``test.csv``
(dicom_id, path, 26 findings). ``cxr-lt-2024``: ``labels.csv`` (dicom_id, fpath, 45 findings), or for the
first task ``train_labeled.csv``, ``development_labeled_task1.csv``, ``test_labeled_task1.csv`` (40
findings). Names of files, columns and findings as several public readers use them; that ``path`` of 2023
begins with ``files/`` as ``fpath`` does is not verified, and both forms are read. The tables of 2024's
second and third task repeat films of ``labels.csv`` and are not read.

One year is read, the later one that is there. "Normal" of 2024 is "No Finding" of 2023.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sagittal.io.films.csv_tables import find_table, missing_tables, read_table
from sagittal.io.films.findings import findings_of
from sagittal.io.films.mimic import COLLECTION, CREDENTIALED, dicom_of, film_at
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow

#: (folder, files, set of labels); the files of the first of these that has one are read.
_LAYOUTS = (
    ("cxr-lt-2024", ("labels.csv",), "cxr-lt-2024"),
    (
        "cxr-lt-2024",
        ("train_labeled.csv", "development_labeled_task1.csv", "test_labeled_task1.csv"),
        "cxr-lt-2024",
    ),
    ("cxr-lt-2023", ("train.csv", "development.csv", "test.csv"), "cxr-lt-2023"),
)
#: Findings of the third task alone: the tables of the first do not have them.
_ZERO_SHOT = ("Bulla", "Cardiomyopathy", "Hilum", "Osteopenia", "Scoliosis")


@dataclass(frozen=True)
class CxrLt:
    """A statement a row: the labels of a film."""

    name: ClassVar[str] = "cxr-lt"
    collection: ClassVar[str] = COLLECTION
    source: ClassVar[str] = "CXR-LT 2.0.0 (Holste et al. 2023, Lin et al. 2024), PhysioNet"
    licence: ClassVar[str] = CREDENTIALED
    folder: Path

    @cached_property
    def _found(self) -> tuple[tuple[Path, ...], dict[str, str]]:
        for year, files, labels in _LAYOUTS:
            for folder in (self.folder / year, self.folder):
                paths = tuple(path for path in (find_table(folder, file) for file in files) if path)
                if paths:
                    names = findings_of(labels)
                    some = labels == "cxr-lt-2024" and len(files) > 1
                    return paths, {k: v for k, v in names.items() if not (some and k in _ZERO_SHOT)}
        raise missing_tables(self.folder, *(f"{year}/{files[0]}" for year, files, _ in _LAYOUTS))

    @property
    def tables(self) -> tuple[Path, ...]:
        return self._found[0]

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        paths, names = self._found
        for path in paths:
            for record in read_table(path, ["dicom_id", ("fpath", "path"), *names]):
                film = film_at(record, "fpath", dicom_of(record))
                yield record.state(
                    collection=COLLECTION,
                    **film._asdict(),
                    file=film.file,
                    labels=record.labels(names, uncertain=False),
                )

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)
