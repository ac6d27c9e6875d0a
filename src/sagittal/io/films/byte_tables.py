"""CSV tables whose rows are read by their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sagittal.errors import LayoutError
from sagittal.io.films.byte_rows import ByteRow, byte_rows, split_cells
from sagittal.io.films.columns import Wanted, positions
from sagittal.io.films.record import Record


@dataclass(frozen=True)
class ByteTable:
    """A table and where its columns stand."""

    path: Path
    places: Mapping[str, int]

    @classmethod
    def of(cls, path: Path, wanted: Sequence[Wanted]) -> ByteTable:
        """A table with its line of names read.

        Raises:
            LayoutError: a column is missing, or a name stands twice.
            FileFormatError, StorageError: as :func:`byte_rows`.
        """
        first = next(byte_rows(path), None)
        try:
            names = [cell.decode("utf-8") for cell in split_cells(first.data)] if first else []
        except ValueError as error:
            raise LayoutError(
                f"{path.name} has no line of names.", got=str(error)[:200], remedy="fetch the file again"
            ) from error
        return cls(path, positions(names, wanted, path))

    def rows(self) -> Iterator[ByteRow]:
        """Its rows without the line of names."""
        return islice(byte_rows(self.path), 1, None)

    def cells(self, data: bytes) -> dict[str, bytes] | None:
        """The cells of a row by name; ``None`` where they are too few or too many, or quoted wrongly."""
        try:
            cells = split_cells(data)
        except ValueError:
            return None
        width = max(self.places.values()) + 1
        if len(cells) < width or any(cells[width:]):
            return None
        return {name: cells[place] for name, place in self.places.items()}

    def record(self, row: ByteRow, *keys: str) -> Record:
        """Some cells of a row as text.

        Raises:
            FileFormatError: it has too few cells or too many, or they are not text.
        """
        where = f"line {row.line} of {self.path.name}"
        cells = self.cells(row.data)
        if cells is None:
            Record(where, {}).refuse(f"it has not {max(self.places.values()) + 1} cells", row.data[:40])
        try:
            return Record(where, {key: cells[key].decode("utf-8") for key in keys if key in cells})
        except UnicodeDecodeError as error:
            Record(where, {}).refuse(f"it is not text: {error}", row.data[:40])
