"""Is a built set of examples whole and true? Everything that can be found out without a model.

Whole: the manifest's hashes hold for every record and shard, nothing is missing, nothing is foreign,
and, where the data root is given, every file that an example was made from is the one it names.
True: every example validates, its columns repeat it, its split is its patient's, no patient is in two
splits, and — for tumour questions — the counts, the tasks and the words are what the protocol says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from sagittal.builders.check_tumour import check_tumour_study, tumour_settings
from sagittal.builders.manifests import (
    BESIDE,
    MANIFEST,
    SHARDS,
    Manifest,
    Record,
    ShardEntry,
    read_manifest,
    read_record,
)
from sagittal.builders.shards import Row, parse_example, read_rows, to_row
from sagittal.errors import FileFormatError, InputError
from sagittal.example import Example
from sagittal.files import sha256_file, sha256_json
from sagittal.splits import split_of

REPORT_SCHEMA = "sagittal.check/1"


@dataclass
class Report:
    """What was looked at, and what is wrong with it.

    Attributes:
        folder: the set of examples.
        kind: what it holds, by its manifest.
        counts: shards, studies, patients, examples and files that were looked at.
        problems: one line each, starting with the place.
    """

    folder: Path
    kind: str
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("shards", "studies", "patients", "examples", "files"), 0)
    )
    problems: list[str] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(f"{where}: {what}")

    def summary(self) -> str:
        """One line."""
        looked_at = ", ".join(_counted(count, name) for name, count in self.counts.items() if count)
        found = _counted(len(self.problems), "problems") if self.problems else "no problem"
        return f"{self.folder} ({self.kind}): {looked_at or 'nothing to look at'}; {found}."

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "schema": REPORT_SCHEMA,
            "folder": str(self.folder),
            "kind": self.kind,
            "counts": self.counts,
            "problems": self.problems,
        }


def _counted(count: int, plural: str) -> str:
    singular = "study" if plural == "studies" else plural.removesuffix("s")
    return f"{count:,} {singular if count == 1 else plural}"


def check_folder(folder: str | Path, images: str | Path | None = None) -> Report:
    """Check a finished build.

    Args:
        folder: what ``sagittal build`` made.
        images: root of the images; without it, images are not looked at.

    Raises:
        StorageError, FileFormatError, IntegrityError: there is no manifest, it is not one, or the build
            was not finished. Everything else is a problem in the report.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    tumour = tumour_settings(manifest.config) if manifest.kind == "tumour-vqa" else None
    report = Report(folder, manifest.kind)
    files = _Files(None if images is None else Path(images))
    _check_foreign(folder, manifest, report)
    patients: dict[str, str] = {}
    studies: set[str] = set()
    for entry in manifest.shards:
        path = folder / SHARDS / entry.file
        try:
            recorded = _check_shard_files(path, entry, report)
            for study, examples in _studies(path, report):
                if study in studies:
                    report.add(study, "the study is there in two places")
                studies.add(study)
                _check_study(study, examples, patients, report)
                inputs = _check_recorded(study, examples, recorded, report)
                files.check(study, examples, inputs, report)
                if tumour is not None:
                    for where, what in check_tumour_study(study, examples, tumour):
                        report.add(where, what)
        except InputError as error:
            report.add(path.name, str(error))
        report.counts["shards"] += 1
    report.counts["patients"] = len(patients)
    report.counts["files"] = files.count
    _check_totals(manifest, sorted(studies), report)
    return report


def _check_foreign(folder: Path, manifest: Manifest, report: Report) -> None:
    shards = [folder / SHARDS / entry.file for entry in manifest.shards]
    known = {folder / MANIFEST, folder / SHARDS, *(folder / name for name in BESIDE)}
    known |= {*shards, *(path.with_suffix(".json") for path in shards)}
    found = {*folder.iterdir(), *(folder / SHARDS).glob("*")}
    for path in sorted(found - known):
        report.add(path.relative_to(folder).as_posix(), "this file is not part of the set")


