"""The page of results: triggers, answers with and without specialists, what language was kept, learning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sagittal.evaluation.vila_m3.both_ways import Reply
from sagittal.evaluation.vila_m3.triggers import Triggered, trigger_figures
from sagittal.score.descriptors import Figure
from sagittal.score.power_law import fit_power_law

_COLUMNS = ("precision", "recall", "argument", "silence", "unsuitable", "right")


def trigger_lines(groups: Mapping[str, Sequence[Triggered]], shipped: frozenset[str]) -> list[str]:
    """A row a set of questions, and how often cards with names that training cannot have met are called.

    Args:
        groups: title → questions with the calls that were made.
        shipped: names of the cards that ship.
    """
    lines = [
        f"| questions | number | {' | '.join(_COLUMNS)} |",
        f"| --- | --- |{' --- |' * len(_COLUMNS)}",
    ]
    for title, found in groups.items():
        lines.append(_row(title, found))
        new = [one for one in found if one.item.calls and one.item.calls[0].name not in shipped]
        if new and len(new) < len(found):
            lines.append(_row(f"{title}: specialists under names that do not ship", new))
    return [*lines, ""]


def _row(title: str, found: Sequence[Triggered]) -> str:
    figures = trigger_figures(found)
    return f"| {title} | {len(found)} | {' | '.join(figures[name].text() for name in _COLUMNS)} |"


def judge_lines(weights: Mapping[str, str]) -> list[str]:
    """Which model GREEN was judged by; nothing without one.

    Args:
        weights: its files of weights → SHA-256.
    """
    if not weights:
        return []
    files = ", ".join(f"`{name}` {sha256[:16]}…" for name, sha256 in weights.items())
    return [f"GREEN (Ostmeier et al. 2024) by the model with these weights, SHA-256: {files}.", ""]


def cost_lines(replies: Sequence[Reply]) -> list[str]:
    """Seconds of an answer by what was called for it."""
    by: dict[str, list[float]] = {}
    for reply in replies:
        called = ", ".join(dict.fromkeys(reply.called)) or ("none" if reply.way == "with" else "none allowed")
        by.setdefault(called, []).append(reply.seconds)
    rows = [
        f"| {called} | {len(own)} | {np.median(own):.1f} | {max(own):.1f} |"
        for called, own in sorted(by.items())
    ]
    return [
        "| specialists that were called | answers | seconds, median | most |", "| --- | --- | --- | --- |",
        *rows, "",
    ]  # fmt: skip


def retention_lines(before: Figure, after: Figure, scored: int, pairs: int) -> list[str]:
    """Loss of answers that no training read, in nats a token; ``scored`` of a test set's ``pairs``."""
    return [
        f"{scored:,} questions with answers of SLAKE's test set, words alone, each once; the others of its "
        f"{pairs:,} stand word for word in the training file, which both models read. In nats a token: "
        f"`decoder-small` {before.text()}, the language model after VILA-M3's training {after.text()}.",
        "",
    ]


def learning_lines(curves: Mapping[str, Path]) -> list[str]:
    """Validation loss by step of each stage, and the power law that fits the first; nothing without a curve.

    Here is one size, so that S alone is fitted: L = (S_c / S)^α + L∞ by least squares on the validation
    scores. :mod:`training_page` fits sizes, too, as the paper does (Table 10).
    """
    scored = {stage: _scored(curve) for stage, curve in curves.items() if curve.is_file()}
    if not scored:
        return []
    lines = [
        "| stage | step | validation loss | of all words | of the choice of specialists |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {stage} | {step:,} | {row['val loss']:.3f} | {row['val words']:.3f} | {row['val choice']:.3f} |"
        for stage, rows in scored.items()
        for step, row in rows.items()
    ]
    stage, first = next(iter(scored.items()))
    fitted = fit_power_law(list(first), [row["val words"] for row in first.values()])
    if fitted is not None:
        alpha, scale, floor = fitted
        lines += ["", f"Of all words of `{stage}`: L(S) = ({scale:.3g} / S)^{alpha:.2f} + {floor:.3f}."]
    return [*lines, ""]


def _scored(curve: Path) -> dict[int, Mapping[str, float]]:
    """Step → the validation scores there."""
    rows = [json.loads(line) for line in curve.read_text("utf-8").splitlines()]
    scored = {row["step"]: row for row in rows if "val loss" in row}
    return {step: scored[step] for step in sorted(scored)}
