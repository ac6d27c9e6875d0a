"""What every reader of a published layout gives: its tables, and what they state, one film at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow


class FilmSource(Protocol):
    """A published data set in a folder. Sources pickle: tables are opened when they are read.

    Attributes:
        name: of the layout.
        collection: whose ids its films have; empty where its statements are of several.
        source, licence: for the record.
        tables: files that it reads, in a fixed order; pictures are none of them, nor are MIMIC-CXR's
            reports, a file a study.
    """

    @property
    def name(self) -> str: ...

    @property
    def collection(self) -> str: ...

    @property
    def source(self) -> str: ...

    @property
    def licence(self) -> str: ...

    @property
    def tables(self) -> tuple[Path, ...]: ...

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        """What the tables state, in their order, in bounded memory.

        Args:
            left_out: reason → how often something was left out on purpose; it is added to on the way.

        Raises:
            LayoutError: a table without a column that it should have; it is named.
            FileFormatError: a row that is not of the published form; table and row are named.
            StorageError: a table cannot be read.
        """
        ...

    def masks(self, row: MaskRow) -> FilmMasks:
        """The masks that a statement points at; raises as :meth:`statements`.

        Raises:
            ConfigError: this layout has no masks.
        """
        ...
