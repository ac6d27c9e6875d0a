"""How long a simulated study takes: one core, and a GPU where there is one.

    python benchmarks/simulate.py [--heads FOLDER] [--studies 20]

Writes a small table: median and slowest study of each world on 96 × 112 × 88 voxels of 2 mm, with the command
and the machine. Heads are phantoms unless a folder of label maps is named.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch
from report import write_report

from sagittal.simulate import HeadSet, preset, simulate
from sagittal.simulate.config import PRESETS

SEED = 0


def seconds_each(name: str, heads: HeadSet, studies: int, device: str) -> list[float]:
    """Wall-clock seconds of each study, heads already in memory."""
    simulate(preset(name), heads, [studies], SEED, device)
    taken = []
    for index in range(studies):
        start = time.perf_counter()
        simulate(preset(name), heads, [index], SEED, device)
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--heads", type=Path, default=None, help="folder of label maps; phantoms when left out"
    )
    parser.add_argument("--studies", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    heads = HeadSet.from_folder(arguments.heads) if arguments.heads else HeadSet.phantoms(2, 1.0)
    heads = heads.subset(range(min(2, len(heads))))
    for index in range(len(heads)):
        heads.head(index)
    lines = [
        f"One thread; heads: {len(heads)} from {heads.source}; 96 × 112 × 88 voxels of 2 mm; seed {SEED}; "
        f"{arguments.studies} studies of each world. Target: a four-sequence study in at most 1 s.",
        "",
        "| world | images | median s | slowest s |",
        "| --- | --- | --- | --- |",
    ]
    for name in PRESETS:
        taken = seconds_each(name, heads, arguments.studies, "cpu")
        images = ", ".join(preset(name).sequences) + (" × 2 sessions" if name == "growth" else "")
        lines.append(f"| {name} | {images} | {statistics.median(taken):.2f} | {max(taken):.2f} |")
        print(lines[-1])
    if torch.cuda.is_available():
        taken = seconds_each("gli", heads, arguments.studies, "cuda")
        rate = len(taken) / sum(taken)
        lines += ["", f"GPU ({torch.cuda.get_device_name()}): {rate:.1f} studies a second (gli)."]
    else:
        lines += ["", "No GPU was there to measure on."]
    option = " --heads FOLDER" if arguments.heads else ""
    command = f"python benchmarks/simulate.py{option} --studies {arguments.studies}"
    write_report("simulate_speed", "Speed of simulation", command, lines, ("torch", "numpy"))


if __name__ == "__main__":
    main()
