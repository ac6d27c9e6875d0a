"""Records of published JSON and CSV files, distrusted: every field is asked for by name and type."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NoReturn

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors


@dataclass(frozen=True)
class Record:
    """One record of a file.

    Attributes:
        file: path of the file, relative to the set's folder.
        number: of the record in it, from 1.
        values: its fields.
    """

    file: str
    number: int
    values: Mapping[str, Any]

    @property
    def stem(self) -> str:
        """The file's name without folder and ending."""
        return PurePosixPath(self.file).stem

    def words(self, *keys: str) -> str:
        """The first of these fields that is there, as stripped words; a number becomes its words.

        Raises:
            FileFormatError: none is there, or it is neither words nor a number.
        """
        found = self.maybe(*keys)
        if found is None:
            self.refuse(f"no `{'` or `'.join(keys)}`", sorted(map(str, self.values)))
        return found

    def maybe(self, *keys: str) -> str | None:
        """As :meth:`words`, but ``None`` where none is there (or it is null)."""
        for key in keys:
            value = self.values.get(key)
            if value is not None:
                return self.plain(value, key)
        return None

    def plain(self, value: object, key: str) -> str:
        """A value of this record as stripped words.

        Raises:
            FileFormatError: it is neither words nor a number, or holds half a character.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.refuse(f"`{key}` is not text", repr(value)[:80])
        words = str(value).strip()
        try:
            words.encode("utf-8")
        except UnicodeEncodeError:
            self.refuse(f"`{key}` holds half a character", ascii(words)[:80])
        return words

    def path(self, value: str) -> str:
        """A file's path, as published, that stays below the folder of the images.

        Raises:
            FileFormatError: it is empty, absolute, climbs out, or has characters that no path has.
        """
        path = PurePosixPath(value)
        outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(value).drive
        if not path.parts or outside or "\\" in value or any(c < " " for c in value):
            self.refuse("the path of a file leads out of the folder of the images", ascii(value)[:120])
        return path.as_posix()

    def refuse(self, what: str, got: object) -> NoReturn:
        """Raise :class:`FileFormatError` that names this record."""
        raise FileFormatError(
            f"Record {self.number} of {self.file} cannot be used: {what}.",
            expected="the published form (see sagittal.builders.vqa_sets.sets)",
            got=got,
            remedy="fetch the file again, or take the record out",
        )


def read_records(path: Path, root: Path) -> list[Record]:
    """The records of a JSON list of objects, or of a CSV file with a line of names (UTF-8).

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is not of that form.
    """
    with storage_errors(path):
        data = path.read_bytes()
    name = path.relative_to(root).as_posix()
    try:
        text = data.decode("utf-8-sig")
        rows = _csv(text) if path.suffix == ".csv" else _json(text)
    except (ValueError, RecursionError, csv.Error) as error:
        raise FileFormatError(
            f"{path.name} is not what its name says.",
            expected="a JSON list of objects" if path.suffix == ".json" else "CSV with a line of names",
            got=f"{path}: {str(error)[:120]}",
            remedy="fetch the file again",
        ) from error
    return [Record(name, number, row) for number, row in enumerate(rows, start=1)]


def _json(text: str) -> list[dict[str, Any]]:
    value = json.loads(text, parse_constant=_no_constant)
    if not isinstance(value, list):
        raise ValueError(f"a {type(value).__name__} where a list was due")
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise ValueError(f"entry {number} is a {type(row).__name__}")
    return value


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _csv(text: str) -> Iterable[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = list(reader)
    names = reader.fieldnames or ()
    if len(set(names)) != len(names):
        raise ValueError(f"a column stands twice: {', '.join(names)}")
    for number, row in enumerate(rows, start=1):
        # DictReader files surplus cells under None and fills missing ones with None.
        if None in row or None in row.values():
            raise ValueError(f"row {number} has not {len(names)} cells")
    return rows
