"""How fast ``sagittal --help`` answers, and what ``sagittal describe`` costs beside plain Python.

Run: python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from report import write_report

RUNS = 15


def seconds(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    commands = {
        "python -c pass": ("-c", "pass"),
        "sagittal --help": ("-m", "sagittal", "--help"),
        "sagittal describe --help": ("-m", "sagittal", "describe", "--help"),
        "sagittal --version": ("-m", "sagittal", "--version"),
    }
    # Interleaved, so that a slow moment of the machine falls on every command alike.
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS + 1):
        for name, arguments in commands.items():
            times[name].append(seconds(*arguments))
    rows = ["| command | median s | fastest s | slowest s |", "| --- | --- | --- | --- |"]
    for name, values in times.items():
        counted = values[1:]
        rows.append(
            f"| `{name}` | {statistics.median(counted):.3f} | {min(counted):.3f} | {max(counted):.3f} |"
        )
    rows += ["", f"{RUNS} runs each after one warm-up, whole processes. Target: `sagittal --help` ≤ 0.3 s."]
    write_report("startup", "Start-up time", "python benchmarks/startup.py", rows, ("typer", "rich"))


if __name__ == "__main__":
    main()
