"""Figure 2 of IMAX for a pool of one's own: entries by task, tasks a film, entries a film."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagittal.builders.chest.prompts import SEVEN
from sagittal.files import atomic_path, write_text
from sagittal.score.chest_tasks import Task

#: What the paper reports of its training sets (§3.2); to compare with, not measured here.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "imax": {"films": 38_077, "entries": 284_017, "tasks_a_film": 4.10, "entries_a_film": 7.46},
    "dmax": {"films": 136_218, "tasks_a_film": 1.25, "entries_a_film": 2.09},
}
_ROWS = ("films", "entries", "tasks_a_film", "entries_a_film")


def described(films: Mapping[str, Mapping[Task, int]]) -> dict[str, Any]:
    """Films and entries of a set, how many tasks and entries its films have.

    Args:
        films: film → task → number of entries.
    """
    by_task: Counter[str] = Counter()
    tasks: Counter[int] = Counter()
    entries: Counter[int] = Counter()
    for own in films.values():
        by_task.update(own)
        tasks[len({SEVEN[task] for task in own})] += 1
        entries[sum(own.values())] += 1
    count, total = len(films), sum(by_task.values())
    mean = sum(number * held for number, held in tasks.items()) / count if count else None
    return {
        "films": count,
        "entries": total,
        "tasks_a_film": None if mean is None else round(mean, 4),
        "entries_a_film": round(total / count, 4) if count else None,
        "by_task": dict(sorted(by_task.items())),
        "films_by_tasks": {str(number): tasks[number] for number in sorted(tasks)},
        "films_by_entries": {str(number): entries[number] for number in sorted(entries)},
    }


def write_statistics(folder: Path, found: Mapping[str, Any]) -> None:
    """Write ``stats.md`` and ``stats.png``.

    Raises:
        StorageError: they cannot be written.
    """
    write_text(folder / "stats.md", to_markdown(found))
    draw(found["sets"], folder / "stats.png")


def to_markdown(found: Mapping[str, Any]) -> str:
    """Counts of the three sets, and all that was left out."""
    sets: Mapping[str, Any] = found["sets"]
    head = ["", *sets, *(f"the paper's {arm}" for arm in PUBLISHED)]
    rows = [
        [name.replace("_", " "), *(_number(own[name]) for own in sets.values()),
         *(_number(own.get(name)) for own in PUBLISHED.values())]
        for name in _ROWS
    ]  # fmt: skip
    tasks = sorted({task for own in sets.values() for task in own["by_task"]})
    by_task = [[task, *(_number(own["by_task"].get(task, 0)) for own in sets.values())] for task in tasks]
    parts = [
        "# Statistics of the chest tasks\n",
        f"{found['films']:,} films in the pool. The paper's figures are of its own films.\n",
        _table(head, rows),
        "## Entries by task\n",
        _table(["task", *sets], by_task),
    ]
    for key, title in (
        ("left_out", "Films left out"),
        ("not_used", "What was known of films and not used"),
        ("rows", "Rows that readers left out"),
    ):
        if found[key]:
            parts += [
                f"## {title}\n",
                _table(["reason", "count"], [[k, f"{v:,}"] for k, v in found[key].items()]),
            ]
    return "\n".join(parts)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |\n" for line in lines)


def draw(sets: Mapping[str, Any], path: Path) -> None:
    """Bars: entries by task; shares of films by number of tasks and of entries; PNG.

    Raises:
        StorageError: the file cannot be written.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        figure = Figure(figsize=(13, 4), layout="constrained")
        FigureCanvasAgg(figure)
        whole, tasks, entries = figure.subplots(1, 3)
        own = sets["imax"]["by_task"]
        bars = whole.barh(list(own)[::-1], list(own.values())[::-1], color="#3b6ea5")
        whole.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=8)
        whole.set_xlim(0, 1.2 * max(own.values()))
        whole.set_xlabel("entries, of IMAX and of DMAX alike")
        for axes, key, title in (
            (tasks, "films_by_tasks", "tasks of a film"),
            (entries, "films_by_entries", "entries of a film"),
        ):
            for shift, (arm, colour) in zip(
                (-0.2, 0.2), (("imax", "#3b6ea5"), ("dmax", "#c17c2f")), strict=True
            ):
                counts, films = sets[arm][key], max(1, sets[arm]["films"])
                axes.bar(
                    [int(n) + shift for n in counts], [100 * c / films for c in counts.values()], 0.4,
                    color=colour, label=arm.upper(),
                )  # fmt: skip
            axes.set_xlabel(title)
            axes.set_ylabel("% of films")
            axes.legend(frameon=False)
        for axes in (whole, tasks, entries):
            axes.spines[["top", "right"]].set_visible(False)
        with atomic_path(path, keep_suffix=".png") as temporary:
            figure.savefig(temporary, dpi=100, metadata={"Software": None})
