"""What a specialist needs beside Sagittal, and whether it is there: read from files, nothing imported."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from sagittal.errors import IntegrityError, StorageError
from sagittal.files import sha256_file, storage_errors
from sagittal.specialists.card import SpecialistCard, Weights


def missing(card: SpecialistCard, folder: Path) -> list[str]:
    """What is not there, in words; nothing when all is.

    Args:
        card: the specialist's.
        folder: where its own weights lie.
    """
    lacks = [f"the package {name}" for name in card.needs.packages if not _installed(name)]
    for weights in card.needs.weights:
        try:
            path = weights_path(weights, folder)
        except StorageError:
            if weights.package is None or _installed(weights.package):
                lacks.append(f"the file {weights.file}")
            continue
        except IntegrityError as error:
            lacks.append(f"the file {weights.file}: {error.message}")
            continue
        if weights.sha256 is not None and sha256_file(path) != weights.sha256:
            lacks.append(f"the file {weights.file}: it is another one than its card names")
    return lacks


def weights_path(weights: Weights, folder: Path) -> Path:
    """Where a file of weights lies.

    Args:
        weights: as its card names it.
        folder: of the specialist.

    Raises:
        IntegrityError: the path leads out of the folder or the package.
        StorageError: it is not there.
    """
    if weights.package is None:
        home = folder
    else:
        try:
            home = Path(str(metadata.distribution(weights.package).locate_file("")))
        except metadata.PackageNotFoundError:
            raise StorageError("The package is not installed.", got=weights.package) from None
    path = (home / weights.file).resolve()
    if not path.is_relative_to(home.resolve()):
        raise IntegrityError("it lies outside of its folder", got=path)
    if not path.is_file():
        raise StorageError("There is no such file.", got=path)
    return path


def require_content(path: Path, sha256: str) -> None:
    """Refuse a file that is not, to the byte, the one that a card names.

    Raises:
        IntegrityError: it is another one.
        StorageError: it cannot be read.
    """
    with storage_errors(path):
        found = sha256_file(path)
    if found != sha256:
        raise IntegrityError(
            "This network is another one than its card names.", expected=sha256, got=f"{path}: {found}",
            remedy="install the version that its card names",
        )  # fmt: skip


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
