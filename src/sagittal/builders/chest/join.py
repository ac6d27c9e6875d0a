"""Statements of all sources in one file on disk, found by film: joins of any size in bounded memory."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sagittal.errors import InputError
from sagittal.files import atomic_path, sha256_file, sha256_json, storage_errors
from sagittal.io.films.source import FilmSource
from sagittal.io.films.statement import FilmStatement

_TABLE = "CREATE TABLE said (collection TEXT, image TEXT, study TEXT, source INTEGER, body TEXT)"
#: What is stated of a film, and of a study. The empty name stands in the text, since an index of part of a
#: table is used for that part alone.
OF_FILM = "SELECT study, source, body FROM said WHERE collection = ? AND image = ? ORDER BY rowid"
OF_STUDY = (
    "SELECT study, source, body FROM said WHERE collection = ? AND study = ? AND image = '' ORDER BY rowid"
)
#: Part of what a join is known by: a change of its form makes old files void.
_VERSION = "sagittal.film-join/1"


@dataclass(frozen=True)
class Join:
    """Statements, joined.

    Attributes:
        path: of the file.
    """

    path: Path

    def films(self) -> list[tuple[str, str]]:
        """Collection and id of every film, in order."""
        query = "SELECT DISTINCT collection, image FROM said WHERE image != '' ORDER BY collection, image"
        return [(str(c), str(i)) for c, i in _opened(self.path).execute(query)]

    def stated(self, collection: str, image: str) -> list[tuple[int, FilmStatement]]:
        """What is stated of a film and of the study that it belongs to, by number of the source."""
        db = _opened(self.path)
        own = db.execute(OF_FILM, (collection, image)).fetchall()
        # Where sources disagree on the study, nothing stated of a study is known to be of this film.
        studies = {study for study, _, _ in own if study}
        if len(studies) == 1:
            own += db.execute(OF_STUDY, (collection, studies.pop())).fetchall()
        return [(int(source), FilmStatement.model_validate_json(body)) for _, source, body in own]

    def left_out(self) -> dict[str, int]:
        """Rows that the readers left out, by source and reason."""
        rows = _opened(self.path).execute("SELECT reason, count FROM left_out ORDER BY reason")
        return {str(reason): int(count) for reason, count in rows}


def join_sources(
    sources: Sequence[FilmSource], path: Path, *, progress: Callable[[str, int], None] | None = None
) -> Join:
    """Read all sources into the file ``path``, unless it is there and was made from the same tables.

    Args:
        sources: what to read.
        path: of the file.
        progress: name of the source, statements read so far; called now and then.

    Raises:
        InputError: no film is named.
        LayoutError, FileFormatError, StorageError: as the sources raise; no file is left then.
    """
    made_from = tables_hash(sources)
    if path.exists() and _made_from(path) == made_from:
        return Join(path)
    with atomic_path(path) as temporary:
        db = sqlite3.connect(temporary, isolation_level=None)
        try:
            # Nothing needs to survive a crash: the file gets its name when it is whole.
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            db.execute(_TABLE)
            db.execute("CREATE TABLE left_out (reason TEXT, count INTEGER)")
            db.execute("CREATE TABLE made_from (hash TEXT)")
            db.execute("BEGIN")
            for number, source in enumerate(sources):
                left_out: Counter[str] = Counter()
                db.executemany(
                    "INSERT INTO said VALUES (?, ?, ?, ?, ?)", _rows(number, source, left_out, progress)
                )
                db.executemany(
                    "INSERT INTO left_out VALUES (?, ?)",
                    [(f"{source.name}: {reason}", count) for reason, count in left_out.items()],
                )
            db.execute("CREATE INDEX by_image ON said (collection, image)")
            db.execute("CREATE INDEX by_study ON said (collection, study) WHERE image = ''")
            db.execute("INSERT INTO made_from VALUES (?)", (made_from,))
            db.execute("COMMIT")
            [films] = db.execute("SELECT COUNT(*) FROM said WHERE image != ''").fetchone()
        finally:
            db.close()
        if not films:
            raise InputError(
                "The sources name no film.",
                expected="at least one table with a film in each row",
                got=", ".join(source.name for source in sources) or "no source",
            )
    # What was there before may still be open.
    _opened.cache_clear()
    return Join(path)


def tables_hash(sources: Sequence[FilmSource]) -> str:
    """What a join is made from: layouts, and the bytes of their tables."""
    tables = [[one.name, one.collection, [sha256_file(table) for table in one.tables]] for one in sources]
    return sha256_json([_VERSION, tables])


def _rows(
    number: int, source: FilmSource, left_out: Counter[str], progress: Callable[[str, int], None] | None
) -> Iterator[tuple[str, str, str, int, str]]:
    for done, one in enumerate(source.statements(left_out), start=1):
        body = one.model_dump_json(exclude_defaults=True)
        yield one.collection, one.image, one.study, number, body
        if progress is not None and done % 1_000 == 0:
            progress(source.name, done)


def _made_from(path: Path) -> str | None:
    try:
        found = _opened(path).execute("SELECT hash FROM made_from").fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if found is None else str(found[0])


@lru_cache(maxsize=4)
def _opened(path: Path) -> sqlite3.Connection:
    """For reading; one a process."""
    with storage_errors(path):
        path.stat()
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
