"""Cases → records on disk: one file a case, so that a run that was cut off goes on where it was.

``OUT/manifest.json`` says what is measured; ``OUT/cases/NAME.json`` holds a case's records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sagittal.errors import IntegrityError
from sagittal.evaluation.asked import AskedEyes
from sagittal.files import storage_errors, to_json_text, versions, write_json
from sagittal.score.cases import Case
from sagittal.score.overlap import Overlap
from sagittal.score.segmentation import Record, Vision, score_cases

#: Told of each case that is done: its name and its mean Dice.
Progress = Callable[[str, float], None]
LIBRARIES = ("torch", "numpy", "scipy", "transformers")


@dataclass(frozen=True)
class Run:
    """What is on disk of a run.

    Attributes:
        manifest: what was measured.
        cases: name → seconds, records and questions, as JSON values, in the order of the names.
    """

    manifest: Mapping[str, Any]
    cases: Mapping[str, Mapping[str, Any]]

    @property
    def records(self) -> list[Record]:
        """Of all cases."""
        return [
            Record(name, case["source"], r["structure"], Overlap(**r["overlap"]))
            for name, case in self.cases.items()
            for r in case["records"]
        ]

    @property
    def refused(self) -> dict[str, str]:
        """Cases that the model is not asked about, and why."""
        return {name: case["refused"] for name, case in self.cases.items() if case["refused"]}

    @property
    def asked(self) -> list[Mapping[str, Any]]:
        """The questions of all cases."""
        return [one for case in self.cases.values() for one in case["asked"]]


def run_cases(
    vision: Vision,
    cases: Iterable[Case],
    out: str | Path,
    what: Mapping[str, Any],
    *,
    structures: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Score a vision function on cases; those that are on disk already are not drawn again.

    Args:
        vision: what is scored.
        cases: images and truth.
        out: folder of the run.
        what: which model (with a hash) and which cases: a folder holds one run.
        structures: those that are asked for; all that a case knows when ``None``.
        progress: told of each case.

    Raises:
        IntegrityError: the folder holds another run.
        StorageError: it cannot be written.
    """
    out = Path(out)
    manifest = {"schema": "sagittal.evaluation/1", **what, "versions": versions(*LIBRARIES)}
    settle(out / "manifest.json", manifest)
    wanted = None if structures is None else list(structures)
    order = []
    for case in cases:
        if wanted is not None and not set(wanted) & set(case.truth):
            continue
        path = out / "cases" / f"{file_name(case.name)}.json"
        order.append(path)
        if not path.exists():
            made = _score(vision, case, wanted)
            write_json(path, made)
            if progress is not None:
                dice = [r["overlap"]["dice"] for r in made["records"]]
                progress(case.name, sum(dice) / len(dice) if dice else 0.0)
    with storage_errors(out):
        found = [json.loads(path.read_text(encoding="utf-8")) for path in order]
    return Run(manifest, {case["case"]: case for case in found})


def _score(vision: Vision, case: Case, wanted: list[str] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "case": case.name,
        "source": case.source,
        "images": [{"kind": i.kind, "grid": i.geometry.describe()} for i in case.images],
        "seconds": None,
        "cpu_seconds": None,
        "records": [],
        "asked": [],
        "refused": None,
    }
    asker = vision if isinstance(vision, AskedEyes) else None
    if asker is not None and (why := asker.why_not(case.images)) is not None:
        return {**entry, "refused": why}
    before = len(asker.asked) if asker is not None else 0
    [scored] = score_cases(vision, [case], structures=wanted)
    entry |= {"seconds": scored.seconds, "cpu_seconds": scored.cpu_seconds}
    entry["records"] = [{"structure": r.structure, "overlap": r.overlap.to_json()} for r in scored.records]
    if asker is not None:
        entry["asked"] = [asdict(one) for one in asker.asked[before:]]
    return entry


def settle(path: Path, wanted: Mapping[str, Any]) -> None:
    """Write the manifest, or make sure that the one there says the same."""
    text = to_json_text(wanted)
    with storage_errors(path):
        found = path.read_text(encoding="utf-8") if path.exists() else None
    if found is not None and found != text:
        raise IntegrityError(
            "The folder holds another run.",
            expected=f"the manifest in {path} to match",
            got=", ".join(_differing(found, wanted)),
            remedy="name a new folder (--out), or measure the same model on the same cases",
        )
    if found is None:
        write_json(path, dict(wanted))


def _differing(found: str, wanted: Mapping[str, Any]) -> list[str]:
    try:
        there = json.loads(found)
    except ValueError:
        return ["it is damaged"]
    return sorted(f"{k}: {there.get(k)!r}, not {wanted.get(k)!r}"[:200]
                  for k in {*there, *wanted} if there.get(k) != wanted.get(k))  # fmt: skip


def file_name(case: str) -> str:
    """A case's name as that of a file."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", case)
