"""Atomic writes, hashes and manifests.

Nothing is ever half-written: a file is made under a temporary name beside its target and renamed
when it is whole; a folder likewise. Renames within one folder are atomic on POSIX and on Windows.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sagittal.errors import StorageError

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn operating-system errors about ``path`` into :class:`StorageError` with a remedy."""
    try:
        yield
    except OSError as error:
        raise _explain(error, path) from error


def _explain(error: OSError, path: Path) -> StorageError:
    remedies = {
        errno.ENOSPC: ("No space is left on the device.", "free some space, or name another folder"),
        errno.EFBIG: ("The file is larger than this system lets it be.", "raise the limit, or write less"),
        errno.EDQUOT: ("The disk quota is used up.", "free some space, or name another folder"),
        errno.EACCES: ("Permission was refused.", "check who owns it and its permissions"),
        errno.EPERM: ("Permission was refused.", "check who owns it and its permissions"),
        errno.EROFS: ("The file system is read-only.", "name a folder that can be written"),
        errno.ENOENT: ("There is no such file or folder.", "check the spelling of the path"),
        errno.EEXIST: ("A folder was expected; there is a file of this name.", "name a folder"),
        errno.EISDIR: ("A file was expected; this is a folder.", "name a file"),
        errno.ENOTDIR: ("A folder was expected; part of this path is a file.", "name a folder"),
        errno.ENAMETOOLONG: ("The name is too long.", "use a shorter name"),
    }
    number = error.errno if error.errno is not None else -1
    message, remedy = remedies.get(number, (error.strerror or str(error), "see the message above"))
    return StorageError(message, got=path, remedy=remedy)


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")


@contextmanager
def atomic_path(path: str | Path, *, keep_suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it onto ``path`` when the block succeeds.

    Args:
        path: the file to make; parent folders are made as needed.
        keep_suffix: ending that the temporary name must carry too, for writers that decide by it.

    Raises:
        StorageError: no permission, no space, or a parent that is not a folder.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    if keep_suffix:
        temporary = temporary.with_name(temporary.name + keep_suffix)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; rename it onto ``path`` when the block succeeds.

    Raises:
        StorageError: ``path`` exists already and is not an empty folder, or cannot be written.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StorageError(
            "The output is already there and is not an empty folder.",
            got=path,
            remedy="name a new folder, or delete this one",
        )
    temporary = _temporary_beside(path)
    with storage_errors(path):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if path.is_dir():
                path.rmdir()
            temporary.replace(path)
        finally:
            if temporary.exists():
                shutil.rmtree(temporary)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically."""
    write_bytes(path, text.encode("utf-8"))


def to_json_text(value: Any) -> str:
    """Canonical JSON: sorted keys, two spaces, no NaN or infinity, a newline at the end.

    A file name that is not UTF-8 reaches Python as lone surrogates, which UTF-8 cannot hold: JSON
    holds them as the escapes that ``backslashreplace`` writes.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as canonical JSON to ``path`` atomically."""
    write_text(path, to_json_text(value))


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in bounded memory."""
    with storage_errors(Path(path)), Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hexadecimal SHA-256 of a value's canonical JSON: a key for configs and manifests."""
    return sha256_bytes(to_json_text(value).encode("utf-8"))


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions of Sagittal and of the named distributions, for manifests."""
    from importlib.metadata import PackageNotFoundError, version

    from sagittal import __version__

    found = {"sagittal": __version__}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def manifest(
    *,
    kind: str,
    config: Mapping[str, Any],
    seed: int | None,
    inputs: Mapping[str, str],
    libraries: tuple[str, ...],
) -> dict[str, Any]:
    """What an artefact was made from. No wall-clock: the same inputs give the same manifest.

    Args:
        kind: what the artefact is ("tumour-vqa", "simulated-studies", …).
        config: every setting that shaped it.
        seed: the seed, or ``None`` when nothing was drawn.
        inputs: relative path → SHA-256 of each input.
        libraries: distributions whose versions matter.
    """
    return {
        "schema": "sagittal.manifest/1",
        "kind": kind,
        "config": dict(config),
        "seed": seed,
        "versions": versions(*libraries),
        "inputs": dict(inputs),
    }


def data_home() -> Path:
    """Where fetched atlases live: ``$SAGITTAL_HOME``, else the user's data folder."""
    explicit = os.environ.get("SAGITTAL_HOME")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "sagittal"
