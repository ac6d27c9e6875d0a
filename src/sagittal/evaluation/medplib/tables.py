"""MedPLIB's tables from the marks of all runs: baselines, stages, experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sagittal.evaluation.medplib.compare import EVERY, Marks
from sagittal.evaluation.medplib.scores import mean
from sagittal.evaluation.medplib.variants import LOOPS, SEEDS, UNET_LOOP, VARIANTS
from sagittal.score.descriptors import Figure

#: Run → marks of each seed.
Runs = Mapping[str, Sequence[Marks]]
_SPOKEN = ("closed", "choice", "open")
_COLUMNS = {
    "region": "region right", "mask": "mean Dice", "closed": "is it there?", "choice": "one of four",
    "open": "modality, plane",
}  # fmt: skip


def comparison_lines(runs: Runs, slices: int) -> list[str]:
    """All tables.

    Args:
        runs: of the stages, the baselines and the variants.
        slices: of the frozen world, of which one in some is asked about.
    """
    steps = ", ".join(f"{name} {loop.steps}" for name, loop in LOOPS.items())
    return [
        f"{-(-slices // EVERY)} slices of the frozen simulated world; seeds {', '.join(map(str, SEEDS))}. "
        f"Every run is short ({steps} steps of 32 questions): what is compared is what is learnt soon. All "
        "share the frozen encoders, and begin with a mask decoder that has met no words, as the paper's "
        "begin with SAM-Med2D's; the U-Net begins with nothing. Seeds averaged; 95 % intervals over 500 "
        "resamples of studies; *apart*: how far the seeds' means differ.",
        "",
        "## Table 1's shape: regions as vectors or as words",
        "",
        *_table(
            {
                "region as a vector (stage II)": runs["recognition"],
                "region as coordinates in the words": runs["coordinates"],
            },
            ("region", *_SPOKEN),
        ),
        "## Table 2's shape: masks of one class",
        "",
        *_table(
            {
                f"text-conditioned U-Net ({UNET_LOOP.steps} steps of 16 requests)": runs["unet"],
                "MedPLIB, stage III": runs["grounding"],
                "MedPLIB, stage IV": runs["full"],
            },
            ("single",),
        ),
        "## Table 3's shape: what each stage knows",
        "",
        *_table(
            {
                "II, recognition": runs["recognition"],
                "III, grounding": runs["grounding"],
                "IV, adaption, two experts": runs["full"],
                "IV without experts": runs["dense"],
            },
            ("region", "mask", *_SPOKEN),
        ),
        "## Table 4's shape: experts",
        "",
        *_table({VARIANTS[name].words: runs[name] for name in VARIANTS}, ("region", "mask", *_SPOKEN)),
        *difference_lines(runs),
    ]


def _table(rows: Mapping[str, Sequence[Marks]], columns: Sequence[str]) -> list[str]:
    names = [_COLUMNS.get(name, "mean Dice") for name in columns]
    lines = ["| | " + " | ".join(names) + " |", "| --- " * (1 + len(names)) + "|"]
    for words, seeds in rows.items():
        lines.append(f"| {words} | " + " | ".join(_cell(seeds, name) for name in columns) + " |")
    return [*lines, ""]


def _cell(seeds: Sequence[Marks], name: str) -> str:
    if not all(name in own for own in seeds):
        return "–"
    figure = _pooled([own[name] for own in seeds])
    apart = np.ptp([np.mean([mark for _, mark in own[name]]) for own in seeds])
    return f"{_hundred(figure)}, apart {100 * apart:.1f}"


def _pooled(seeds: Sequence[Sequence[tuple[str, float]]]) -> Figure:
    """The mean over the answers of all seeds; a study's answers are drawn together."""
    every = [pair for own in seeds for pair in own]
    return mean([mark for _, mark in every], [patient for patient, _ in every])


def difference_lines(runs: Runs) -> list[str]:
    """Paired differences to ``full``: the same questions, answered by both."""
    lines = ["Differences from the first line, in points, question by question:", ""]
    lines += ["| | region | mean Dice |", "| --- | --- | --- |"]
    for name in VARIANTS:
        if name != "full":
            cells = [_hundred(_difference(runs[name], runs["full"], what)) for what in ("region", "mask")]
            lines.append(f"| {VARIANTS[name].words} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _difference(ours: Sequence[Marks], theirs: Sequence[Marks], what: str) -> Figure:
    pairs = [
        (a[0], a[1] - b[1])
        for own, other in zip(ours, theirs, strict=True)
        for a, b in zip(own[what], other[what], strict=True)
    ]
    return mean([mark for _, mark in pairs], [patient for patient, _ in pairs])


def _hundred(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"
