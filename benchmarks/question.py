"""How long a question over four full scans takes, and how much memory: from a fresh process to the answer.

    python benchmarks/question.py [--model NAME] [--repeats 5]

Each run is a new process that asks one question of four simulated scans of 240 × 240 × 155 voxels of 1 mm, as
a user does on the command line. The stages are those of the answer's own trace.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import write_report

from sagittal.simulate import HeadSet, preset
from sagittal.simulate.folder import write_studies

SEED, SHAPE = 5, (240, 240, 155)
QUESTION = "How large is the whole tumour?"


def ask(folder: Path, model: str) -> tuple[dict[str, float], int, str]:
    """One question in a new process: seconds by stage, most memory in MiB, and what was said."""
    command = [sys.executable, "-m", "sagittal", "ask", str(folder), QUESTION, "--model", model, "--json"]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - begun
    answer: dict[str, Any] = json.loads(done.stdout)
    stages = [step for step in answer["steps"] if "model" in step]
    seconds = {step["input"]["stage"]: step["seconds"] for step in stages}
    return {**seconds, "whole command": whole}, stages[-1]["output"]["peak_memory_mib"], answer["text"]


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    config = preset("gli").model_copy(update={"shape": SHAPE, "spacing": (1.0, 1.0, 1.0)})
    with tempfile.TemporaryDirectory() as folder:
        [patient] = write_studies(config, HeadSet.phantoms(1, 1.0), Path(folder), 1, SEED)
        runs = [ask(patient, given.model) for _ in range(given.repeats + 1)][1:]
    said, most = " / ".join(sorted({text for _, _, text in runs})), max(memory for _, memory, _ in runs)
    lines = [
        f"“{QUESTION}” of four simulated scans ({', '.join(config.sequences)}) of "
        f"{' × '.join(map(str, SHAPE))} voxels of 1 mm; {given.repeats} fresh processes after one that is "
        f"not counted; seed {SEED}. Targets: 30 s in all, 1 s of it to write programs, 5 GB.",
        "",
        "| stage | median s | slowest s |",
        "| --- | --- | --- |",
    ]
    for stage in runs[0][0]:
        taken = [seconds[stage] for seconds, _, _ in runs]
        lines.append(f"| {stage} | {statistics.median(taken):.2f} | {max(taken):.2f} |")
    lines += ["", f"Most memory: {most} MiB.", "", f"Said: {said}"]
    command = f"python benchmarks/question.py --model {Path(given.model).name} --repeats {given.repeats}"
    write_report("question_speed", "Speed of a question", command, lines, ("torch", "transformers", "numpy"))


if __name__ == "__main__":
    main()
