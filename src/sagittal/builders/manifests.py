"""The forms of a build's manifest and of a shard's record, and reading them with distrust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sagittal.errors import FileFormatError, IntegrityError
from sagittal.example import Sha256
from sagittal.files import storage_errors

MANIFEST = "manifest.json"
SHARDS = "shards"
RECORD_SCHEMA = "sagittal.shard-record/1"
#: Files and folders that may lie beside the manifest.
BESIDE = ("stats.json", "stats.md", "stats.png", "pictures")


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShardEntry(_Form):
    """One shard in the manifest: its file, its hash, and the hash of its record."""

    file: str = Field(pattern=r"^part-\d{6,}\.parquet$")
    sha256: Sha256
    record: Sha256
    studies: int = Field(ge=1)
    examples: int = Field(ge=1)


class Cases(_Form):
    """The studies that a build was begun for: how many, the hash of their names, studies per shard."""

    count: int = Field(ge=1)
    sha256: Sha256
    studies_per_shard: int = Field(ge=1)


class Counts(_Form):
    """What a finished build holds."""

    studies: int
    patients: int
    examples: int
    by_split: dict[str, int]
    by_task: dict[str, int]


class Manifest(_Form):
    """``manifest.json`` of a finished build."""

    schema_: Literal["sagittal.manifest/1"] = Field(alias="schema")
    kind: str
    config: dict[str, Any]
    seed: int | None
    versions: dict[str, str]
    inputs: dict[str, Sha256]
    cases: Cases
    complete: Literal[True]
    shards: tuple[ShardEntry, ...]
    counts: Counts


class RecordedStudy(_Form):
    """One study in a record: its patient, how many examples it gave, and the hashes of its files."""

    patient: str
    examples: int = Field(ge=1)
    inputs: dict[str, Sha256]


class Record(_Form):
    """``part-000000.json``: what is in a shard, and what it was made from."""

    schema_: Literal["sagittal.shard-record/1"] = Field(alias="schema")
    build: Sha256
    sha256: Sha256
    studies: dict[str, RecordedStudy]
    by_split: dict[str, int]
    by_task: dict[str, int]


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is not a JSON object.
    """
    with storage_errors(path):
        data = path.read_bytes()
    try:
        value = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(f"The file is damaged: {error}", got=path, remedy="build it again") from error
    if not isinstance(value, dict):
        raise FileFormatError("A JSON object was expected.", got=path, remedy="build it again")
    return value


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a finished build.

    Raises:
        StorageError: there is no folder or no manifest.
        FileFormatError: the manifest is not one of a build.
        IntegrityError: the build was not finished.
    """
    path = Path(folder) / MANIFEST
    value = read_object(path)
    if value.get("complete") is False:
        raise IntegrityError(
            "The build in this folder was not finished.",
            got=path.parent,
            remedy="run the same `sagittal build` again: it goes on where it stopped",
        )
    try:
        return Manifest.model_validate(value)
    except ValidationError as error:
        raise FileFormatError(
            "The manifest is not one of a finished set of examples.", got=f"{path}: {error}"
        ) from error


def read_record(path: Path) -> Record:
    """The record of a finished shard.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is not a record.
    """
    try:
        return Record.model_validate(read_object(path))
    except ValidationError as error:
        raise FileFormatError("The file is not a shard's record.", got=f"{path}: {error}") from error


def shard_paths(folder: str | Path) -> list[Path]:
    """The shards that a finished build's manifest lists, in order; other files are not looked at.

    Raises:
        StorageError, FileFormatError, IntegrityError: as :func:`read_manifest`.
    """
    return [Path(folder) / SHARDS / entry.file for entry in read_manifest(folder).shards]
