"""Scoring of anything that draws masks: a *vision function* over cases.

A vision function takes a study's images and the names of structures, and gives one mask a structure on the
grid of the first image. The vision half of VoxelPrompt, its whole path from a question, and MeshNet are such
functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagittal.errors import InputError
from sagittal.score.cases import Case
from sagittal.score.overlap import Overlap, compare
from sagittal.study import Image, Mask

Vision = Callable[[Sequence[Image], Sequence[str]], Mapping[str, Mask]]


@dataclass(frozen=True)
class Record:
    """One structure of one case.

    Attributes:
        case, source: of the case.
        structure: its name.
        overlap: agreement with the truth.
    """

    case: str
    source: str
    structure: str
    overlap: Overlap

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "case": self.case, "source": self.source, "structure": self.structure, **self.overlap.to_json()
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Scored:
    """One case as a vision function saw it.

    Attributes:
        case: the case.
        masks: structure → the mask that was drawn.
        records: one a structure.
        seconds: that the vision function took.
        cpu_seconds: processor time that it took, over all cores; a busy machine hardly changes it.
    """

    case: Case
    masks: Mapping[str, Mask]
    records: tuple[Record, ...]
    seconds: float
    cpu_seconds: float


def score_cases(
    vision: Vision,
    cases: Iterable[Case],
    *,
    structures: Sequence[str] | None = None,
    surfaces: bool = True,
) -> Iterator[Scored]:
    """Draw and compare, case by case.

    Args:
        vision: what is scored.
        cases: images and truth.
        structures: those of the truth that are asked for; all when ``None``. A case without any is left out.
        surfaces: as for :func:`sagittal.score.overlap.compare`.

    Raises:
        InputError: the vision function gave other masks than it was asked for.
        GeometryError: it drew on another grid than the first image's.
    """
    for case in cases:
        wanted = [name for name in case.truth if structures is None or name in structures]
        if not wanted:
            continue
        begun, worked = time.perf_counter(), time.process_time()
        masks = vision(case.images, wanted)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
        if set(masks) != set(wanted):
            raise InputError("One mask is needed for each structure.", expected=wanted, got=sorted(masks))
        records = tuple(
            Record(case.name, case.source, name, compare(masks[name], case.truth[name], surfaces=surfaces))
            for name in wanted
        )
        yield Scored(case, masks, records, seconds, cpu)


@dataclass(frozen=True)
class Summary:
    """A figure over cases.

    Attributes:
        cases: how many.
        mean, lowest, highest: of the cases that have the figure; ``None`` where none has.
    """

    cases: int
    mean: float | None
    lowest: float | None
    highest: float | None


def summarise(records: Iterable[Record], figure: str = "dice") -> dict[str, Summary]:
    """Mean and range of one figure of :class:`Overlap` by structure, in order of first appearance."""
    values: dict[str, list[float]] = {}
    for record in records:
        value = getattr(record.overlap, figure)
        values.setdefault(record.structure, [])
        if value is not None:
            values[record.structure].append(float(value))
    return {
        name: Summary(len(v), float(np.mean(v)), min(v), max(v)) if v else Summary(0, None, None, None)
        for name, v in values.items()
    }


def case_means(records: Iterable[Record], figure: str = "dice") -> dict[str, float]:
    """Mean of one figure over the structures of each case."""
    values: dict[str, list[float]] = {}
    for record in records:
        value = getattr(record.overlap, figure)
        if value is not None:
            values.setdefault(record.case, []).append(float(value))
    return {name: float(np.mean(v)) for name, v in values.items()}


def table_lines(records: Sequence[Record], figure: str = "dice", digits: int = 3) -> list[str]:
    """A Markdown table: a row a case, a column a structure, and the means with their ranges below."""
    structures = list(dict.fromkeys(r.structure for r in records))
    by_case: dict[str, dict[str, float | None]] = {}
    for record in records:
        by_case.setdefault(record.case, {})[record.structure] = getattr(record.overlap, figure)
    lines = [
        "| case | " + " | ".join(structures) + " |",
        "| --- |" + " --- |" * len(structures),
    ]
    for case, row in by_case.items():
        lines.append(f"| {case} | " + " | ".join(_cell(row, name, digits) for name in structures) + " |")
    summaries = summarise(records, figure)
    lines.append(
        "| **mean** (range) | " + " | ".join(_range(summaries[name], digits) for name in structures) + " |"
    )
    return lines


def _cell(row: Mapping[str, float | None], name: str, digits: int) -> str:
    if name not in row:
        return ""
    value = row[name]
    return "undefined" if value is None else f"{value:.{digits}f}"


def _range(summary: Summary, digits: int) -> str:
    if summary.mean is None:
        return "undefined"
    return f"**{summary.mean:.{digits}f}** ({summary.lowest:.{digits}f}–{summary.highest:.{digits}f})"
