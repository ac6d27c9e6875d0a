"""How long each stage of an answer took, and how much memory the process came to need."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sagittal.agent.loop import Feedback, Planner
from sagittal.answer import Step


@dataclass
class Stages:
    """Seconds by stage, in the order in which they began."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a block as part of a stage."""
        begun = time.perf_counter()
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun

    def steps(self, model: str) -> list[Step]:
        """The stages as steps of the model; the last says how much memory the process took at most."""
        peak = peak_memory_mib()
        made = [Step("model", model, {"stage": n}, None, s) for n, s in self.seconds.items()]
        if made and peak is not None:
            last = made.pop()
            made.append(Step("model", model, last.input, {"peak_memory_mib": peak}, last.seconds))
        return made


class TimedPlanner:
    """A planner whose writing is timed."""

    def __init__(self, planner: Planner, stages: Stages, stage: str) -> None:
        self._planner, self._stages, self._stage = planner, stages, stage

    def next_program(self, feedback: Feedback | None) -> str | None:
        """The planner's next program."""
        with self._stages(self._stage):
            return self._planner.next_program(feedback)


def peak_memory_mib() -> int | None:
    """The most memory that this process held so far; ``None`` where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, KiB elsewhere.
    return int(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))
