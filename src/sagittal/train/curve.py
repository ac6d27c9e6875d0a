"""The curve of a run: JSON lines, and the same numbers for TensorBoard where it is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.files import atomic_path, storage_errors

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter


class Curve:
    """Writes ``curve.jsonl`` and event files beside it.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = self.path_in(folder)

    @cached_property
    def _events(self) -> SummaryWriter | None:
        """Made with the first line: of several processes, one writes."""
        return _event_writer(self.path.parent)

    @staticmethod
    def path_in(folder: Path) -> Path:
        """Of the file, in a run's folder."""
        return folder / "curve.jsonl"

    def write(self, step: int, values: Mapping[str, float]) -> str:
        """One line; returned as it was written."""
        rounded = {name: float(f"{value:.5g}") for name, value in values.items()}
        line = json.dumps({"step": step, **rounded})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with storage_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if self._events is not None:
            for name, value in rounded.items():
                self._events.add_scalar(name, value, step)
            self._events.flush()
        return line

    def forget_after(self, step: int) -> None:
        """Drop lines that were written after a save: their steps will be taken again.

        A last line that was cut off by a kill is dropped too.
        """
        if not self.path.exists():
            return
        with storage_errors(self.path):
            lines = self.path.read_text(encoding="utf-8").splitlines()
        with atomic_path(self.path) as temporary:
            temporary.write_text("".join(f"{v}\n" for v in lines if _step(v) <= step), encoding="utf-8")


def read_curve(folder: Path) -> list[dict[str, float]]:
    """The lines of a run's curve, as they were written."""
    path = Curve.path_in(folder)
    with storage_errors(path):
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _step(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return float("inf")


def _event_writer(folder: Path) -> SummaryWriter | None:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "events"), flush_secs=600)
