"""Which foreign specialists may run: what the user enabled, and nothing that changed since.

A list in the data folder (:func:`sagittal.files.data_home`), with the version and the card's hash that were
enabled: another version is another program, and is enabled anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sagittal.errors import IntegrityError
from sagittal.files import data_home, storage_errors, write_json


class Enabled(BaseModel):
    """One specialist that may run.

    Attributes:
        version: of the distribution that brings it; of a folder, nothing.
        folder: where it lies, when no distribution brings it.
        card: SHA-256 of its card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = ""
    folder: str | None = None
    card: str


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["sagittal.enabled-specialists/1"] = Field(alias="schema")
    specialists: dict[str, Enabled]


def enabled_file() -> Path:
    """Where the list lies."""
    return data_home() / "specialists.json"


def read_enabled() -> dict[str, Enabled]:
    """Name → what was enabled; nothing where there is no list.

    Raises:
        IntegrityError: the list is damaged.
        StorageError: it cannot be read.
    """
    path = enabled_file()
    if not path.is_file():
        return {}
    with storage_errors(path):
        text = path.read_text("utf-8", errors="replace")
    try:
        return _Document.model_validate(json.loads(text)).specialists
    except (ValueError, ValidationError) as error:
        raise IntegrityError(
            "The list of enabled specialists is damaged.", got=f"{path}: {error}",
            remedy="remove it, and enable them again",
        ) from error  # fmt: skip


def enable(name: str, what: Enabled) -> None:
    """Let a specialist run.

    Raises:
        IntegrityError, StorageError: the list cannot be read or written.
    """
    _write({**read_enabled(), name: what})


def disable(name: str) -> None:
    """Let it run no more; nothing happens when it is not enabled."""
    _write({known: what for known, what in read_enabled().items() if known != name})


def _write(specialists: dict[str, Enabled]) -> None:
    known = {name: specialists[name].model_dump() for name in sorted(specialists)}
    write_json(enabled_file(), {"schema": "sagittal.enabled-specialists/1", "specialists": known})
