"""CheXpert 1.0: films, frontal and lateral, with 14 labels that may be uncertain.

``train.csv`` and ``valid.csv`` (Path, Sex, Age, Frontal/Lateral, AP/PA, 14 findings; 1, 0, -1 for
uncertain, blank for not said). The real ``train.csv`` was read, 223,414 rows; ``valid.csv`` is as several
public readers use it. The first part of a path is the release's name, which differs between the sizes in
which it is distributed; ids and paths here begin below it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from sagittal.io.films.chexpert_paths import film_below
from sagittal.io.films.csv_tables import find_tables, read_table
from sagittal.io.films.findings import findings_of
from sagittal.io.films.no_masks import refuse_masks
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow, Projection

#: Reason for leaving something out.
OTHER_VIEW = "a frontal view that is neither PA nor AP (the film is kept, without a view)"
_SEXES: Mapping[str, Literal["female", "male"] | None] = {
    "Female": "female", "Male": "male", "Unknown": None, "": None,
}  # fmt: skip
_FRONTAL: Mapping[str, Projection] = {"PA": "PA", "AP": "AP"}


@dataclass(frozen=True)
class CheXpert:
    """A statement a row: a film, its view, the patient's sex, its labels."""

    name: ClassVar[str] = "chexpert"
    collection: ClassVar[str] = "chexpert"
    source: ClassVar[str] = "CheXpert 1.0 (Irvin et al. 2019), Stanford"
    licence: ClassVar[str] = "Stanford University Dataset Research Use Agreement"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        return find_tables(self.folder, "train.csv", "valid.csv")

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        names = findings_of("chexpert")
        for path in self.tables:
            for record in read_table(path, ["Path", "Sex", "Frontal/Lateral", "AP/PA", *names]):
                film = film_below(record, "Path")
                yield record.state(
                    collection=self.collection,
                    **film._asdict(),
                    file=film.image,
                    view=_view(record, left_out),
                    sex=record.one_of("Sex", _SEXES),
                    labels=record.labels(names),
                )

    def masks(self, row: MaskRow) -> FilmMasks:
        refuse_masks(self.name)


def _view(record: Record, left_out: Counter[str]) -> Projection | None:
    if record.one_of("Frontal/Lateral", {"Frontal": False, "Lateral": True}):
        return "lateral"
    words = record.maybe("AP/PA")
    if words not in _FRONTAL:
        left_out[OTHER_VIEW] += 1
    return _FRONTAL.get(words)
