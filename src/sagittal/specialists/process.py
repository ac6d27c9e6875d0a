"""One loaded specialist in a process of its own: it can hang, crash or lie, and is ended when it does."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sagittal.agent.text import plain
from sagittal.errors import GeometryError, LabelError
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.protocol import Fault, Result, SpecialistError, checked
from sagittal.specialists.wire import WireError, receive, send
from sagittal.study import Mask, Study

# Of a traceback, what is told: its last line.
_TOLD = 300
# A mask has eight bytes a voxel at most.
_BYTES_A_VOXEL = 8
_FAULTS: Mapping[str, Fault] = {"missing": "missing", "refused": "refused", "wrong": "wrong"}


@dataclass(frozen=True)
class Program:
    """How a specialist is started.

    Attributes:
        card: its card.
        card_file: where that was read.
        folder: where its weights lie.
        opener: ``package.module:function``; see :class:`sagittal.specialists.protocol.Opener`.
    """

    card: SpecialistCard
    card_file: Path
    folder: Path
    opener: str


class Worker:
    """A process that waits to be told which specialist it shall be.

    Args:
        early: import the library of networks while it waits: that takes seconds, which another process that
            loads a language model has anyway.
    """

    def __init__(self, *, early: bool = False) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sagittal.specialists.worker", *(["--early"] if early else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            # With all that it starts it can be ended at once.
            start_new_session=True,
        )  # fmt: skip

    def kill(self) -> None:
        """End it, whatever it does."""
        if sys.platform != "win32":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()

    def end(self) -> None:
        """End it; its memory is free."""
        self.kill()
        # What was not sent to a dead process cannot be flushed.
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()
        self.process.wait()


class SpecialistProcess:
    """A running specialist.

    Args:
        program: what is started.
        seconds: until it must be loaded.
        worker: a process that waits for it; a new one without.

    Attributes:
        peak_mb: the most memory that the process held.

    Raises:
        SpecialistError: it cannot be loaded, or not in time.
    """

    def __init__(self, program: Program, seconds: float, worker: Worker | None = None) -> None:
        self.card, self.peak_mb = program.card, 0
        worker = worker or Worker()
        self._worker, self._process, self._errors = worker, worker.process, worker.errors
        told = {
            "opener": program.opener, "card": str(program.card_file), "folder": str(program.folder),
        }  # fmt: skip
        header, _ = self._exchange(told, [], seconds, 0)
        if "ready" not in header:
            raise self._fault(header)

    def run(self, study: Study, argument: str, seconds: float) -> Result:
        """Look at a study.

        Args:
            study: narrowed to the images that the card takes.
            argument: one of the card's.
            seconds: until it must have answered; then it is ended.

        Raises:
            SpecialistError: it refused, failed, took too long, or gave what it does not promise.
        """
        message = {"study": study.to_json(), "argument": argument}
        most = max(math.prod(image.shape) for image in study.images) * _BYTES_A_VOXEL
        header, arrays = self._exchange(message, [image.data for image in study.images], seconds, most)
        if "fault" in header:
            raise self._fault(header)
        return checked(self.card, study, argument, self._result(header, arrays))

    def end(self) -> None:
        """End the process; its memory is free."""
        self._worker.end()

    @property
    def is_running(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def _exchange(
        self, message: dict[str, Any], arrays: list[NDArray[Any]], seconds: float, most: int
    ) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """Send, and wait for what comes back; the process is ended when that takes too long.

        It is ended, too, when we are interrupted: what it still answers would be taken for the next answer.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        watch = threading.Timer(seconds, self._worker.kill)
        watch.daemon = True
        begun = time.monotonic()
        watch.start()
        try:
            send(self._process.stdin, message, arrays)
            header, came = receive(self._process.stdout, most)
        except (WireError, BrokenPipeError) as error:
            raise self._ended(error, time.monotonic() - begun >= seconds, seconds) from error
        except BaseException:
            self.end()
            raise
        finally:
            watch.cancel()
        peak = header.get("peak_mb")
        self.peak_mb = max(self.peak_mb, peak if isinstance(peak, int) else 0)
        return header, came

    def _ended(self, error: Exception, late: bool, seconds: float) -> SpecialistError:
        name = self.card.name
        strange = str(error) if isinstance(error, WireError) and str(error) != "an end" else ""
        last = self._last_words()
        self.end()
        if late:
            return SpecialistError(
                "hung", name, f"{name} took too long and was ended.", expected=f"at most {seconds:.3g} s"
            )
        if strange:
            return SpecialistError("wrong", name, f"{name} sent {strange}; nothing of it is used.")
        code = self._process.returncode
        why = (
            "the system ended it, perhaps for want of memory" if code == -9 else f"its process ended ({code})"
        )
        return SpecialistError("failed", name, f"{name} failed.", got=last if code == 1 and last else why)

    def _last_words(self) -> str:
        """The last line on standard error: of a traceback, the exception."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        end = self._errors.seek(0, 2)
        self._errors.seek(max(0, end - (8 << 10)))
        lines = self._errors.read().decode("utf-8", errors="replace").strip().splitlines()
        return plain(lines[-1], _TOLD) if lines else ""

    def _fault(self, header: Mapping[str, Any]) -> SpecialistError:
        words = {
            key: plain(str(header[key]), _TOLD) if header.get(key) is not None else None
            for key in ("message", "expected", "got", "remedy")
        }
        name = self.card.name
        fault = _FAULTS.get(str(header.get("fault")), "failed")
        message = f"{name}: {words.pop('message') or 'it says nothing'}"
        if fault == "missing":
            self.end()
        return SpecialistError(fault, name, message, **words)

    def _result(self, header: Mapping[str, Any], arrays: list[NDArray[Any]]) -> object:
        if "probabilities" in header:
            return header["probabilities"]
        if "mask" not in header:
            return None if header.get("other") == "NoneType" else header.get("other")
        try:
            [data] = arrays
            return Mask.from_json(header["mask"], data)
        except (LabelError, GeometryError, ValueError, TypeError, KeyError) as error:
            raise SpecialistError(
                "wrong", self.card.name, f"{self.card.name} gave no mask; nothing of it is used.", got=error
            ) from error
