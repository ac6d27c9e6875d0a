"""Answers of many runs → the tables of mpLLM, with the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sagittal.evaluation.mpllm.paper import BY_FINDING, BY_TASK, MEANS, TABLE_1
from sagittal.evaluation.mpllm.questions import Answered
from sagittal.evaluation.mpllm.variants import VARIANTS, World
from sagittal.score.calibration import Reliability, reliability
from sagittal.score.descriptors import (
    TASKS,
    Figure,
    Hits,
    by_label,
    difference,
    hits,
    means,
    resampled,
    scope_figures,
)

FINDINGS = ("ET", "SNFH", "NETC", "RC")
#: Runs of a comparison: world → variant → answers of each seed.
Runs = Mapping[World, Mapping[str, Sequence[Sequence[Answered]]]]


@dataclass(frozen=True, eq=False)
class Scored:
    """A variant's answers as hits, one set a seed."""

    seeds: tuple[Hits, ...]

    def figures(self) -> dict[str, Figure]:
        """Means over the seeds, with spread over studies."""
        return resampled(lambda weights: means(self.seeds, weights), self.seeds[0].studies)

    def only(self, tasks: Sequence[str]) -> Scored:
        """Some of the tasks."""
        return Scored(tuple(one.only(tasks) for one in self.seeds))

    def apart(self) -> float:
        """How far the seeds' task means lie apart."""
        found = [one.figures()["mean"] for one in self.seeds]
        return max(found) - min(found)


def scored(runs: Sequence[Sequence[Answered]], *, who: str = "") -> Scored:
    """Hits of a variant's runs.

    Args:
        runs: a seed each.
        who: ``heads`` or ``spoken``; heads where the model has them, when empty.
    """
    chosen = who or ("heads" if runs[0][0].heads is not None else "spoken")
    return Scored(
        tuple(hits([a.rated("truth") for a in run], [a.rated(chosen) for a in run]) for run in runs)
    )


def table_1(runs: Runs) -> list[str]:
    """Task accuracy of our configurations on both worlds; the paper's methods below."""
    lines = []
    for world, variants in runs.items():
        lines += [f"### {world.upper()}-like", "", *_head("configuration", (*TASKS, "mean", "seeds apart"))]
        for name, own in variants.items():
            if name == "region-given":
                continue
            for who in _speakers(own):
                found = scored(own, who=who)
                said = f"{VARIANTS[name].words}{'' if who == 'heads' else ' (its words)'}"
                cells = [_sd(found.figures()[task]) for task in (*TASKS, "mean")]
                lines.append(_row(said, *cells, f"{100 * found.apart():.1f}"))
        for method, values in TABLE_1[world].items():
            lines.append(_row(f"*paper, BraTS-{world.upper()}: {method}*", *(f"*{v}*" for v in values), ""))
        lines.append("")
    return lines


def _speakers(own: Sequence[Sequence[Answered]]) -> list[str]:
    first = own[0][0]
    return [who for who in ("heads", "spoken") if getattr(first, who) is not None]


def mean_table(number: str, runs: Mapping[str, Sequence[Sequence[Answered]]]) -> list[str]:
    """Task means of some variants, against the full model, paired over studies."""
    tasks = [task for task in TASKS if not (number == "7" and task == "region")]
    full = scored(runs["full"]).only(tasks)
    lines = _head("configuration", ("task mean", "full − this, 95 %", "paper"))
    for name, paper in MEANS[number].items():
        own = scored(runs[name]).only(tasks)
        apart = "" if name == "full" else _interval(difference(full.seeds, own.seeds)["mean"])
        lines.append(_row(VARIANTS[name].words, _sd(own.figures()["mean"]), apart, f"*{paper}*"))
    return [*lines, ""]


def task_table(runs: Mapping[str, Sequence[Sequence[Answered]]]) -> list[str]:
    """Tables 3 and 5: by task."""
    lines = _head("configuration", TASKS)
    for name, paper in BY_TASK.items():
        figures = scored(runs[name]).figures()
        lines.append(_row(VARIANTS[name].words, *(_sd(figures[task]) for task in TASKS)))
        lines.append(_row("*paper*", *(f"*{value}*" for value in paper)))
    return [*lines, ""]


def finding_table(runs: Mapping[str, Sequence[Sequence[Answered]]]) -> list[str]:
    """Tables 4 and 6: by finding."""
    lines = _head("configuration", FINDINGS)
    for name, paper in BY_FINDING.items():
        parts = [by_label(one) for one in scored(runs[name]).seeds]
        cells = [_sd(Scored(tuple(part[label] for part in parts)).figures()["mean"]) for label in FINDINGS]
        lines.append(_row(VARIANTS[name].words, *cells))
        lines.append(_row("*paper*", *(f"*{paper[label]}*" for label in FINDINGS)))
    return [*lines, ""]


def scope_table(runs: Runs) -> list[str]:
    """Whether anything beyond the four tasks was recognised, over positives and negatives."""
    lines = _head("configuration", ("world", "precision", "recall", "accuracy"))
    for world, variants in runs.items():
        for name, own in variants.items():
            who = _speakers(own)[0]
            found = scope_figures([a.rated("truth") for a in own[0]], [a.rated(who) for a in own[0]])
            cells = [_interval(found[key]) for key in ("precision", "recall", "accuracy")]
            lines.append(_row(VARIANTS[name].words, world, *cells))
    return [*lines, ""]


def agreement_of_words(answers: Sequence[Answered]) -> dict[str, float]:
    """How often words and heads say the same: each field, regions all at once, and all of a question."""
    shares: dict[str, list[float]] = {}
    for one in answers:
        if one.heads is None or one.spoken is None:
            continue
        same = []
        for task in one.heads.classes:
            alike = set(one.heads.classes[task]) == set(one.spoken.classes.get(task, ()))
            shares.setdefault(task, []).append(float(alike))
            same.append(alike)
        alike = one.heads.beyond == one.spoken.beyond
        shares.setdefault("scope", []).append(float(alike))
        shares.setdefault("all of a question", []).append(float(alike and all(same)))
    return {task: float(np.mean(values)) for task, values in shares.items()}


def calibration(answers: Iterable[Answered]) -> dict[str, Reliability]:
    """Confidence against accuracy of each head, where its task was asked; regions one by one."""
    sure: dict[str, list[float]] = {}
    right: dict[str, list[float]] = {}
    for one in answers:
        for task in one.asked:
            found, truth = one.probabilities[task], set(one.truth.classes[task])
            if task == "region":
                pairs = [(p, name in truth) for name, p in found.items() if name != "not asked"]
            else:
                best = max(found, key=lambda name: found[name])
                pairs = [(found[best], best in truth)]
            for p, hit in pairs:
                if task == "region" and p < 0.5:
                    p, hit = 1 - p, not hit
                sure.setdefault(task, []).append(min(1.0, p))
                right.setdefault(task, []).append(float(hit))
    return {task: reliability(sure[task], right[task]) for task in TASKS if task in sure}


def _head(first: str, others: Sequence[str]) -> list[str]:
    return [f"| {first} | {' | '.join(others)} |", "| --- " * (1 + len(others)) + "|"]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _sd(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} ± {100 * figure.sd:.1f}"


def _interval(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
