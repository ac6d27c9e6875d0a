"""Every layout that is read, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sagittal.errors import ConfigError
from sagittal.io.films.cardiomegaly import Cardiomegaly
from sagittal.io.films.chexmask import CheXmask
from sagittal.io.films.chexpert import CheXpert
from sagittal.io.films.cxr_lt import CxrLt
from sagittal.io.films.mask_folder import MaskFolder
from sagittal.io.films.mimic_cxr_jpg import MimicCxrJpg
from sagittal.io.films.mimic_cxr_vqa import MimicCxrVqa
from sagittal.io.films.mimic_diff_vqa import MimicDiffVqa
from sagittal.io.films.nih import Nih
from sagittal.io.films.openi import OpenI
from sagittal.io.films.pe_severity import PeSeverity
from sagittal.io.films.source import FilmSource
from sagittal.io.films.statement_lines import StatementLines


@dataclass(frozen=True)
class SourceKind:
    """A layout.

    Attributes:
        reader: folder → source.
        gives: what its statements hold, in a sentence.
        source, licence: as published.
    """

    reader: Callable[[Path], FilmSource]
    gives: str
    source: str
    licence: str


class _Reader(Protocol):
    """What every reader's class has."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def licence(self) -> str: ...

    def __call__(self, folder: Path) -> FilmSource: ...


def _kind(reader: _Reader, gives: str) -> tuple[str, SourceKind]:
    return reader.name, SourceKind(reader, gives, reader.source, reader.licence)


SOURCES: Mapping[str, SourceKind] = dict(
    (
        _kind(
            Cardiomegaly, "Cardiothoracic and cardiopulmonary area ratios of PA films, or why there is none."
        ),
        _kind(MimicCxrJpg, "Films with view and size, labels of their reports, and the reports."),
        _kind(PeSeverity, "Grades of pulmonary oedema of films and studies, and how they were come by."),
        _kind(CxrLt, "Labels of films, 26 findings in 2023 and 45 in 2024."),
        _kind(CheXmask, "Masks of heart and lungs in five collections, with their estimated quality."),
        _kind(MimicCxrVqa, "Questions about films with lists of answers, by semantic and content type."),
        _kind(MimicDiffVqa, "Questions about studies, those about differences left out."),
        _kind(Nih, "Frontal films with labels, size, spacing, sex, and boxes around some findings."),
        _kind(CheXpert, "Frontal and lateral films with sex and labels, some of them uncertain."),
        _kind(OpenI, "Reports with findings and impression, and their films."),
        _kind(StatementLines, "Statements of one's own, as JSON lines."),
        _kind(MaskFolder, "Films of one's own with mask pictures and a table."),
    )
)


def open_source(name: str, folder: str | Path) -> FilmSource:
    """A published layout in a folder.

    Args:
        name: one of :data:`SOURCES`.

    Raises:
        ConfigError: no such layout.
        LayoutError: the folder does not have its tables.
        StorageError: the folder cannot be read.
    """
    if name not in SOURCES:
        raise ConfigError("There is no such source of chest films.", expected=", ".join(SOURCES), got=name)
    source = SOURCES[name].reader(Path(folder))
    # Looked for now, so that a wrong folder is told before any work.
    _ = source.tables
    return source
