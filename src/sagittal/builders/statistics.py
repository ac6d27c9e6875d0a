"""Statistics of a set of tumour questions, like the mpLLM paper's Tables 10 and 12–14.

``stats.json`` holds this set's figures alone. ``stats.md`` prints them by split and, in a column of
its own, what the paper reports for its data; ``stats.png`` draws this set's figures only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from importlib import resources
from pathlib import Path
from typing import Any

from sagittal.builders.check_tumour import tumour_settings
from sagittal.builders.manifests import read_manifest
from sagittal.builders.shards import question_and_answer, read_examples
from sagittal.errors import InputError
from sagittal.example import Example
from sagittal.files import atomic_path, write_json, write_text
from sagittal.language.wording import TASKS
from sagittal.measure.classes import NOT_PRESENT, SHAPE_CLASSES, SPREAD_CLASSES, VOLUME_CLASSES
from sagittal.splits import SPLITS

STATISTICS_SCHEMA = "sagittal.tumour-statistics/1"
NOT_ASKED = "Unspecified"
TOTAL = "all"
OUT_OF_SCOPE = "out-of-scope"
#: As many of the most frequent warnings are listed.
_WARNINGS = 20
SCOPE_CLASSES = ("Not out-of-scope", "Out-of-scope")


@dataclass
class Tally:
    """Running counts of one split, or of all. Texts are kept as 16-byte hashes."""

    questions: int = 0
    studies: set[str] = field(default_factory=set)
    patients: set[str] = field(default_factory=set)
    unique_questions: set[bytes] = field(default_factory=set)
    unique_answers: set[bytes] = field(default_factory=set)
    classes: dict[str, Counter[str]] = field(
        default_factory=lambda: {task: Counter() for task in (*TASKS, OUT_OF_SCOPE)}
    )
    warnings: Counter[str] = field(default_factory=Counter)

    def add(self, example: Example) -> None:
        """Count one example."""
        targets, (question, answer) = example.targets, question_and_answer(example)
        self.questions += 1
        if example.study not in self.studies:
            self.warnings.update(targets["warnings"])
        self.studies.add(example.study)
        self.patients.add(example.patient)
        self.unique_questions.add(blake2b(question.encode(), digest_size=16).digest())
        self.unique_answers.add(blake2b(answer.encode(), digest_size=16).digest())
        for task in TASKS:
            self.classes[task].update(stated(targets, task))
        self.classes[OUT_OF_SCOPE][SCOPE_CLASSES[bool(targets["out_of_scope"])]] += 1

    def to_json(self, order: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Counts, and the percentage of questions that has each class."""
        percent = {
            task: {name: 100 * self.classes[task][name] / self.questions for name in names}
            for task, names in order.items()
        }
        return {
            "questions": self.questions,
            "studies": len(self.studies),
            "patients": len(self.patients),
            "unique_questions": len(self.unique_questions),
            "unique_answers": len(self.unique_answers),
            "percent": percent,
            "warnings": dict(sorted(self.warnings.items(), key=lambda item: (-item[1], item[0]))[:_WARNINGS]),
        }


def stated(targets: Mapping[str, Any], task: str) -> list[str]:
    """The classes that a question's answer states for a task; :data:`NOT_ASKED` when it was not asked."""
    if task not in targets["asked"]:
        return [NOT_ASKED]
    return list(targets["regions"]) if task == "region" else [targets[task]]


def collect(examples: Iterable[Example], regions: Sequence[str]) -> dict[str, Any]:
    """Statistics by split and over all.

    Args:
        examples: tumour questions.
        regions: regions in the order to list them.

    Raises:
        InputError: there is no example.
    """
    tallies = {name: Tally() for name in (TOTAL, *SPLITS)}
    for example in examples:
        tallies[TOTAL].add(example)
        tallies[example.split].add(example)
    if not tallies[TOTAL].questions:
        raise InputError("There is no question to count.")
    order = _order(tallies[TOTAL], regions)
    return {
        "schema": STATISTICS_SCHEMA,
        "splits": {name: tally.to_json(order) for name, tally in tallies.items() if tally.questions},
    }


def _order(total: Tally, regions: Sequence[str]) -> dict[str, list[str]]:
    known: dict[str, Sequence[str]] = {
        "volume": VOLUME_CLASSES,
        "region": (NOT_PRESENT, *regions),
        "shape": SHAPE_CLASSES,
        "spread": SPREAD_CLASSES,
    }
    order = {}
    for task, names in known.items():
        further = sorted(set(total.classes[task]) - {*names, NOT_ASKED})  # "unlocalised"
        order[task] = [NOT_ASKED, *names, *further]
    order[OUT_OF_SCOPE] = list(SCOPE_CLASSES)
    return order


