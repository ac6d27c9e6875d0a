"""Records of :mod:`sagittal.evaluation.tasks` → Markdown: by task, targets, time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from sagittal.score.intervals import bootstrap_mean, wilson

Record = Mapping[str, Any]
#: Targets are counted where so many pieces are there to choose from.
FEWEST_PIECES, MOST_PIECES = 2, 6


def number_error(record: Record) -> float | None:
    """Relative error of an answer's number, in percent, sign left out; ``None`` where the truth has none.

    The number is the last that the true programs measure. What was not measured is wrong by 100 %, and
    anything for a true 0 is wrong beyond measure.
    """
    true, found = _last(record, (int, float))
    if true is None:
        return None
    if not isinstance(found, int | float):
        return 100.0
    if true == 0:
        return 0.0 if found == 0 else math.inf
    return 100 * abs(found - true) / abs(true)


def word_right(record: Record) -> bool | None:
    """Whether an answer's word is the true one; ``None`` where the truth measures none."""
    true, found = _last(record, (str,))
    return None if true is None else found == true


def _last(record: Record, kinds: tuple[type, ...]) -> tuple[Any, Any]:
    fit = [m for m in record["measured"] if isinstance(m["true"], kinds)]
    return (fit[-1]["true"], fit[-1]["found"]) if fit else (None, None)


def target_right(record: Record) -> bool | None:
    """Whether exactly the pieces that were meant are drawn; ``None`` where there was nothing to choose."""
    picked = record["picked"]
    if picked is None or not FEWEST_PIECES <= picked["pieces"][0] <= MOST_PIECES:
        return None
    return set(picked["meant"]) == set(picked["drawn"])


def task_lines(records: Sequence[Record]) -> list[str]:
    """A row a task: programs, numbers and words."""
    lines = [
        "| task | questions | programs exact | abstained | its number, median error | its word right |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for task, group in _by_task(records).items():
        errors = [e for r in group if (e := number_error(r)) is not None]
        words = [w for r in group if (w := word_right(r)) is not None]
        # A task that answers a word may measure numbers on the way: its word is what counts.
        number = f"{_percent(median(errors))} ({len(errors)})" if errors and not words else "–"
        lines.append(
            f"| {task.replace('_', ' ')} | {len(group)} | {_share(r['exact'] for r in group)} | "
            f"{sum(r['abstained'] for r in group)} | {number} | {_share(words) if words else '–'} |"
        )
    exact = [r["exact"] for r in records]
    return [f"Programs exact, all tasks: {rate(exact, records)}.", "", *lines, ""]


def target_lines(records: Sequence[Record]) -> list[str]:
    """Whether the lesion that was meant was picked, by kind of description."""
    judged = [r for r in records if target_right(r) is not None]
    if not judged:
        return ["No study had several pieces to choose from.", ""]
    lines = ["| description | questions | exactly the pieces meant |", "| --- | --- | --- |"]
    for task, group in _by_task(judged).items():
        lines.append(f"| {task.replace('_', ' ')} | {len(group)} | {_share(map(target_right, group))} |")
    total = rate([bool(target_right(r)) for r in judged], judged)
    return [f"With {FEWEST_PIECES} to {MOST_PIECES} pieces, exactly those that were meant: {total}.", "",
            *lines, ""]  # fmt: skip


def growth_lines(records: Sequence[Record]) -> list[str]:
    """Growth of what two visits show, and whether what did not change is called stable."""
    ratios = [e for r in records if r["task"] == "change" and (e := _ratio_error(r)) is not None]
    courses = [r for r in records if r["task"] == "course"]
    stable = [r for r in courses if _last(r, (str,))[0] == "stable"]
    lines = []
    if ratios:
        lines.append(
            f"Later volume as a share of the earlier: median error {median(ratios):.1f} % "
            f"({min(ratios):.1f}–{max(ratios):.1f} %, {len(ratios)} pairs)."
        )
    if stable:
        lines.append(f"Pairs that are stable, called so: {_share(map(word_right, stable))} of {len(stable)}.")
    if courses:
        lines.append(f"Course in all: {_share(map(word_right, courses))} of {len(courses)}.")
    return [*lines, ""]


def _ratio_error(record: Record) -> float | None:
    volumes = [(m["true"], m["found"]) for m in record["measured"] if m["name"] == "volume"]
    if len(volumes) != 2 or not all(true for true, _ in volumes):
        return None
    (before, found_before), (after, found_after) = volumes
    if not found_before or found_after is None:
        return 100.0
    return 100 * abs((found_after / found_before) / (after / before) - 1)


def rate(right: Sequence[bool], records: Sequence[Record]) -> str:
    """A share with its 95 % interval over studies."""
    values = np.array([float(r) for r in right])
    clusters = [r["study"] for r in records]
    interval = bootstrap_mean(values, clusters) or wilson(sum(right), len(right))
    return f"{values.mean():.1%} ({interval[0]:.1%}–{interval[1]:.1%}, {len(values)} questions)"


def _by_task(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["task"], []).append(record)
    return found


def _share(right: Iterable[Any]) -> str:
    values = [bool(r) for r in right]
    return f"{sum(values) / len(values):.0%}"


def _percent(value: float) -> str:
    return f"{value:.1f} %" if math.isfinite(value) else "beyond measure"
