"""Checkpoints that ship: a folder each, with its card (:mod:`sagittal.models.checkpoint`).

Those that a user adds lie in ``weights`` in the data folder (:func:`sagittal.files.data_home`) and are
found alike. This module reads no weights and imports no network.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from sagittal.errors import InputError
from sagittal.files import data_home, storage_errors

_CARD = "card.json"


def checkpoints() -> dict[str, Path]:
    """Name → folder of every checkpoint at hand: those that ship, then the user's own, by name.

    A user's checkpoint does not take the place of one that ships.

    Raises:
        StorageError: a folder cannot be listed.
    """
    found: dict[str, Path] = {}
    for home in (Path(__file__).parent, data_home() / "weights"):
        if not home.is_dir():
            continue
        with storage_errors(home):
            folders = sorted(folder for folder in home.iterdir() if (folder / _CARD).is_file())
        for folder in folders:
            found.setdefault(folder.name, folder)
    return found


def find_checkpoint(name: str) -> Path:
    """The folder of one checkpoint.

    Args:
        name: of a checkpoint at hand, or the path of a checkpoint's folder.

    Raises:
        InputError: there is no such checkpoint.
    """
    known = checkpoints()
    if name in known:
        return known[name]
    # What cannot be a path (too long, a zero byte) is no checkpoint either.
    with suppress(OSError, ValueError):
        if name and (Path(name) / _CARD).is_file():
            return Path(name)
    raise InputError(
        "There is no such model.",
        expected=", ".join(["auto", *known]) + f", or a checkpoint's folder (with {_CARD})",
        got=name[:200],
        remedy="choose one of these" if known else no_checkpoint_remedy(),
    )


def no_checkpoint_remedy() -> str:
    """What to do where no checkpoint is at hand."""
    return (
        "name a checkpoint's folder (--model FOLDER), put one into "
        f"{data_home() / 'weights'}, or train one (recipes/)"
    )
