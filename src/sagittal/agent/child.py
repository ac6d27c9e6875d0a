"""The interpreter's own process: it has a program and tickets, and asks its parent for everything else.

Started by :mod:`sagittal.agent.transport` with nothing but the standard library and the modules
below: no site packages, no environment, no image, no network's weights. It speaks one JSON document
a line over its standard streams, and what a limit of the system stops ends here, not in the parent.
"""

from __future__ import annotations

import sys
from typing import Any

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.interpreter import Interpreter, Line, Reply, Request
from sagittal.agent.syntax import parse
from sagittal.agent.values import Scope, Value
from sagittal.agent.wire import (
    decode_message,
    encode_message,
    line_to_json,
    request_to_json,
    value_from_json,
    value_to_json,
)


def main() -> None:
    """Read one job, run its program, report every line."""
    job = _receive()
    _limit(job["memory"], job["cpu"])
    budget = Budget(**job["budget"])
    first_step = job["first_step"]

    def value_of(data: Any) -> Value:
        return value_from_json(data, first_step + budget.tokens, budget)

    def ask(request: Request) -> Reply:
        _send({"call": request_to_json(request)})
        answer = _receive()
        if "error" in answer:
            raise ProgramError.from_json(answer["error"])
        value = None if answer["value"] is None else value_of(answer["value"])
        return Reply(value, answer["note"], answer["halt"])

    def report(line: Line) -> None:
        kept = scope.variables[line.target] if line.target is not None and line.error is None else None
        _send({"line": line_to_json(line), "composed": scope.composed, "value": value_to_json(kept)})

    scope = Scope({name: value_of(data) for name, data in job["variables"].items()}, job["composed"])
    try:
        program = parse(job["source"], budget)
        Interpreter(scope, job["functions"], ask, report, budget, first_step).run(program)
        _send({"done": None})
    except ProgramError as error:
        _send({"done": error.to_json()})


def _send(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(encode_message(message))
    sys.stdout.buffer.flush()


def _receive() -> dict[str, Any]:
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit(0)
    return decode_message(line)


def _limit(memory: int, cpu: int) -> None:
    """Take away what a program never needs: memory, time, files, processes. POSIX only."""
    try:
        import resource
    except ImportError:
        return
    wanted = {
        "RLIMIT_AS": memory,
        "RLIMIT_CPU": cpu,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": 0,
        # The three standard streams are open, and nothing more can be.
        "RLIMIT_NOFILE": 3,
    }
    for name, value in wanted.items():
        which = getattr(resource, name, None)
        if which is not None:
            resource.setrlimit(which, (value, value))
