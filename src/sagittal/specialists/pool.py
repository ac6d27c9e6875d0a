"""Specialists that are loaded: each once, shared by all; the least recently used is released for room."""

from __future__ import annotations

import atexit
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from sagittal.specialists.process import Program, SpecialistProcess, Worker
from sagittal.specialists.protocol import Result, SpecialistError, narrowed
from sagittal.study import Study

#: Memory of all loaded specialists together.
MEMORY_MB = 6_000
#: Until a specialist must be loaded: a library of networks alone takes seconds on a busy machine.
LOADING_SECONDS = 120.0
# A call may take so many times what its card says, and always this long.
_SLACK, _LEAST_SECONDS = 10.0, 30.0


@dataclass(frozen=True)
class Call:
    """What a call gave.

    Attributes:
        result: masks or probabilities, checked.
        seconds: that it took, loading included.
        memory_mb: the most that the specialist's process held so far.
        loaded: whether it had to be loaded.
    """

    result: Result
    seconds: float
    memory_mb: int
    loaded: bool


class Pool:
    """Processes of specialists.

    Args:
        memory_mb: of all of them together; a specialist that needs more alone is refused.
        seconds: of a call; by the card when ``None``.

    Questions may come from several threads: two that need one specialist wait for each other, two that need
    different ones do not.
    """

    def __init__(self, memory_mb: int = MEMORY_MB, seconds: float | None = None) -> None:
        self.memory_mb, self.seconds = memory_mb, seconds
        self._idle: OrderedDict[str, tuple[Program, SpecialistProcess]] = OrderedDict()
        #: name → memory that a specialist which works right now may need.
        self._busy: dict[str, int] = {}
        self._waiting: Worker | None = None
        self._changed = threading.Condition()

    def expect(self) -> None:
        """Start a process for the first specialist that will be asked, whichever it is.

        What a specialist's process needs most of its time for is the library of networks; where a language
        model is loaded first, that is there when it is called. Nothing where one was loaded before.
        """
        with self._changed:
            if not (self._idle or self._busy or self._waiting):
                self._waiting = Worker(early=True)

    def run(self, program: Program, study: Study, argument: str) -> Call:
        """Ask a specialist.

        Args:
            program: how it is started; it is, when it does not run yet.
            study: of one visit, with the images that the card takes among others.
            argument: one of the card's.

        Raises:
            SpecialistError: it gave nothing that can be used; says why.
        """
        card = program.card
        study = narrowed(card, study, argument)
        if card.cost.memory_mb > self.memory_mb:
            raise SpecialistError(
                "memory", card.name, f"{card.name} needs more memory than specialists may have.",
                expected=f"at most {self.memory_mb} MB", got=f"{card.cost.memory_mb} MB",
            )  # fmt: skip
        limit = self.seconds or max(_LEAST_SECONDS, _SLACK * card.cost.seconds)
        with self._taken(program) as known:
            begun = time.perf_counter()
            process = known or SpecialistProcess(program, LOADING_SECONDS, self._waited())
            try:
                result = process.run(study, argument, limit)
            finally:
                self._keep(program, process)
            seconds = time.perf_counter() - begun
            return Call(result, seconds, process.peak_mb, loaded=known is None)

    @property
    def loaded(self) -> list[str]:
        """Names of specialists that are loaded and idle, the least recently used first."""
        with self._changed:
            return list(self._idle)

    def close(self) -> None:
        """End all that are idle."""
        with self._changed:
            for _, process in self._idle.values():
                process.end()
            self._idle.clear()
            if self._waiting is not None:
                self._waiting.end()
                self._waiting = None

    def _waited(self) -> Worker | None:
        """The process that waits, for one specialist."""
        with self._changed:
            worker, self._waiting = self._waiting, None
        if worker is not None and worker.process.poll() is not None:
            worker.end()
            return None
        return worker

    @contextmanager
    def _taken(self, program: Program) -> Iterator[SpecialistProcess | None]:
        """The specialist for oneself, where it is loaded; room for it, where it is not."""
        name, needed = program.card.name, program.card.cost.memory_mb
        with self._changed:
            while name in self._busy or not self._make_room(name, needed):
                self._changed.wait()
            before, process = self._idle.pop(name, (program, None))
            self._busy[name] = needed if process is None else max(needed, process.peak_mb)
        try:
            if process is not None and (before != program or not process.is_running):
                process.end()
                process = None
            yield process
        finally:
            with self._changed:
                del self._busy[name]
                self._changed.notify_all()

    def _make_room(self, name: str, needed: int) -> bool:
        """Release the least recently used until there is room; whether there is."""
        if name in self._idle:
            return True
        while self._held() + needed > self.memory_mb:
            if not self._idle:
                return not self._busy
            _, (_, process) = self._idle.popitem(last=False)
            process.end()
        return True

    def _held(self) -> int:
        idle = sum(max(p.card.cost.memory_mb, process.peak_mb) for p, process in self._idle.values())
        return idle + sum(self._busy.values())

    def _keep(self, program: Program, process: SpecialistProcess) -> None:
        with self._changed:
            if process.is_running:
                self._idle[program.card.name] = (program, process)


@cache
def shared_pool() -> Pool:
    """The one of this process; its specialists end with it."""
    pool = Pool()
    atexit.register(pool.close)
    return pool
