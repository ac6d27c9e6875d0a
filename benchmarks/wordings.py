"""How many wordings the grammar of tumour questions has, and how often they repeat in a large set.

Run: python benchmarks/wordings.py
"""

from __future__ import annotations

import time
from itertools import product

import numpy as np
from report import write_report

from sagittal.builders.tumour_questions import draw_wordings, generator_for
from sagittal.language import TYPES, TumourWordings, fill
from sagittal.language.quality import faults

STUDIES, SEED = 1621, 0
LABELS = (
    "Non-Enhancing Tumor Core",
    "Surrounding Non-enhancing FLAIR hyperintensity",
    "Enhancing Tissue",
    "Resection Cavity",
)
# Classes drawn at random stand for measured ones: repeats depend on the words, hardly on the classes.
VOLUMES = ("<1%", "1-5%", "5-10%", "10-25%", "N/A")
REGIONS = ("frontal", "parietal and temporal", "limbic, insula and subcortical", "cerebellum", "N/A")
SHAPES = ("focus", "round", "oval", "irregular", "N/A")
SPREADS = ("single lesion", "core with satellite lesions", "scattered lesions", "N/A")


def main() -> None:
    wordings = TumourWordings.load()
    rows = ["| kind | tasks | train pool | withheld pool |", "| --- | --- | --- | --- |"]
    kinds = [*product(("in_scope", "partly_out_of_scope"), TYPES), ("out_of_scope", ())]
    for kind, tasks in kinds:
        train, withheld = (wordings.count(kind, tasks, pool=pool) for pool in ("train", "withheld"))
        rows.append(f"| {kind.replace('_', ' ')} | {', '.join(tasks)} | {train:.2e} | {withheld:.2e} |")
    least = {
        kind: min(wordings.count(k, t, pool="train") for k, t in kinds if k == kind) for kind, _ in kinds
    }

    rng = np.random.default_rng(SEED)
    questions, answers, broken = [], [], 0
    start = time.perf_counter()
    for study in range(STUDIES):
        for label in LABELS:
            for wording in draw_wordings(generator_for(SEED, f"study-{study}", label), wordings, "train"):
                broken += bool(faults(wording.question, wording.answer, wording.kind, wording.tasks))
                question, answer = fill(
                    wording,
                    label=label,
                    volume=str(rng.choice(VOLUMES)),
                    regions=str(rng.choice(REGIONS)),
                    shape=str(rng.choice(SHAPES)),
                    spread=str(rng.choice(SPREADS)),
                )
                questions.append(question)
                answers.append(answer)
    seconds = time.perf_counter() - start
    unique_q, unique_a = len(set(questions)) / len(questions), len(set(answers)) / len(answers)
    rows += [
        "",
        "Counts are of derivations. Least of a kind, train pool alone: "
        + "; ".join(f"{k.replace('_', ' ')} {v:.2e}" for k, v in least.items())
        + ". Aim: 3,000 for each type in scope, 1,000 for each kind out of scope.",
        "",
        f"The paper's size: {STUDIES} studies × {len(LABELS)} labels × 6 = {len(questions):,} pairs, "
        f"seed {SEED}, classes at random. Unique questions {unique_q:.2%} (paper 97.7 %, aim ≥ 97 %); "
        f"unique answers {unique_a:.2%} (paper 94.5 %); pairs that break a rule of the check: {broken}. "
        f"{seconds:.1f} s on one core, check included.",
    ]
    write_report(
        "wordings", "Wordings of tumour questions", "python benchmarks/wordings.py", rows, ("numpy", "pyyaml")
    )


if __name__ == "__main__":
    main()
