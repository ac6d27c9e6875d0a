"""Reports that lie in files of their own."""

from __future__ import annotations

from pathlib import Path

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors

#: Longest report that is read; real ones have some thousand bytes.
MAX_REPORT = 1 << 18


def read_report(path: Path) -> bytes:
    """The bytes of a report.

    Raises:
        FileFormatError: it is longer than any report.
        StorageError: it cannot be read.
    """
    with storage_errors(path), path.open("rb") as handle:
        data = handle.read(MAX_REPORT + 1)
    if len(data) > MAX_REPORT:
        raise FileFormatError(
            f"{path.name} is too long for a report.",
            expected=f"at most {MAX_REPORT} bytes",
            got=path,
            remedy="fetch the file again",
        )
    return data


def read_text(path: Path) -> str | None:
    """The words of a report, ``None`` where there is no such file.

    Raises:
        FileFormatError: as :func:`read_report`, or it is not text.
        StorageError: it cannot be read.
    """
    if not path.is_file():
        return None
    try:
        return read_report(path).decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path.name} is not a text.", expected="UTF-8", got=f"{path}: {error}", remedy="fetch it again"
        ) from error
