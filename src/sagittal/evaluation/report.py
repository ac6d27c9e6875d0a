"""Records → Markdown: tables by case, means with intervals, speed, and where the figures come from."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from sagittal.evaluation.runs import LIBRARIES, Run
from sagittal.files import versions
from sagittal.score.intervals import bootstrap_mean
from sagittal.score.reals import ANATOMY, TUMOUR_PARTS
from sagittal.score.segmentation import Record, table_lines

_GROUPS = (
    ("Tumours", tuple(TUMOUR_PARTS)),
    ("White matter hyperintensities", ("white matter hyperintensities",)),
    ("Anatomy", ANATOMY),
)
_FIGURES = (("dice", "Dice", 3), ("surface_dice", "Surface Dice at 2 mm", 3), ("hd95_mm", "HD95, mm", 1),
            ("volume_error_percent", "Volume error, %", 0))  # fmt: skip
_PATHOLOGICAL = {*TUMOUR_PARTS, "lesion", "white matter hyperintensities", "non-enhancing core",
                 "resection cavity"}  # fmt: skip


def provenance(command: str) -> list[str]:
    """How anyone gets these figures again: command, commit, machine, versions."""
    found = ", ".join(f"{name} {version}" for name, version in versions(*LIBRARIES).items())
    return [
        f"Command: `{command}`",
        "",
        f"Commit {commit()}; {machine()}; {found}, Python {platform.python_version()}.",
        "",
    ]


def commit() -> str:
    """The checkout's commit, marked when files differ from it; of an installed package it is unknown."""
    head = _git("rev-parse", "--short", "HEAD")
    if not head:
        return "unknown (installed package)"
    return head + (" with uncommitted changes" if _git("status", "--porcelain", "--", "src") else "")


