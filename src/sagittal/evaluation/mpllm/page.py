"""The page of mpLLM's tables, from the answers of all runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sagittal.evaluation.frozen_world import TUMOURS, world_table
from sagittal.evaluation.mpllm.learning import learning_lines
from sagittal.evaluation.mpllm.pictures import (
    canonical_prompts,
    correlations,
    draw_heatmap,
    draw_reliability,
    within_and_between,
)
from sagittal.evaluation.mpllm.questions import Answered
from sagittal.evaluation.mpllm.runs import ROUTER
from sagittal.evaluation.mpllm.tables import (
    Runs,
    agreement_of_words,
    calibration,
    finding_table,
    mean_table,
    scope_table,
    table_1,
    task_table,
)
from sagittal.evaluation.mpllm.variants import LOOP, SEEDS

_MEANS = {
    "2": "Table 2: what the experts look at",
    "7": "Table 7: with the label's regions in the prompt (means without the region task)",
    "17": "Table 17: number of blocks",
    "18": "Table 18: softmax or sigmoid",
    "19": "Table 19: how sequences are put together",
    "20": "Table 20: without the multi-task loss",
}


def comparison_lines(runs: Runs, work: Path, out: Path) -> list[str]:
    """Tables 1 to 7 and 17 to 20, Figure 3, out-of-scope and calibration.

    Args:
        runs: all of them.
        work: folder of the runs, with their curves and what the router of the first ``full`` chose.
        out: folder that receives the pictures.
    """
    frozen = world_table(TUMOURS)["frozen"]
    gli = runs["gli"]
    lines = [
        f"{frozen['found']['studies']} simulated studies of heads that no training saw, frozen before the "
        f"first comparison (SHA-256 {frozen['sha256'][:16]}…), six questions of each label, drawn anew from "
        f"training's grammar. Each configuration: {LOOP.steps} steps of 32 questions, seeds "
        f"{', '.join(map(str, SEEDS))}; the same frozen encoder, decoder and questions for all. A task "
        "counts where it is asked; regions one by one. ± is the standard deviation over 500 resamples of "
        "studies, seeds averaged; *seeds apart* is how far the seeds' means differ. The paper's figures, in "
        "italics, are of other data (BraTS) and other models, and stand beside ours for their order alone.",
        "",
        "## Table 1: configurations of ours",
        "",
        *table_1(runs),
    ]
    for number, title in _MEANS.items():
        lines += [f"## {title}", "", *mean_table(number, gli)]
    lines += ["## Tables 3 and 5: by task", "", *task_table(gli)]
    lines += ["## Tables 4 and 6: by finding", "", *finding_table(gli)]
    lines += ["## Out of scope", "", "First seed; 95 % intervals.", "", *scope_table(runs)]
    lines += ["## How fast they learn", "", "Losses of the heads in training.", "", *learning_lines(work)]
    lines += ["## The router (Figure 3)", "", *_router_lines(work / f"gli-full-{SEEDS[0]}" / ROUTER, out)]
    lines += ["## Probabilities", "", *calibration_lines(gli["full"][0], out / "reliability.png")]
    return lines


def _router_lines(router: Path, out: Path) -> list[str]:
    weights = np.array(json.loads(router.read_text(encoding="utf-8")))
    findings = [finding for finding, _ in canonical_prompts()]
    found = correlations(weights)
    draw_heatmap(found, findings, out / "router.png")
    alike = within_and_between(found, findings)
    return [
        f"![Correlation of router weights]({out.name}/router.png)",
        "",
        f"Weights of the {len(weights[0])} blocks for the sixty template prompts: mean correlation "
        f"{alike['within']:.2f} of two prompts about one finding, {alike['between']:.2f} about others.",
        "",
    ]


def calibration_lines(answers: Sequence[Answered], picture: Path) -> list[str]:
    """Errors of each head, with the diagram."""
    found = calibration(answers)
    draw_reliability(found, picture)
    errors = ", ".join(f"{task} {own.error:.3f}" for task, own in found.items())
    return [
        f"![Reliability]({picture.parent.name}/{picture.name})",
        "",
        f"Expected calibration error (15 bins): {errors}.",
        "",
    ]


def agreement_lines(answers: Sequence[Answered]) -> list[str]:
    """How often words and heads say the same."""
    found: Mapping[str, float] = agreement_of_words(answers)
    return [
        "| words and heads agree | " + " | ".join(found) + " |",
        "| --- " * (1 + len(found)) + "|",
        "| share of questions | " + " | ".join(f"{100 * value:.1f} %" for value in found.values()) + " |",
        "",
    ]
