"""One model for all tasks against one network a task: records → Markdown (VoxelPrompt, figures 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from sagittal.builders.voxel.characterised import CHARACTERISATIONS, Characterisation
from sagittal.errors import InputError
from sagittal.evaluation.single_task import Named
from sagittal.score.paired import MARGIN, Accuracy, Paired, accuracy, mean_over_tasks, paired
from sagittal.score.segmentation import Record
from sagittal.train.single_task import TARGETS

_ALPHA = 0.05


def dice_lines(
    ours: Sequence[Record],
    single: Sequence[Record],
    targets: Sequence[str] = TARGETS,
    other: str = "single-task",
) -> list[str]:
    """Figure 4: a row a target; simulated and real cases apart.

    Args:
        ours, single: records of both methods on the same cases; those where the target is not there do not
            count. Sessions of one study are averaged: they are one case.
        targets: in order.
        other: what the other method is called.

    Raises:
        InputError: a case comes twice from one method.
    """
    a, b = _by_case(ours), _by_case(single)
    lines = []
    for title, simulated in (("Simulated studies", True), ("Real scans", False)):
        known = {k for k in (*a, *b) if k[2] == simulated and k[1] in targets}
        if not known:
            continue
        rows = {name: _compared(a, b, name, simulated) for name in targets}
        compared = {name: row for name, row in rows.items() if row is not None}
        lines += [f"### {title}", "", *_dice_table(compared, other), ""]
        apart = sum((k in a) != (k in b) for k in known)
        if apart:
            lines += [f"Left out: {apart} masks that one of the methods alone was asked for.", ""]
    return lines


def _dice_table(rows: Mapping[str, Paired], other: str) -> list[str]:
    if not rows:
        return ["No case that both methods were asked about."]
    points = f"{100 * MARGIN:g}"
    lines = [
        f"| target | ours | {other} | difference (95 % interval) | p, paired t-test | "
        f"at most {points} points worse | cases |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row.first:.3f} | {row.second:.3f} | {_difference(row.difference, row.interval)} | "
            f"{_p(row.p)} | {_yes(row.non_inferior)} | {row.cases} |"
        )
    good = sum(row.p is not None and (row.p >= _ALPHA or row.difference > 0) for row in rows.values())
    sure = sum(bool(row.non_inferior) for row in rows.values())
    return [
        *lines,
        "",
        f"Matches (p ≥ {_ALPHA:g}) or exceeds {other} on {good} of {len(rows)} targets; shown to be at most "
        f"{points} Dice points worse (one-sided, 95 %) on {sure} of {len(rows)}.",
    ]


def _compared(
    a: Mapping[tuple[str, str, bool], float],
    b: Mapping[tuple[str, str, bool], float],
    target: str,
    simulated: bool,
) -> Paired | None:
    """Both methods on the studies that both saw; ``None`` where there is none."""
    both = [k for k in a if k in b and k[1:] == (target, simulated)]
    studies: dict[str, list[tuple[float, float]]] = {}
    for key in both:
        studies.setdefault(_study(key[0]), []).append((a[key], b[key]))
    means = [tuple(mean(column) for column in zip(*pairs, strict=True)) for pairs in studies.values()]
    return paired(*zip(*means, strict=True)) if means else None


def _by_case(records: Sequence[Record]) -> dict[tuple[str, str, bool], float]:
    """(case, structure, simulated) → Dice, of what is there."""
    found: dict[tuple[str, str, bool], float] = {}
    for record in records:
        key = (record.case, record.structure, record.source.startswith("simulated"))
        if key in found:
            raise InputError("A case comes once.", got=f"{record.case}: {record.structure}")
        if record.overlap.true_ml > 0:
            found[key] = record.overlap.dice
    return found


def word_lines(
    ours: Sequence[Named],
    single: Sequence[Named],
    tasks: Sequence[Characterisation] = CHARACTERISATIONS,
) -> list[str]:
    """Figure 5: a row a characterisation, and the mean over them.

    Args:
        ours, single: both methods on the same cases; tasks that ours alone answered stand without the other.
            Where a study gives several cases, intervals and the test are over studies.
        tasks: in order.

    Raises:
        InputError: a case comes twice from one method, or its truth is not the same for both.
    """
    a, b = _answers(ours), _answers(single)
    lines = [
        "| task | ours (95 % interval) | single-task (95 % interval) | chance: 1 / classes, commonest | "
        "difference | p, paired t-test | cases (studies) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    alone: list[list[float]] = []
    scores: list[tuple[list[float], list[float]]] = []
    trained = {key[0] for key in b}
    for task in tasks:
        keys = [key for key in a if key[0] == task.name and (key in b or task.name not in trained)]
        if not keys:
            continue
        first = [a[key] for key in keys]
        alone.append(_study_means(first))
        counted = _accuracy(first, task)
        chance = f"{100 * counted.uniform:.0f} %, {100 * counted.majority:.0f} %"
        cases = f"{len(keys)} ({len(alone[-1])})"
        if task.name not in trained:
            lines.append(f"| {task.name} | {_share(counted)} | not trained | {chance} | | | {cases} |")
            continue
        second = [b[key] for key in keys]
        if [n.truth for n in first] != [n.truth for n in second]:
            raise InputError("Both methods answer the same questions.", got=f"{task.name}: other truths")
        scores.append((alone[-1], _study_means(second)))
        row = paired(*scores[-1])
        lines.append(
            f"| {task.name} | {_share(counted)} | {_share(_accuracy(second, task))} | {chance} | "
            f"{100 * row.difference:+.1f} | {_p(row.p)} | {cases} |"
        )
    if not alone:
        return ["No case that both methods were asked about."]
    lines += _means(alone, scores)
    apart = sum(key[0] in trained for key in set(a) ^ set(b))
    return [
        *lines,
        "",
        *([f"Left out: {apart} cases that one of the methods alone answered.", ""] * bool(apart)),
    ]


def _means(alone: Sequence[list[float]], scores: Sequence[tuple[list[float], list[float]]]) -> list[str]:
    """The mean over tasks: ours over all, and both over those that both answered."""

    def cell(values: Sequence[Sequence[float]]) -> str:
        found, (low, high) = mean_over_tasks(values)
        return f"{100 * found:.1f} % ({100 * low:.1f}–{100 * high:.1f})"

    lines = []
    if len(scores) < len(alone):
        lines.append(f"| **mean over {len(alone)} tasks** | {cell(alone)} | | | | | |")
    if scores:
        first, second = ([score[side] for score in scores] for side in (0, 1))
        gain, (low, high) = mean_over_tasks([[x - y for x, y in zip(*s, strict=True)] for s in scores])
        lines.append(
            f"| **mean over tasks** | {cell(first)} | {cell(second)} | | "
            f"{100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) | | |"
        )
    return lines


def _answers(named: Sequence[Named]) -> dict[tuple[str, str], Named]:
    found = {(one.task, one.case): one for one in named}
    if len(found) != len(named):
        raise InputError("A case comes once.", expected=len(found), got=len(named))
    return found


def _study_means(answers: Sequence[Named]) -> list[float]:
    right: dict[str, list[float]] = {}
    for one in answers:
        right.setdefault(_study(one.case), []).append(float(one.word == one.truth))
    return [mean(values) for values in right.values()]


def _accuracy(answers: Sequence[Named], task: Characterisation) -> Accuracy:
    return accuracy(
        [one.word for one in answers],
        [one.truth for one in answers],
        len(task.classes),
        [_study(one.case) for one in answers],
    )


def _study(case: str) -> str:
    """``growth/104/session-1`` is of ``growth/104``; a real case is a study of its own."""
    return "/".join(case.split("/")[:2])


def _share(found: Accuracy) -> str:
    low, high = found.interval
    return f"{100 * found.value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def _difference(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:+.3f}" if interval is None else f"{value:+.3f} ({interval[0]:+.3f} to {interval[1]:+.3f})"


def _p(value: float | None) -> str:
    if value is None:
        return "one case"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _yes(value: bool | None) -> str:
    return "one case" if value is None else "yes" if value else "not shown"