def _git(*arguments: str) -> str:
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(("git", *arguments), cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def machine() -> str:
    """Processor and cores in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    model = names[0] if names else platform.processor() or platform.machine()
    return f"{cores} core{'s' if cores != 1 else ''} of {model}"


def real_lines(run: Run, *, figures: Sequence[str] = ("dice", "surface_dice", "hd95_mm")) -> list[str]:
    """Tables by case on real scans: mean and range, and nothing that pretends to be more."""
    lines = []
    for title, structures in _GROUPS:
        records = [r for r in run.records if r.structure in structures]
        if not records:
            continue
        sources = sorted({r.source for r in records})
        lines += [f"## {title}", "", f"Truth: {'; '.join(sources)}.", ""]
        for figure, words, digits in _FIGURES:
            if figure in figures:
                lines += [f"{words}:", "", *table_lines(records, figure, digits), ""]
    tumours = [r for r in run.records if r.structure == "whole tumour"]
    return [*lines, *_volume_lines(tumours, "whole tumours"), *_refusals(run)]


def _volume_lines(records: Sequence[Record], of: str) -> list[str]:
    """How far volumes are from the truth, sign left out."""
    errors = [abs(e) for r in records if (e := r.overlap.volume_error_percent) is not None]
    if not errors:
        return []
    return [
        f"Volumes of {of}: median error {median(errors):.1f} % ({min(errors):.1f}–{max(errors):.1f} %, "
        f"{len(errors)} cases).",
        "",
    ]


def world_lines(run: Run) -> list[str]:
    """A row a structure: mean Dice with its interval over studies, and its range; absent structures apart."""
    there = [r for r in run.records if r.overlap.true_ml > 0]
    absent = [r for r in run.records if r.overlap.true_ml == 0]
    lines = [
        "| structure | studies | Dice (95 % interval over studies) | range | surface Dice, 2 mm | HD95, mm |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, records in _by_structure(there).items():
        dice = [r.overlap.dice for r in records]
        lines.append(
            f"| {name} | {len({_study(r) for r in records})} | {_with_interval(records)} | "
            f"{min(dice):.2f}–{max(dice):.2f} | {_mean(records, 'surface_dice', 3)} | "
            f"{_mean(records, 'hd95_mm', 1)} |"
        )
    if absent:
        lines += ["", "Asked for and not there:", ""]
        lines += ["| structure | cases | nothing drawn | mL drawn, mean |", "| --- | --- | --- | --- |"]
        for name, records in _by_structure(absent).items():
            none = sum(r.overlap.volume_ml == 0 for r in records)
            mean = float(np.mean([r.overlap.volume_ml for r in records]))
            lines.append(f"| {name} | {len(records)} | {none} | {mean:.2f} |")
    large = [r for r in there if r.overlap.true_ml >= 1 or r.structure in _PATHOLOGICAL]
    overall = [
        f"Structures of at least 1 mL, and lesions of any size: mean Dice {_with_interval(large)}.",
        "",
    ]
    overall += _volume_lines(large, "these")
    return [*(overall if large else []), *lines, "", *_by_world(there), "", *_refusals(run)]


def _by_world(records: Sequence[Record]) -> list[str]:
    """Mean Dice of anatomy and of pathologies by world: what a grid or a pathology costs."""
    table: dict[str, list[list[float]]] = {}
    for record in records:
        row = table.setdefault(record.case.split("/")[0], [[], []])
        row[record.structure in _PATHOLOGICAL].append(record.overlap.dice)
    lines = ["| world | anatomy, mean Dice | pathologies, mean Dice |", "| --- | --- | --- |"]
    for world, columns in table.items():
        cells = [f"{np.mean(values):.3f} ({len(values)})" if values else "–" for values in columns]
        lines.append(f"| {world} | {' | '.join(cells)} |")
    return lines


def speed_lines(run: Run) -> list[str]:
    """Seconds a question, or a case where nothing was asked in words; processor time, for busy machines."""
    drawn = [c for c in run.cases.values() if c["seconds"] is not None]
    if not drawn:
        return ["Nothing was drawn."]
    worked = sum(float(c["cpu_seconds"]) for c in drawn)
    if run.asked:
        seconds = [float(one["seconds"]) for one in run.asked]
        silent = sum(not one["answered"] for one in run.asked)
        undrawn = sum(one["answered"] and not one["drawn"] for one in run.asked)
        return [
            f"{len(seconds)} questions, one a structure: median {median(seconds):.1f} s "
            f"({min(seconds):.1f}–{max(seconds):.1f}) each; {silent} times the model abstained, {undrawn} "
            "times it answered without a mask of that name. Both count as an empty mask. Processor time: "
            f"{worked / len(seconds):.1f} s a question, over all cores."
        ]
    seconds = [float(c["seconds"]) for c in drawn]
    return [
        f"Median {median(seconds):.1f} s a case ({min(seconds):.1f}–{max(seconds):.1f}); processor time "
        f"{worked / len(drawn):.1f} s a case, over all cores."
    ]


def _by_structure(records: Sequence[Record]) -> Mapping[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.structure, []).append(record)
    return found


def _study(record: Record) -> str:
    """Sessions of one study belong together: ``growth/0/session-1`` is of ``growth/0``."""
    return "/".join(record.case.split("/")[:2])


def _with_interval(records: Sequence[Record]) -> str:
    values = np.array([r.overlap.dice for r in records])
    interval = bootstrap_mean(values, [_study(r) for r in records])
    mean = f"{values.mean():.3f}"
    return mean if interval is None else f"{mean} ({interval[0]:.3f}–{interval[1]:.3f})"


def _mean(records: Sequence[Record], figure: str, digits: int) -> str:
    values = [v for r in records if (v := getattr(r.overlap, figure)) is not None]
    return f"{np.mean(values):.{digits}f}" if values else "undefined"


def _refusals(run: Run) -> list[str]:
    if not run.refused:
        return []
    lines = [f"- {name}: {why}" for name, why in run.refused.items()]
    return ["Not asked, since the model's card says that it does not take them:", "", *lines, ""]