def write_statistics(folder: str | Path) -> dict[str, Any]:
    """Write ``stats.json``, ``stats.md`` and ``stats.png`` into a finished build, and give the figures.

    Raises:
        StorageError, FileFormatError, IntegrityError: no build, a damaged one, or an unfinished one.
        InputError: the examples are not tumour questions.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.kind != "tumour-vqa":
        raise InputError("These statistics are of tumour questions.", got=f"{folder}: {manifest.kind}")
    settings = tumour_settings(manifest.config)
    statistics = collect(read_examples(folder), settings.regions)
    write_json(folder / "stats.json", statistics)
    write_text(folder / "stats.md", to_markdown(statistics, paper_figures().get(settings.preset.name)))
    draw(statistics, folder / "stats.png")
    return statistics


@cache
def paper_figures() -> Mapping[str, Mapping[str, Any]]:
    """What the paper reports for its own data, by preset; see the table's head."""
    import yaml

    text = resources.files("sagittal.builders").joinpath("tables", "mpllm.yaml").read_text("utf-8")
    loaded: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)
    return loaded


def to_markdown(statistics: Mapping[str, Any], paper: Mapping[str, Any] | None) -> str:
    """Two tables: counts, and the percentage of questions with each class, by split."""
    splits: Mapping[str, Any] = statistics["splits"]
    head = ["", *splits, *(["the paper's, on its data"] if paper else [])]
    counts = [head, ["---"] * len(head)]
    for key in ("questions", "studies", "patients", "unique_questions", "unique_answers"):
        row = [key.replace("_", " "), *(f"{s[key]:,}" for s in splits.values())]
        if paper:
            row.append(f"{paper['counts'][key]:,}" if key in paper["counts"] else "–")
        counts.append(row)
    shares = [["task", *head], ["---"] * (len(head) + 1)]
    for task, names in splits[TOTAL]["percent"].items():
        for name in names:
            row = [task, name, *(f"{s['percent'][task][name]:.1f}" for s in splits.values())]
            if paper:
                theirs = paper[task].get(name)
                row.append("–" if theirs is None else f"{theirs:.1f}")
            shares.append(row)
    note = (
        f"\nThe last column is what the mpLLM paper reports ({paper['table']}) for its own studies, atlas "
        "mapping and wordings. It is there to compare with and is not measured on this set.\n"
        if paper
        else ""
    )
    return (
        "# Statistics of the questions\n\n"
        f"{_rows(counts)}\n"
        "## Percentage of questions with each class\n\n"
        "A question may name several regions, so the region rows add up to more than 100.\n\n"
        f"{_rows(shares)}{note}{_warned(splits[TOTAL])}"
    )


def _warned(total: Mapping[str, Any]) -> str:
    """What the measuring warned of, most frequent first; nothing where there was nothing."""
    if not total["warnings"]:
        return ""
    lines = "".join(
        f"- {count:,} of {total['studies']:,} studies: {text}\n" for text, count in total["warnings"].items()
    )
    return f"\n## Warnings\n\n{lines}"


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |\n" for row in rows)


def draw(statistics: Mapping[str, Any], path: str | Path) -> None:
    """Bars of the percentage of questions with each class, a panel a task; PNG.

    Raises:
        StorageError: the file cannot be written.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    total = statistics["splits"][TOTAL]
    panels = list(total["percent"].items())
    # The user's own settings would change the picture.
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(13, 7.5), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, (task, shares) in zip(figure.subplots(2, 3).flat, panels, strict=False):
            names = list(shares)[::-1]
            bars = axes.barh(names, [shares[name] for name in names], color="#3b6ea5")
            axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
            axes.set_title(task)
            axes.set_xlabel("% of questions")
            axes.set_xlim(0, 1.15 * max(max(shares.values()), 1))
            axes.spines[["top", "right"]].set_visible(False)
        figure.axes[len(panels)].set_axis_off()
        figure.suptitle(f"{total['questions']:,} questions of {total['studies']:,} studies")
        with atomic_path(path, keep_suffix=".png") as temporary:
            figure.savefig(temporary, dpi=100, metadata={"Software": None})
