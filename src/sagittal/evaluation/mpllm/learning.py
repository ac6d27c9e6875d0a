"""How fast the configurations learn: the losses of training, from the curves of their runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from sagittal.evaluation.mpllm.variants import RUNS, SEEDS, VARIANTS
from sagittal.score.descriptors import TASKS
from sagittal.train.curve import read_curve

#: Steps that a mean is taken over, and what they are called.
SPANS = {"steps 60 to 120": (60, 120), "steps 340 to 400": (340, 400)}


def learning_lines(work: Path) -> list[str]:
    """A table of the heads' losses early and late, means over the seeds; configurations with heads alone."""
    columns = [f"{task}, {words}" for words in SPANS for task in TASKS]
    lines = [f"| configuration | {' | '.join(columns)} |", "| --- " * (1 + len(columns)) + "|"]
    for name in RUNS["gli"]:
        if not VARIANTS[name].heads:
            continue
        curves = [read_curve(work / f"gli-{name}-{seed}") for seed in SEEDS]
        cells = [
            f"{np.mean([mean_loss(curve, task, *span) for curve in curves]):.3f}"
            for span in SPANS.values()
            for task in TASKS
        ]
        lines.append(f"| {VARIANTS[name].words} | {' | '.join(cells)} |")
    return [*lines, ""]


def mean_loss(curve: Iterable[Mapping[str, float]], task: str, first: int, last: int) -> float:
    """Mean of a head's loss over the reports of some steps, both ends included."""
    return float(np.mean([row[task] for row in curve if task in row and first <= row["step"] <= last]))
