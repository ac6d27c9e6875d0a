"""Where programs run: in this process by default, or each in a child process of its own.

Both give the same results. The child holds no image, no model and no secret; its calls come back by
name and ticket as JSON, are checked here like any other, and are carried out here.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.host import Host
from sagittal.agent.interpreter import Interpreter, Line
from sagittal.agent.syntax import parse
from sagittal.agent.values import Handle, Scope
from sagittal.agent.wire import (
    composed_from_json,
    decode_message,
    encode_message,
    line_from_json,
    mapping,
    reply_to_json,
    request_from_json,
    strange,
    value_from_json,
    value_to_json,
)

OnLine = Callable[[Line], None]

#: Address space of a child; the interpreter itself needs about a tenth of it.
CHILD_MEMORY = 512 << 20
# The longest message that an honest child sends is some hundred kilobytes.
_LONGEST_MESSAGE = 4 << 20
_ROOT = Path(__file__).resolve().parents[2]
# -I: no environment, no user folder; -S: no site packages. Only Sagittal's own source is added.
_START = "import sys; sys.path.insert(0, sys.argv[1]); from sagittal.agent.child import main; main()"


class Transport(Protocol):
    """Runs one program of a conversation."""

    def run(self, source: str, scope: Scope, host: Host, first_step: int, on_line: OnLine) -> None:
        """Run a program over ``scope``, its calls carried out by ``host``.

        Raises:
            ProgramError: it cannot be read, or a line cannot be run; the lines before it stay done.
        """


class InProcess:
    """The interpreter in this process: no start-up cost, and no wall but the language itself."""

    def run(self, source: str, scope: Scope, host: Host, first_step: int, on_line: OnLine) -> None:
        """See :class:`Transport`."""
        program = parse(source, host.budget)
        Interpreter(scope, host.library, host.call, on_line, host.budget, first_step).run(program)


class ChildProcess:
    """The interpreter in a fresh child process for every program, for servers.

    Args:
        command: how to start the child; tests start worse ones.
        memory: bytes of address space for the child, where the system can limit it.
    """

    def __init__(self, command: Sequence[str] | None = None, memory: int = CHILD_MEMORY) -> None:
        self._command = list(command or (sys.executable, "-I", "-S", "-c", _START, str(_ROOT)))
        self._memory = memory

    def run(self, source: str, scope: Scope, host: Host, first_step: int, on_line: OnLine) -> None:
        """See :class:`Transport`."""
        if len(source) > host.budget.characters:
            # The same words as in process, without sending megabytes to be told so.
            parse(source, host.budget)
        # Windows starts nothing without this one variable.
        environment = {k: v for k, v in os.environ.items() if k == "SYSTEMROOT"}
        with subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as process:
            try:
                _Talk(process, scope, host, first_step, on_line).run(source, self._memory)
            finally:
                process.kill()
                # What was not sent to a dead child cannot be flushed.
                with suppress(BrokenPipeError):
                    process.stdin.close()  # type: ignore[union-attr]


class _Talk:
    """The parent's side of one program. Nothing that the child sends is believed unchecked."""

    def __init__(
        self, process: subprocess.Popen[bytes], scope: Scope, host: Host, first_step: int, on_line: OnLine
    ) -> None:
        self.process, self.scope, self.host, self.on_line = process, scope, host, on_line
        self.first_step = self.step = first_step
        self.budget: Budget = host.budget
        self.deadline = time.monotonic() + host.budget.seconds
        self.calls = 0

    def run(self, source: str, memory: int) -> None:
        message = self._exchange(
            {
                "source": source,
                "variables": {name: value_to_json(v) for name, v in self.scope.variables.items()},
                "composed": self.scope.composed,
                "budget": self.budget.to_json(),
                "functions": list(self.host.library),
                "first_step": self.first_step,
                "memory": memory,
                "cpu": math.ceil(2 * self.budget.thinking),
            }
        )
        while "done" not in message:
            if "call" in message:
                message = self._exchange(self._carry_out(message["call"]))
            elif "line" in message and self.step - self.first_step < self.budget.tokens:
                self._keep(message)
                message = self._exchange(None)
            else:
                raise strange("a message of no known kind")
        if message["done"] is not None:
            raise ProgramError.from_json(mapping(message["done"]))

    def _exchange(self, message: dict[str, Any] | None) -> dict[str, Any]:
        """Send, and wait for what comes back; the child is killed when it takes too long."""
        left = self.deadline - time.monotonic()
        turn = min(self.budget.thinking, max(left, 0.001))
        watch = threading.Timer(turn, self.process.kill)
        watch.daemon = True
        started = time.monotonic()
        watch.start()
        try:
            line = self._talk(message)
        finally:
            watch.cancel()
        if time.monotonic() - started >= turn:
            raise ProgramError(
                "deadline", "The program took too long and was ended.", expected=f"at most {turn:.3g} s"
            )
        if not line.endswith(b"\n"):
            raise ProgramError("transport", "The process that ran the program ended before the program did.")
        return decode_message(line)

    def _talk(self, message: dict[str, Any] | None) -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            if message is not None:
                self.process.stdin.write(encode_message(message))
                self.process.stdin.flush()
        except BrokenPipeError:
            return b""
        return self.process.stdout.readline(_LONGEST_MESSAGE)

    def _carry_out(self, data: Any) -> dict[str, Any]:
        """One call of the child: a value or an error, as the interpreter in process would get it."""
        self.calls += 1
        if self.calls > self.budget.calls:
            raise strange("more calls than the budget allows")
        request = request_from_json(mapping(data), self.step, self.budget)
        try:
            return reply_to_json(self.host.call(request))
        except ProgramError as error:
            return {"error": error.to_json()}

    def _keep(self, message: dict[str, Any]) -> None:
        """A line was run: its trace goes on, and its variable is kept."""
        line = line_from_json(mapping(message["line"]), self.budget)
        self.scope.composed = composed_from_json(message, self.scope.composed)
        if line.target is not None and line.error is None:
            known = self.scope.variables
            if line.target in self.host.library:
                raise strange("a variable with a function's name")
            if line.target not in known and len(known) >= self.budget.variables:
                raise strange("more variables than the budget allows")
            value = value_from_json(message.get("value"), self.step, self.budget)
            if isinstance(value, Handle):
                self.host.thing(value)
            known[line.target] = value
        self.step += 1
        self.on_line(line)