def _check_shard_files(path: Path, entry: ShardEntry, report: Report) -> Record | None:
    """Compare shard and record with the manifest; the record, where it can be trusted."""
    record = path.with_suffix(".json")
    trusted = set()
    for file, sha256 in ((path, entry.sha256), (record, entry.record)):
        if not file.is_file():
            report.add(file.name, "the file is missing")
        elif sha256_file(file) != sha256:
            report.add(file.name, "the file is not the one that the manifest names (SHA-256 differs)")
        else:
            trusted.add(file)
    return read_record(record) if record in trusted else None


def _studies(path: Path, report: Report) -> Iterator[tuple[str, list[Example]]]:
    """The examples of a shard, study by study; those that do not validate are reported and left out."""
    numbered = enumerate(Row(*values) for values in read_rows(path))
    for study, rows in groupby(numbered, key=lambda pair: pair[1].study):
        examples = []
        for number, row in rows:
            where = f"{path.name}, row {number} ({row.id})"
            report.counts["examples"] += 1
            try:
                example = parse_example(row.example, where)
            except FileFormatError as error:
                report.add(where, f"not an example: {error.got}")
                continue
            if to_row(example) != row:
                report.add(where, "the columns do not repeat the example")
            examples.append(example)
        report.counts["studies"] += 1
        yield study, examples


def _check_study(study: str, examples: list[Example], patients: dict[str, str], report: Report) -> None:
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            report.add(example.id, "two examples have this id")
        seen.add(example.id)
        # Ids start with their study, so comparing within a study compares all.
        if not example.id.startswith(f"{study}/"):
            report.add(example.id, f"the id does not start with its study {study}")
        due = split_of(example.patient)
        if example.split != due:
            report.add(
                example.id, f"the split is {example.split}; patient {example.patient} belongs to {due}"
            )
        before = patients.setdefault(example.patient, example.split)
        if before != example.split:
            report.add(example.id, f"patient {example.patient} is in {before} and in {example.split}")
        if any(not message.text.strip() for message in example.messages if message.role != "system"):
            report.add(example.id, "a turn has no words")
    if len({example.patient for example in examples}) > 1:
        report.add(study, "one study has several patients")


def _check_recorded(
    study: str, examples: list[Example], record: Record | None, report: Report
) -> dict[str, str]:
    """Compare a study with its shard's record; the hashes of its files, so far as they are known."""
    if record is None:
        return {}
    held = record.studies.get(study)
    if held is None:
        report.add(study, "the shard's record does not list the study")
        return {}
    if held.examples != len(examples) or {held.patient} != {example.patient for example in examples}:
        report.add(study, f"the record says {held.examples} examples of patient {held.patient}")
    return dict(held.inputs)


@dataclass
class _Files:
    """Compares files under the data root with the hashes that examples and records give."""

    root: Path | None
    count: int = 0

    def check(self, study: str, examples: list[Example], named: dict[str, str], report: Report) -> None:
        for example in examples:
            for image in example.images:
                if named.setdefault(image.path, image.sha256) != image.sha256:
                    report.add(
                        example.id, f"{image.path} has another SHA-256 than the rest of its study says"
                    )
        if self.root is None:
            return
        for relative, sha256 in sorted(named.items()):
            path = self.root / relative
            self.count += 1
            if not path.is_file():
                report.add(study, f"{relative} is not under {self.root}")
            elif sha256_file(path) != sha256:
                report.add(study, f"{relative} is not the file that the questions were made from")


def _check_totals(manifest: Manifest, studies: list[str], report: Report) -> None:
    for key in ("studies", "patients", "examples"):
        counted = getattr(manifest.counts, key)
        if counted != report.counts[key]:
            report.add(MANIFEST, f"it counts {counted} {key}; there are {report.counts[key]}")
    if sha256_json(studies) != manifest.cases.sha256:
        report.add(MANIFEST, f"its {manifest.cases.count} studies are not the {len(studies)} that are there")
