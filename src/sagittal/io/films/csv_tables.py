"""Small published tables, as CSV or packed CSV, one record at a time."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from sagittal.errors import FileFormatError, LayoutError
from sagittal.files import storage_errors
from sagittal.io.films.columns import Wanted, positions
from sagittal.io.films.record import Record

#: Longest line of text that is read; the tables' own are some hundred characters.
MAX_LINE = 1 << 22
PACKED = ".gz"


def find_table(folder: Path, *names: str) -> Path | None:
    """The first of these files that is there, plain or packed."""
    for name in names:
        for path in (folder / name, folder / f"{name}{PACKED}"):
            if path.is_file():
                return path
    return None


def find_tables(folder: Path, *names: str) -> tuple[Path, ...]:
    """Those of these files that are there, plain or packed, in the order of the names.

    Raises:
        LayoutError: none is there.
        StorageError: the folder cannot be read.
    """
    found = [find_table(folder, name) for name in names]
    if not any(found):
        raise missing_tables(folder, *names)
    return tuple(path for path in found if path)


def missing_tables(folder: Path, *names: str) -> LayoutError:
    """The error for a folder without its tables.

    Raises:
        StorageError: the folder cannot be read.
    """
    with storage_errors(folder):
        there = sorted(path.name for path in folder.iterdir())
    return LayoutError(
        f"{folder} lacks a table.",
        expected=" or ".join(names),
        got=", ".join(there[:10]) or "an empty folder",
        remedy="name the folder that the published tables lie in (docs/chest-films.md)",
    )


def read_table(path: Path, wanted: Sequence[Wanted]) -> Iterator[Record]:
    """The rows of a table, named by the lines that they begin in.

    Columns without a name (tables end their lines with commas) must be empty.

    Raises:
        LayoutError: a wanted column is missing, or a name stands twice.
        FileFormatError: damaged, not text, or a row with too few or too many cells.
        StorageError: it cannot be read.
    """
    reader = csv.reader(_lines(path), strict=True)
    try:
        names = next(reader, [])
        places = positions(names, wanted, path)
        width = max(places.values(), default=-1) + 1
        line = reader.line_num + 1
        for cells in reader:
            record = Record(f"line {line} of {path.name}", {})
            line = reader.line_num + 1
            if not cells:
                continue
            if len(cells) < width or any(cells[width:]):
                record.refuse(f"it has not {width} cells", cells[-3:])
            yield Record(record.where, {name: cells[place] for name, place in places.items()})
    except csv.Error as error:
        raise _damaged(path, f"line {reader.line_num}: {error}") from error


def _lines(path: Path) -> Iterator[str]:
    number = 0
    with storage_errors(path), path.open("rb") as raw:
        try:
            handle = gzip.GzipFile(fileobj=raw) if path.suffix == PACKED else raw
            while line := handle.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE:
                    raise _damaged(path, f"line {number} has more than {MAX_LINE} characters")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
            raise _damaged(path, f"after line {number}: {error}") from error


def _damaged(path: Path, how: str) -> FileFormatError:
    return FileFormatError(
        f"{path.name} is damaged, or is no table.",
        expected="CSV in UTF-8 with a line of names",
        got=how[:200],
        remedy="fetch the file again",
    )
