"""Rows of tables that are too large to be kept: where they stand, and one of them again.

A row is the bytes between two ends of line that stand outside of quotes, so a quoted cell may go on over
several lines (landmarks are published so). The csv module is not used: its limit on the length of a field
holds for the whole process, and a mask is longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sagittal.errors import ConfigError, FileFormatError
from sagittal.files import storage_errors
from sagittal.io.films.statement import MaskRow

#: Longest row that is read: a hundred times what three masks of a large film take.
MAX_ROW = 1 << 24
_QUOTE, _MARK = b'"', b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ByteRow:
    """A row without its end of line: the line that it begins in, its first byte in the file, its bytes."""

    line: int
    offset: int
    data: bytes


def byte_rows(path: Path, *, quoted: bool = True) -> Iterator[ByteRow]:
    """All rows that are not blank, in bounded memory.

    Args:
        quoted: cells may be quoted, as CSV has them; otherwise every line is a row.

    Raises:
        FileFormatError: a row is too long, or a quote is never closed.
        StorageError: the table cannot be read.
    """
    line, offset = 1, 0
    with storage_errors(path), path.open("rb") as handle:
        if handle.read(len(_MARK)) == _MARK:
            offset = len(_MARK)
        handle.seek(offset)
        while part := handle.readline(MAX_ROW):
            parts, length, odd = [part], len(part), quoted and part.count(_QUOTE) % 2
            while odd and length < MAX_ROW:
                part = handle.readline(MAX_ROW - length)
                if not part:
                    raise _strange(path, line, "a quote that is opened and never closed")
                parts.append(part)
                length, odd = length + len(part), (odd + part.count(_QUOTE)) % 2
            if length >= MAX_ROW:
                raise _strange(path, line, f"{MAX_ROW} bytes or more in one row")
            row = b"".join(parts).rstrip(b"\r\n")
            if row:
                yield ByteRow(line, offset, row)
            line, offset = line + len(parts), offset + length


def row_again(tables: tuple[Path, ...], row: MaskRow) -> tuple[Path, bytes]:
    """The table of a row that :func:`byte_rows` gave, and its bytes; nothing else is read.

    Raises:
        ConfigError: the source has no such table.
        FileFormatError: no row of this length stands there.
        StorageError: the table cannot be read.
    """
    if row.table >= len(tables):
        raise ConfigError("The source has no such table.", expected=f"0 to {len(tables) - 1}", got=row.table)
    path = tables[row.table]
    if row.length >= MAX_ROW:
        raise changed(path, row)
    with storage_errors(path), path.open("rb") as handle:
        # With the byte before it and the one after it, which end lines or are not there.
        handle.seek(max(row.offset - 1, 0))
        before = handle.read(1) if row.offset else b""
        data, after = handle.read(row.length), handle.read(1)
    starts, ends = before in (b"", b"\n", _MARK[-1:]), after in (b"", b"\n", b"\r")
    if len(data) < row.length or not (starts and ends) or data[-1:] in (b"\n", b"\r"):
        raise changed(path, row)
    return path, data


def split_cells(data: bytes) -> list[bytes]:
    """The cells of a CSV row, quotes taken off.

    Raises:
        ValueError: something stands after a closing quote.
    """
    if _QUOTE not in data:
        return data.split(b",")
    cells, at = [], 0
    while True:
        if data[at : at + 1] == _QUOTE:
            end = data.index(_QUOTE, at + 1)
            while data[end + 1 : end + 2] == _QUOTE:
                end = data.index(_QUOTE, end + 2)
            cells.append(data[at + 1 : end].replace(b'""', _QUOTE))
            at = end + 1
            if at < len(data) and data[at : at + 1] != b",":
                raise ValueError("a cell goes on after its closing quote")
        else:
            comma = data.find(b",", at)
            end = len(data) if comma < 0 else comma
            cells.append(data[at:end])
            at = end
        if at >= len(data):
            return cells
        at += 1


def changed(path: Path, row: MaskRow) -> FileFormatError:
    """The error for a row that is not there (any more)."""
    return FileFormatError(
        f"{path.name} has no row at this place: it is another file than the one that was read.",
        expected=f"{row.length} bytes at {row.offset}",
        got=path,
        remedy="read the statements again",
    )


def _strange(path: Path, line: int, what: str) -> FileFormatError:
    return FileFormatError(
        f"The row that begins in line {line} of {path.name} cannot be read.",
        expected="CSV of the published form",
        got=what,
        remedy="fetch the file again",
    )
