"""Statistics of a set of questions about pixels, like MedPLIB's Tables 6 to 8."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sagittal.builders.manifests import read_manifest
from sagittal.builders.pixel_qa.records import MODALITIES, UNKNOWN
from sagittal.builders.pixel_qa.rules import KINDS
from sagittal.builders.shards import read_examples
from sagittal.errors import InputError
from sagittal.example import Example
from sagittal.files import write_json, write_text
from sagittal.splits import SPLITS

STATISTICS_SCHEMA = "sagittal.pixel-statistics/1"
#: Subset → its kinds, by the paper's names.
SUBSETS: Mapping[str, tuple[str, ...]] = {
    "complex": (KINDS["complex"],),
    "region": (KINDS["region-category"], KINDS["region-description"]),
    "grounding": (KINDS["grounding"],),
}
TOTAL = "Total"


def collect(examples: Iterable[Example]) -> dict[str, Any]:
    """Counts of pictures and of questions.

    Returns:
        ``sizes`` (questions, images, modalities, by split); ``images`` and ``questions``: subset → split →
        modality → count (a picture counts once in each cell, and once in its ``Total``); ``kinds``: kind →
        count; ``absent``: requests for what is not there; ``pointed``: how regions are pointed at.

    Raises:
        InputError: there is no question, or one of another kind of set.
    """
    questions: Counter[tuple[str, str, str]] = Counter()
    pictures: dict[tuple[str, str, str], set[str]] = {}
    everything: dict[str, set[str]] = {}
    kinds: Counter[str] = Counter()
    pointed: Counter[str] = Counter()
    by_split: Counter[str] = Counter()
    absent = 0
    for example in examples:
        targets = example.targets
        if targets.get("kind") not in KINDS.values():
            raise InputError("These statistics are of questions about pixels.", got=example.id)
        subset = next(name for name, held in SUBSETS.items() if targets["kind"] in held)
        for modality in (targets["modality"] or UNKNOWN, TOTAL):
            cell = (subset, example.split, modality)
            questions[cell] += 1
            pictures.setdefault(cell, set()).add(example.images[0].path)
        everything.setdefault(targets["modality"] or UNKNOWN, set()).add(example.images[0].path)
        kinds[targets["kind"]] += 1
        by_split[example.split] += 1
        absent += bool(targets["absent"])
        if targets["pointed"]:
            pointed[targets["pointed"]] += 1
    if not kinds:
        raise InputError("There is no question to count.")
    return {
        "schema": STATISTICS_SCHEMA,
        "sizes": {
            "questions": sum(by_split.values()),
            "images": sum(map(len, everything.values())),
            "modalities": len(set(everything) - {UNKNOWN}),
            "by_split": {split: by_split[split] for split in SPLITS},
        },
        "images": _nested({cell: len(own) for cell, own in pictures.items()}),
        "questions": _nested(questions),
        "kinds": {name: kinds[name] for name in KINDS.values()},
        "absent": absent,
        "pointed": dict(sorted(pointed.items())),
    }


def _nested(cells: Mapping[tuple[str, str, str], int]) -> dict[str, dict[str, dict[str, int]]]:
    return {
        subset: {
            split: {m: cells.get((subset, split, m), 0) for m in (*MODALITIES, TOTAL)} for split in SPLITS
        }
        for subset in SUBSETS
    }


def write_statistics(folder: str | Path) -> dict[str, Any]:
    """Write ``stats.json`` and ``stats.md`` into a finished build, and give the figures.

    Raises:
        StorageError, FileFormatError, IntegrityError: no build, a damaged one, or an unfinished one.
        InputError: the examples are not questions about pixels.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.kind != "pixel-qa":
        raise InputError("These statistics are of questions about pixels.", got=f"{folder}: {manifest.kind}")
    statistics = collect(read_examples(folder)) | {"left_out": manifest.config["left_out"]}
    write_json(folder / "stats.json", statistics)
    write_text(folder / "stats.md", to_markdown(statistics))
    return statistics


def to_markdown(statistics: Mapping[str, Any]) -> str:
    """Sizes, images and questions by modality, kinds, and what was left out."""
    sizes = statistics["sizes"]
    head = ["questions", "images", "modalities", *SPLITS]
    values = [sizes["questions"], sizes["images"], sizes["modalities"], *sizes["by_split"].values()]
    parts = [
        "# Statistics of the questions about pixels\n",
        _table(head, [[f"{value:,}" for value in values]]),
        "## Images by modality\n",
        _by_modality(statistics["images"]),
        "## Questions by modality\n",
        _by_modality(statistics["questions"]),
        "## Questions by kind\n",
        _table(["kind", "questions"], [[name, f"{count:,}"] for name, count in statistics["kinds"].items()]),
        f"Of the requests for masks, {statistics['absent']:,} are for something that is not there.\n",
        _table(["pointed at by", "questions"], [[way, f"{n:,}"] for way, n in statistics["pointed"].items()]),
    ]
    if statistics["left_out"]:
        rows = [[reason, f"{count:,}"] for reason, count in statistics["left_out"].items()]
        parts += ["## Left out\n", _table(["reason", "count"], rows)]
    return "\n".join(parts)


def _by_modality(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    rows = [
        [f"{subset}, {split}", *(f"{count:,}" for count in own.values())]
        for subset, splits in counts.items()
        for split, own in splits.items()
    ]
    return _table(["subset", *MODALITIES, TOTAL], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |\n" for line in lines)
