"""Answers in classes about volume, region, shape and spread: how often two raters agree (mpLLM §4.2).

One of the raters may be the truth, a model's heads, its words, or a radiologist (Tables 15 and 16). A task
counts where it was asked; "N/A" is a class. Regions count one by one, the real ones alone. Spread comes from
resampling studies, not questions: those of a study go together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, InputError
from sagittal.files import storage_errors
from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.score.intervals import weighted_mean

TASKS = ("volume", "region", "shape", "spread")
#: mpLLM §4.2.
RESAMPLES = 500


@dataclass(frozen=True)
class Told:
    """What is said of a label.

    Attributes:
        classes: task → the classes that are said of it, one but for the region; tasks that nothing is said
            of are left out.
        beyond: whether something is said to be out of scope.
    """

    classes: Mapping[str, tuple[str, ...]]
    beyond: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it stands in an answer file."""
        return {"classes": {task: list(words) for task, words in self.classes.items()}, "beyond": self.beyond}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Told:
        """Inverse of :meth:`to_json`; raises what plain code does for a value of another form."""
        classes = {
            task: (words,) if isinstance(words, str) else tuple(map(str, words))
            for task, words in value["classes"].items()
        }
        return cls(classes, bool(value.get("beyond", False)))


@dataclass(frozen=True)
class Rated:
    """One question and what a rater says.

    Attributes:
        id: of the question, the same for every rater.
        study, label: that it asks about.
        asked: its tasks.
        told: the rater's answer.
    """

    id: str
    study: str
    label: str
    asked: tuple[str, ...]
    told: Told

    def to_json(self) -> dict[str, Any]:
        """A line of an answer file."""
        return {
            "id": self.id, "study": self.study, "label": self.label, "asked": list(self.asked),
            **self.told.to_json(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Rated:
        """Inverse of :meth:`to_json`; raises what plain code does for a value of another form."""
        asked, told = tuple(value["asked"]), Told.from_json(value)
        strange = {*asked, *told.classes} - set(TASKS)
        if strange:
            raise ValueError(f"no such task: {', '.join(sorted(map(str, strange)))}")
        return cls(str(value["id"]), str(value["study"]), str(value["label"]), asked, told)


def read_answers(path: str | Path) -> list[Rated]:
    """An answer file: JSON lines of :meth:`Rated.to_json`.

    Raises:
        StorageError: it cannot be read.
        FileFormatError: a line is not of this form, or a question stands in it twice.
    """
    path = Path(path)
    with storage_errors(path):
        lines = path.read_text(encoding="utf-8").splitlines()
    found: dict[str, Rated] = {}
    for number, line in enumerate(lines, start=1):
        try:
            one = Rated.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(
                f"Line {number} of {path.name} is no answer.",
                expected='{"id", "study", "label", "asked", "classes": {TASK: [CLASS, …]}, "beyond"}',
                got=str(error)[:200],
            ) from error
        if one.id in found:
            raise FileFormatError(f"{path.name} answers a question twice.", got=one.id)
        found[one.id] = one
    return list(found.values())


@dataclass(frozen=True, eq=False)
class Hits:
    """Where two raters agree, question by question.

    Attributes:
        tasks: task → (n,) share of agreement, not a number where the task was not asked.
        studies, labels: (n,) of each question.
    """

    tasks: Mapping[str, NDArray[np.float64]]
    studies: NDArray[np.str_]
    labels: NDArray[np.str_]

    def where(self, keep: NDArray[np.bool_]) -> Hits:
        """Some of the questions."""
        return Hits({t: v[keep] for t, v in self.tasks.items()}, self.studies[keep], self.labels[keep])

    def only(self, tasks: Sequence[str]) -> Hits:
        """Some of the tasks."""
        return Hits({task: self.tasks[task] for task in tasks}, self.studies, self.labels)

    def figures(self, weights: NDArray[np.float64] | None = None) -> dict[str, float]:
        """Accuracy of each task, and ``mean``, that of the tasks.

        Args:
            weights: of each question.
        """
        own = np.ones(len(self.studies)) if weights is None else weights
        found = {task: weighted_mean(values, own) for task, values in self.tasks.items()}
        known = [value for value in found.values() if not np.isnan(value)]
        return {**found, "mean": float(np.mean(known)) if known else float("nan")}


def hits(first: Sequence[Rated], second: Sequence[Rated]) -> Hits:
    """Compare two raters on the questions that both answered, paired by id.

    Raises:
        InputError: they have no question in common, or one asked of other things.
    """
    other = {one.id: one for one in second}
    pairs = [(one, other[one.id]) for one in first if one.id in other]
    if not pairs:
        raise InputError("The two raters have no question in common.", expected="equal ids in both files")
    for a, b in pairs:
        if (a.study, a.label, a.asked) != (b.study, b.label, b.asked):
            raise InputError("The raters were asked different things.", got=f"question {a.id}")
    tasks = {
        task: np.array([_agreement(task, a.told, b.told) if task in a.asked else np.nan for a, b in pairs])
        for task in TASKS
    }
    return Hits(tasks, np.array([a.study for a, _ in pairs]), np.array([a.label for a, _ in pairs]))


def _agreement(task: str, first: Told, second: Told) -> float:
    a, b = set(first.classes.get(task, ())), set(second.classes.get(task, ()))
    if task != "region":
        return float(a == b and bool(a))
    if not a or not b:
        # Nothing was said: no region of it is right.
        return 0.0
    return float(np.mean([(region in a) == (region in b) for region in REGIONS]))


@dataclass(frozen=True)
class Figure:
    """A figure with its spread over resampled studies.

    Attributes:
        value: over all questions.
        sd: over resamples.
        low, high: of the 95 % interval.
    """

    value: float
    sd: float = field(default=float("nan"))
    low: float = field(default=float("nan"))
    high: float = field(default=float("nan"))

    def text(self) -> str:
        """``0.832 (0.775 to 0.887)``; a dash where there is no figure, no interval where there is none."""
        if math.isnan(self.value):
            return "–"
        interval = "" if math.isnan(self.low) else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{interval}"


def resampled(
    found: Callable[[NDArray[np.float64]], Mapping[str, float]], studies: NDArray[np.str_], seed: int = 0
) -> dict[str, Figure]:
    """Figures with their spread: studies are drawn with replacement, :data:`RESAMPLES` times.

    Args:
        found: from the weight of each question to figures.
        studies: of each question.
        seed: of the drawing.
    """
    names, index = np.unique(studies, return_inverse=True)
    whole = found(np.ones(len(studies)))
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    for _ in range(RESAMPLES if len(names) > 1 else 0):
        weights = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[index]
        for name, value in found(weights.astype(float)).items():
            drawn[name].append(value)
    return {name: spread(value, np.array(drawn[name])) for name, value in whole.items()}


def spread(value: float, drawn: NDArray[np.float64]) -> Figure:
    """A figure with what it came to in each of the draws; those without a value are left out."""
    drawn = drawn[~np.isnan(drawn)]
    if drawn.size == 0:
        return Figure(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(value, float(drawn.std(ddof=1)), float(low), float(high))


def accuracy(found: Hits) -> dict[str, Figure]:
    """Accuracy of each task and the tasks' mean."""
    return resampled(found.figures, found.studies)


def difference(first: Sequence[Hits], second: Sequence[Hits]) -> dict[str, Figure]:
    """First − second, both on the same questions; of several runs (seeds), the means are compared."""
    studies = first[0].studies
    if any((one.studies != studies).any() for one in (*first, *second)):
        raise InputError("Only answers to the same questions are compared.")

    def apart(weights: NDArray[np.float64]) -> dict[str, float]:
        one, other = (means(side, weights) for side in (first, second))
        return {name: one[name] - other[name] for name in one}

    return resampled(apart, studies)


def means(runs: Sequence[Hits], weights: NDArray[np.float64] | None = None) -> dict[str, float]:
    """:meth:`Hits.figures`, averaged over runs (seeds)."""
    each = [one.figures(weights) for one in runs]
    return {name: float(np.mean([figures[name] for figures in each])) for name in each[0]}


def scope_figures(truth: Sequence[Rated], given: Sequence[Rated]) -> dict[str, Figure]:
    """Precision, recall and accuracy of "something is out of scope", over positives and negatives."""
    other = {one.id: one.told.beyond for one in given}
    true = np.array([one.told.beyond for one in truth])
    said = np.array([other[one.id] for one in truth])

    def found(weights: NDArray[np.float64]) -> dict[str, float]:
        both, right = weights[true & said].sum(), weights[true == said].sum()
        claimed, due = weights[said].sum(), weights[true].sum()
        return {
            "precision": both / claimed if claimed else float("nan"),
            "recall": both / due if due else float("nan"),
            "accuracy": right / weights.sum(),
        }

    return resampled(found, np.array([one.study for one in truth]))


def by_label(found: Hits) -> dict[str, Hits]:
    """The questions of each label (Table 4)."""
    return {str(label): found.where(found.labels == label) for label in np.unique(found.labels)}


def agreement_table(found: Hits) -> list[dict[str, Any]]:
    """Agreement of two raters over all questions, and over those of each label.

    Returns:
        Rows of plain JSON: ``label`` (``all`` first), ``questions``, and of each of ``tasks`` and their
        ``mean`` the ``value`` with ``low`` and ``high``; ``None`` where nothing was asked.
    """
    rows = []
    for label, own in {"all": found, **by_label(found)}.items():
        tasks = {
            task: {
                name: None if np.isnan(value) else value
                for name, value in (("value", f.value), ("low", f.low), ("high", f.high))
            }
            for task, f in accuracy(own).items()
        }
        rows.append({"label": label, "questions": len(own.studies), "tasks": tasks})
    return rows


def write_answers(answers: Iterable[Rated]) -> str:
    """The text of an answer file."""
    return "".join(json.dumps(one.to_json(), ensure_ascii=False) + "\n" for one in answers)
