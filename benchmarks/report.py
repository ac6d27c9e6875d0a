"""How a benchmark's figures get into ``docs/results``: with machine, commit, versions and command."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sagittal.files import versions, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"


def write_report(
    name: str, title: str, command: str, body: Sequence[str], libraries: Sequence[str] = ()
) -> Path:
    """Write ``docs/results/NAME.md`` and print it.

    Args:
        name: file name without ending.
        title: heading.
        command: what anyone can run to get these figures again.
        body: lines of Markdown: tables, seeds, what was measured and what was not.
        libraries: distributions whose versions matter to the figures.
    """
    facts = [
        f"# {title}",
        "",
        f"Command: `{command}`",
        "",
        f"Commit {commit()}; {machine()}; "
        + ", ".join(f"{k} {v}" for k, v in versions(*libraries).items())
        + f", Python {platform.python_version()}.",
        "",
    ]
    text = "\n".join([*facts, *body, ""])
    path = RESULTS / f"{name}.md"
    write_text(path, text)
    sys.stdout.write(text)
    return path


def commit() -> str:
    """The checkout's commit, marked when files differ from it."""
    head = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "src", "benchmarks")
    return head + (" with uncommitted changes" if changed else "")


def machine() -> str:
    """Processor and cores in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{cores} cores of {model}"


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or ("unknown" if done.returncode else "")
