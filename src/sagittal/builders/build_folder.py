"""The folder of a build: its manifest, its shards and their records; what resuming rests on.

A shard is written first and its record after it, each under a temporary name and renamed, so a shard
with a record is whole. The manifest is written twice: before the work with ``"complete": false``, and
after it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagittal.builders.manifests import (
    BESIDE,
    MANIFEST,
    RECORD_SCHEMA,
    SHARDS,
    Record,
    read_object,
    read_record,
)
from sagittal.builders.shards import Row, shard_name, write_shard
from sagittal.errors import ConfigError, IntegrityError, StorageError
from sagittal.files import sha256_file, sha256_json, storage_errors, write_json

_TEMPORARY = re.compile(r"\.(manifest\.json|part-\d{6}\.(parquet|json))\.\d+-[0-9a-f]{8}\.tmp")


@dataclass(frozen=True)
class Built:
    """One study's share of a shard.

    Attributes:
        patient: whose study it is.
        rows: of its examples; empty when the shard is kept and only its inputs were looked at.
        inputs: path relative to the data root → SHA-256 of each file it was made from.
    """

    patient: str
    rows: tuple[Row, ...]
    inputs: dict[str, str]


@dataclass(frozen=True)
class Finished:
    """What the manifest needs to know of a finished shard."""

    entry: dict[str, Any]
    patients: frozenset[str]
    by_split: dict[str, int]
    by_task: dict[str, int]


@dataclass(frozen=True)
class BuildFolder:
    """One build's folder.

    Attributes:
        path: the folder.
        plan: the part of the manifest that is known before the work; two builds with equal plans are
            the same build.
    """

    path: Path
    plan: dict[str, Any]

    def open(self) -> None:
        """Begin a build here, or make sure that it was this build that was begun here.

        Raises:
            ConfigError: another build was begun here.
            StorageError: the folder holds something else, or cannot be written.
        """
        with storage_errors(self.path):
            self.path.joinpath(SHARDS).mkdir(parents=True, exist_ok=True)
            held = [*self.path.iterdir(), *self.path.joinpath(SHARDS).iterdir()]
            left_over = [p for p in held if _TEMPORARY.fullmatch(p.name)]
            for path in left_over:
                path.unlink()
        manifest = self.path / MANIFEST
        if manifest.exists():
            self._check_same(read_object(manifest))
            return
        foreign = sorted(p.name for p in held if p not in left_over and p.name not in (SHARDS, *BESIDE))
        if foreign:
            raise StorageError(
                "The output folder already holds something else.",
                expected="a new folder, or one where this build was begun",
                got=f"{self.path}: {', '.join(foreign[:5])}",
                remedy="name a new folder",
            )
        write_json(manifest, {**self.plan, "complete": False})

    def _check_same(self, held: Mapping[str, Any]) -> None:
        differs = list(_differences(self.plan, {key: held.get(key) for key in self.plan}))
        if differs:
            raise ConfigError(
                "The output folder holds another build.",
                expected="; ".join(f"{key} = {old}" for key, _, old in differs[:5]),
                got="; ".join(f"{key} = {new}" for key, new, _ in differs[:5]),
                remedy="repeat the settings it was begun with, or name a new folder",
            )

    def _paths(self, index: int) -> tuple[Path, Path]:
        shard = self.path / SHARDS / shard_name(index)
        return shard, shard.with_suffix(".json")

    def has_shard(self, index: int) -> bool:
        """Whether shard ``index`` was finished; :meth:`keep` checks whether it still stands."""
        return self._paths(index)[1].exists()

    def write(self, index: int, built: Mapping[str, Built]) -> Finished:
        """Write a shard, then its record."""
        shard, path = self._paths(index)
        rows = [row for study in built.values() for row in study.rows]
        write_shard(shard, rows)
        record = {
            "schema": RECORD_SCHEMA,
            "build": sha256_json(self.plan),
            "sha256": sha256_file(shard),
            "studies": {
                name: {"patient": study.patient, "examples": len(study.rows), "inputs": study.inputs}
                for name, study in built.items()
            },
            "by_split": _count(row.split for row in rows),
            "by_task": _count(row.task for row in rows),
        }
        write_json(path, record)
        return _finished(index, Record.model_validate(record))

    def keep(self, index: int, built: Mapping[str, Built]) -> Finished:
        """Keep a finished shard, if it is whole and its input files are still what they were.

        Raises:
            IntegrityError: it is not, or they are not.
            FileFormatError: its record is damaged.
        """
        shard, path = self._paths(index)
        record = read_record(path)
        whole = shard.exists() and record.sha256 == sha256_file(shard)
        if not whole or record.build != sha256_json(self.plan) or set(record.studies) != set(built):
            raise IntegrityError(
                "A finished shard is not what its record says.",
                got=shard,
                remedy=f"delete {shard.name} and {path.name} and run again: they are built anew",
            )
        for name, study in built.items():
            then = record.studies[name].inputs
            if then != study.inputs:
                changed = [key for key in {**then, **study.inputs} if then.get(key) != study.inputs.get(key)]
                raise IntegrityError(
                    f"{name}: input files changed since they were built from.",
                    got=", ".join(sorted(changed)),
                    remedy="put the old files back, or name a new folder",
                )
        return _finished(index, record)

    def finish(self, shards: Sequence[Finished]) -> dict[str, Any]:
        """Write the whole manifest, and give it."""
        manifest = {
            **self.plan,
            "complete": True,
            "shards": [shard.entry for shard in shards],
            "counts": {
                "studies": sum(shard.entry["studies"] for shard in shards),
                "patients": len(frozenset().union(*(shard.patients for shard in shards))),
                "examples": sum(shard.entry["examples"] for shard in shards),
                "by_split": _sum(shard.by_split for shard in shards),
                "by_task": _sum(shard.by_task for shard in shards),
            },
        }
        write_json(self.path / MANIFEST, manifest)
        return manifest


def _finished(index: int, record: Record) -> Finished:
    entry = {
        "file": shard_name(index),
        "sha256": record.sha256,
        # Equal to the hash of the file: records are written as canonical JSON.
        "record": sha256_json(record.model_dump(by_alias=True)),
        "studies": len(record.studies),
        "examples": sum(study.examples for study in record.studies.values()),
    }
    patients = frozenset(study.patient for study in record.studies.values())
    return Finished(entry, patients, record.by_split, record.by_task)


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _differences(new: Any, old: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(new, dict) and isinstance(old, dict):
        for name in sorted({*new, *old}):
            yield from _differences(new.get(name), old.get(name), f"{key}.{name}" if key else name)
    elif new != old:
        yield key, new, old
