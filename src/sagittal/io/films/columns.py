"""Columns of a table: which must be there, and where they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sagittal.errors import LayoutError

#: A column's name, or several by which it was published, of which the first is used here.
Wanted = str | tuple[str, ...]


def positions(names: Sequence[str], wanted: Sequence[Wanted], path: Path) -> dict[str, int]:
    """Name → place of every column that has a name; a wanted one under the first of its names.

    Raises:
        LayoutError: a wanted column is missing, or a name stands twice.
    """
    names = [name.strip() for name in names]
    repeated = [name for name, count in Counter(names).items() if name and count > 1]
    if repeated:
        raise LayoutError(
            f"{path.name} has a column twice.",
            expected="each name once",
            got=", ".join(repeated),
            remedy="fetch the file again",
        )
    found = {name: place for place, name in enumerate(names) if name}
    for column in wanted:
        known = (column,) if isinstance(column, str) else column
        present = [name for name in known if name in found]
        if not present:
            raise LayoutError(
                f"{path.name} lacks a column.",
                expected=" or ".join(known),
                got=", ".join(names)[:500] or "no column",
                remedy=f"check that {path} is the published table",
            )
        found[known[0]] = found[present[0]]
    return found
