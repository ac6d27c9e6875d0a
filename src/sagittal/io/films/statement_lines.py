"""Statements of our own: JSON lines of :class:`FilmStatement`, masks by value in them.

``statements.jsonl``, or several files that end in ``.jsonl``, in the order of their names. On reading,
masks are pointed at as in the large published tables, so that a file of any size streams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError

from sagittal.errors import ConfigError
from sagittal.files import atomic_path, storage_errors
from sagittal.io.films.byte_rows import byte_rows, changed, row_again
from sagittal.io.films.csv_tables import missing_tables
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow

ENDING = ".jsonl"


@dataclass(frozen=True)
class StatementLines:
    """A statement a line. Its collection is each statement's own."""

    name: ClassVar[str] = "statements"
    collection: ClassVar[str] = ""
    source: ClassVar[str] = "statements of one's own"
    licence: ClassVar[str] = "that of what they were made from"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        with storage_errors(self.folder):
            found = sorted(path for path in self.folder.iterdir() if path.suffix == ENDING)
        if not found:
            raise missing_tables(self.folder, f"statements{ENDING}")
        return tuple(found)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        for number, path in enumerate(self.tables):
            for row in byte_rows(path, quoted=False):
                record = Record(f"line {row.line} of {path.name}", {})
                statement = _read(record, row.data)
                if statement.masks is not None:
                    there = MaskRow(table=number, offset=row.offset, length=len(row.data))
                    statement = statement.model_copy(update={"masks": there})
                yield statement

    def masks(self, row: MaskRow) -> FilmMasks:
        path, data = row_again(self.tables, row)
        masks = _read(Record(f"the line at byte {row.offset} of {path.name}", {}), data).masks
        if not isinstance(masks, FilmMasks):
            raise changed(path, row)
        return masks


def _read(record: Record, data: bytes) -> FilmStatement:
    try:
        statement = FilmStatement.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        record.refuse(f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg']}", first["input"])
    if isinstance(statement.masks, MaskRow):
        record.refuse("it points at masks in a table of another source", statement.masks)
    sizes = (statement.size, statement.masks.size if statement.masks else None)
    for size in sizes:
        if size is not None:
            record.checked_size(size)
    if statement.spacing_mm is not None:
        record.checked_spacing(statement.spacing_mm)
    if statement.file:
        record.path(statement.file)
    return statement


def write_statements(path: str | Path, statements: Iterable[FilmStatement]) -> int:
    """Write statements as JSON lines, atomically; what is not said is left out.

    Returns:
        How many were written.

    Raises:
        ConfigError: masks that are pointed at; read them first (:meth:`FilmSource.masks`).
        StorageError: it cannot be written.
    """
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        for count, statement in enumerate(statements, start=1):
            if isinstance(statement.masks, MaskRow):
                raise ConfigError(
                    "Masks are written by value, not as places in a table.",
                    got=f"statement {count}: {statement.masks}",
                    remedy="read them with the source's masks, and put them into the statement",
                )
            handle.write(statement.model_dump_json(exclude_defaults=True) + "\n")
    return count
