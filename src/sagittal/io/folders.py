"""Looking through folders: in one order, each folder once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sagittal.files import storage_errors

# Deep enough for any published layout, shallow enough to end soon in a home folder.
_MAX_DEPTH = 6


def walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders under ``root`` with the names in each, sorted; each folder once, however it is linked.

    Raises:
        StorageError: a folder cannot be listed.
    """
    seen: set[str] = set()
    todo = [(root, 0)]
    while todo:
        folder, depth = todo.pop()
        with storage_errors(folder):
            real = os.path.realpath(folder)
            if real in seen:
                continue
            seen.add(real)
            names = sorted(path.name for path in folder.iterdir())
        yield folder, names
        if depth < _MAX_DEPTH:
            # Path.is_dir is False, not an error, for a link that leads to itself.
            inner = [folder / name for name in names if not name.startswith(".") and (folder / name).is_dir()]
            todo.extend((path, depth + 1) for path in reversed(inner))
