"""How long an answer takes that a specialist is called for, and how much memory: from a fresh process on.

    python benchmarks/specialist.py SCAN [--specialists DeepBET] [--question "Extract the brain."]

Each run is a new process that asks as a user does on the command line; memory is that of this process and of
all that it starts, together, as it is seen every 20 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from report import write_report

_MB = 1 << 20


def resident_mb(pid: int) -> float:
    """Memory of a process and of all that it started, in MiB; by the system's files."""
    total, waiting = 0, [pid]
    while waiting:
        own = waiting.pop()
        with suppress(OSError):
            pages = int(Path(f"/proc/{own}/statm").read_text().split()[1])
            total += pages * 4096
            for task in Path(f"/proc/{own}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
    return total / _MB


def ask(scan: Path, question: str, model: str, names: str) -> tuple[float, float, dict[str, Any]]:
    """One question in a new process: seconds, most MiB, and the answer."""
    command = [
        sys.executable, "-m", "sagittal", "ask", f"t1={scan}", question, "--model", model,
        "--specialists", names, "--json",
    ]  # fmt: skip
    begun, most = time.perf_counter(), 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            most = max(most, resident_mb(process.pid))
            time.sleep(0.02)
        assert process.stdout is not None
        said = process.stdout.read()
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - begun, most, json.loads(said)


def _from_trigger_to_answer(answer: dict[str, Any]) -> float:
    """Seconds of writing and running programs: the call, its measuring, the words."""
    stages = ("run programs", "write programs")
    return sum(step["seconds"] for step in answer["steps"] if step["input"].get("stage") in stages)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", type=Path)
    parser.add_argument("--question", default="Extract the brain.")
    parser.add_argument("--model", default="vila-m3-small")
    parser.add_argument("--specialists", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    asked = (given.scan, given.question, given.model, given.specialists)
    runs = [ask(*asked) for _ in range(given.repeats + 1)][1:]
    called = [step["specialist"] for step in runs[0][2]["steps"] if "specialist" in step]
    seconds = [taken for taken, _, _ in runs]
    answering = [_from_trigger_to_answer(answer) for _, _, answer in runs]
    lines = [
        f"“{given.question}” of a real T1 ({given.scan.name}), specialists: {given.specialists}; "
        f"{given.repeats} fresh processes after one that is not counted. Targets: 10 s in all, 3 GB.",
        "",
        f"- called: {', '.join(called) or 'none'}",
        f"- whole command: median {statistics.median(seconds):.1f} s, slowest {max(seconds):.1f} s",
        "- of that, once images and model are read, from trigger to answer, the start of the specialist's "
        f"own process included: median {statistics.median(answering):.1f} s, slowest {max(answering):.1f} s",
        f"- most memory, all processes together: {max(most for _, most, _ in runs):,.0f} MiB",
        f"- said: {runs[0][2]['text'] or runs[0][2]['reason']}",
    ]
    command = f'python benchmarks/specialist.py {given.scan.name} --question "{given.question}"'
    write_report(
        "specialist_speed", "Speed of an answer with a specialist", command, lines, ("torch", "numpy")
    )


if __name__ == "__main__":
    main()
