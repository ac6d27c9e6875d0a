"""What a person states about pictures: ``pictures.csv`` of the input folder, and one word for all of them.

Columns: ``image`` (the picture's or the case's name), and any of ``patient``, ``dataset``, ``modality``,
``region``, ``orientation``. An empty cell states nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sagittal.builders.pixel_qa.records import MODALITIES, Modality
from sagittal.errors import ConfigError, FileFormatError
from sagittal.files import storage_errors

TABLE = "pictures.csv"
_COLUMNS = ("image", "patient", "dataset", "modality", "region", "orientation")
_MAX_BYTES = 1 << 28
_MAX_CELL = 120


@dataclass(frozen=True)
class Stated:
    """What is stated of one picture or case; ``None`` where nothing is."""

    patient: str | None = None
    dataset: str | None = None
    modality: Modality | None = None
    region: str | None = None
    orientation: str | None = None


class StatedTable:
    """Of every picture of a folder what is stated.

    Args:
        root: the input folder; its ``pictures.csv`` is read where there is one.
        modality, region: of all pictures for which the table states none.

    Raises:
        ConfigError: a modality that is not known.
        FileFormatError: the table is not as described; the row is named.
        StorageError: it cannot be read.
    """

    def __init__(self, root: Path, *, modality: str | None = None, region: str | None = None) -> None:
        self._modality = None if modality is None else modality_named(modality)
        self._region = region
        path = root / TABLE
        with storage_errors(path):
            data = path.read_bytes() if path.is_file() else b""
        self._rows = _rows(data, path) if data else {}

    def of(self, name: str) -> Stated:
        """What is stated of a picture or case."""
        row = self._rows.get(name, {})
        modality = row.get("modality")
        return Stated(
            row.get("patient"),
            row.get("dataset"),
            modality_named(modality) if modality else self._modality,
            row.get("region") or self._region,
            row.get("orientation"),
        )

    def require_known(self, names: set[str]) -> None:
        """Refuse a table that speaks of pictures that are not there: a name is misspelt.

        Raises:
            FileFormatError: naming the first of them.
        """
        strange = sorted(set(self._rows) - names)
        if strange:
            raise FileFormatError(
                f"{TABLE} speaks of pictures that are not there.",
                expected=", ".join(sorted(names)[:5]),
                got=", ".join(strange[:5]),
                remedy="give names without folder and ending",
            )


def modality_named(word: str) -> Modality:
    """A modality by its name, whatever its capitals.

    Raises:
        ConfigError: there is none of that name.
    """
    for modality in MODALITIES:
        if modality.lower() == word.strip().lower():
            return modality
    raise ConfigError("The modality is not known.", expected=", ".join(MODALITIES), got=word)


def _rows(data: bytes, path: Path) -> Mapping[str, dict[str, str]]:
    def refuse(what: str, got: object) -> FileFormatError:
        return FileFormatError(
            f"{path.name}: {what}.",
            expected=f"columns {', '.join(_COLUMNS)}",
            got=got,
            remedy="mend the table",
        )

    if len(data) > _MAX_BYTES:
        raise refuse("the table is too large", f"{len(data)} bytes")
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise refuse("not CSV in UTF-8", str(error)) from error
    if "image" not in columns or len(set(columns)) != len(columns) or not set(columns) <= set(_COLUMNS):
        raise refuse("other columns", ", ".join(columns))
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        # DictReader files surplus cells under None and fills missing ones with None.
        if None in row or None in row.values():
            raise refuse(f"line {number} has not {len(columns)} cells", "another number")
        cells = {key: value.strip() for key, value in row.items() if value.strip()}
        odd = [
            v for v in cells.values() if len(v) > _MAX_CELL or not v.isprintable() or set(v) & set("<>{}|")
        ]
        if odd or "image" not in cells or cells["image"] in found:
            raise refuse(f"line {number} cannot be used", odd or row["image"] or "no name")
        found[cells.pop("image")] = cells
    return found
