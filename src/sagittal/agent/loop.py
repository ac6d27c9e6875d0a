"""Plan, run, read, and plan again (VoxelPrompt §3): programs by an agent, until it stops or abstains.

The loop knows neither networks nor files. A planner writes programs, a transport runs them, a host
carries out their calls; specialists are library functions whose lines become steps of their kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sagittal.agent.faults import ProgramError
from sagittal.agent.host import Host
from sagittal.agent.interpreter import Line
from sagittal.agent.library import Library, StepKind
from sagittal.agent.scanner import check_name
from sagittal.agent.text import plain
from sagittal.agent.toolbox import Reading
from sagittal.agent.transport import InProcess, Transport
from sagittal.agent.values import Scope, Text
from sagittal.answer import Box, FieldValue, Measurement, Step
from sagittal.answer import Line as DrawnLine
from sagittal.errors import ConfigError
from sagittal.study import Image, Mask

_SHOWN_PROGRAM = 200
#: The variable in which an agent says, first of all, what it understood that it was asked.
ASKED = "asked"
#: What :data:`ASKED` begins with where it is but a guess, and the question is asked back.
UNSURE = "unsure: "


@dataclass(frozen=True)
class Limits:
    """When the loop gives up: after so many programs, or so many that failed."""

    programs: int = 12
    errors: int = 3


@dataclass(frozen=True)
class Feedback:
    """What came of a program.

    Attributes:
        text: one line for each reading, then the error; ``done`` when there is neither.
        readings: what the program asked to see, with payloads for models that take them in.
        error: what went wrong.
    """

    text: str
    readings: tuple[Reading, ...] = ()
    error: ProgramError | None = None


class Planner(Protocol):
    """The agent: whatever writes programs."""

    def next_program(self, feedback: Feedback | None) -> str | None:
        """The next program; ``None`` when there is nothing more to try.

        Args:
            feedback: what came of the last one; ``None`` at first.
        """


@dataclass(frozen=True)
class Outcome:
    """The pieces of an answer.

    Attributes:
        text: what was said.
        abstained, reason: as in :class:`sagittal.answer.Answer`.
        measurements: all that were made, each with the index of its step.
        masks, volumes: those that the agent keeps in a variable at the end, by variable; volumes that
            were given are left out.
        steps: every line that was run, and every fault, in order.
        programs: as the planner wrote them.
        warnings: what the reader should know about how the answer came about.
        asked: the question as the agent understood it; empty when it does not say.
        fields: classes with their probabilities, of models that choose among them.
        suggestions: what could be asked next, of models that say so themselves.
        boxes, lines: on a picture.
    """

    text: str
    abstained: bool
    reason: str | None
    measurements: tuple[Measurement, ...]
    masks: Mapping[str, Mask]
    volumes: Mapping[str, Image]
    steps: tuple[Step, ...]
    programs: tuple[str, ...]
    warnings: tuple[str, ...]
    asked: str = ""
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    suggestions: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    lines: tuple[DrawnLine, ...] = ()


def feedback_text(readings: Sequence[Reading], error: ProgramError | None) -> str:
    """The words of a feedback: the one wording, for training data and at run time alike."""
    lines = [reading.text for reading in readings]
    lines += [error.words()] if error is not None else []
    return "\n".join(lines) or "done"


def converse(
    planner: Planner,
    host: Host,
    volumes: Mapping[str, Image],
    *,
    transport: Transport | None = None,
    limits: Limits | None = None,
) -> Outcome:
    """Run an agent's programs until it stops, abstains, or comes to a limit.

    Words of a program that failed are not said: the agent hears the error and says them again. What
    its lines computed before the fault stays.

    Args:
        planner: the agent.
        host: the library's side; one for each conversation.
        volumes: the variables that are there from the start (VoxelPrompt §3: one for each volume).
        transport: where programs run; in this process when ``None``.
        limits: when to give up.

    Raises:
        ConfigError: a volume's name cannot be a variable.
    """
    talk = _Conversation(planner, host, transport or InProcess(), limits or Limits())
    talk.introduce(volumes)
    reason = talk.run()
    return talk.outcome(reason)


@dataclass
class _Conversation:
    planner: Planner
    host: Host
    transport: Transport
    limits: Limits
    scope: Scope = field(default_factory=Scope)
    steps: list[Step] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    given: set[int] = field(default_factory=set)

    def introduce(self, volumes: Mapping[str, Image]) -> None:
        for name, image in volumes.items():
            try:
                check_name(name, None, self.host.budget)
            except ProgramError as error:
                raise ConfigError("A volume's name must be a variable's.", got=name) from error
            if name in self.host.library:
                raise ConfigError("A volume's name must be a variable's, not a function's.", got=name)
            handle = self.host.hold(image, name)
            self.scope.variables[name] = handle
            self.given.add(handle.id)

    def run(self) -> str | None:
        """Go on until the end; the reason to abstain, if there is one."""
        feedback: Feedback | None = None
        errors = 0
        while len(self.programs) < self.limits.programs:
            source = self.planner.next_program(feedback)
            if source is None:
                return None if self.texts else "the agent found no way to answer"
            feedback = self._run_program(source)
            said = self.host.said
            if feedback.error is None and (said.stopped or said.reason is not None):
                return (
                    said.reason
                    if said.reason is not None or self.texts
                    else "the agent stopped without an answer"
                )
            errors += feedback.error is not None
            if errors >= self.limits.errors:
                self.warnings.append(f"{errors} programs failed; the last fault: {feedback.text}")
                return "the agent's programs failed"
        self.warnings.append(f"the agent did not end within {self.limits.programs} programs")
        return "the agent came to no end"

    def _run_program(self, source: str) -> Feedback:
        self.programs.append(source)
        self.host.begin()
        first, error = len(self.steps), None
        failed_line = False

        def on_line(line: Line) -> None:
            nonlocal failed_line
            failed_line = line.error is not None
            self.steps.append(step_of(line, self.host.library))

        try:
            self.transport.run(source, self.scope, self.host, first, on_line)
        except ProgramError as fault:
            error = fault
            if not failed_line:
                self.steps.append(_fault_step(source, fault))
        finally:
            self.host.release(self.scope.handles().values())
        if error is None:
            self.texts += self.host.commit().texts
        readings = tuple(self.host.said.readings)
        return Feedback(feedback_text(readings, error), readings, error)

    def outcome(self, reason: str | None) -> Outcome:
        masks: dict[str, Mask] = {}
        volumes: dict[str, Image] = {}
        seen = set(self.given)
        for name, handle in self.scope.handles().items():
            if handle.id in seen:
                continue
            seen.add(handle.id)
            thing = self.host.thing(handle)
            if isinstance(thing, Mask):
                masks[name] = thing
            elif isinstance(thing, Image):
                volumes[name] = thing
        asked = self.scope.variables.get(ASKED)
        return Outcome(
            text=" ".join(self.texts) if reason is None else reason,
            abstained=reason is not None,
            reason=reason,
            measurements=tuple(self.host.measurements),
            masks=masks,
            volumes=volumes,
            steps=tuple(self.steps),
            programs=tuple(self.programs),
            warnings=tuple(self.warnings),
            asked=plain(asked.value, _SHOWN_PROGRAM) if isinstance(asked, Text) else "",
        )


def step_of(line: Line, library: Library) -> Step:
    """A line of a program as a step of the trace.

    A line that calls a specialist is a step of that specialist, by its name; its program line stands
    in the input.
    """
    kind: StepKind = "program"
    name, inputs = line.source, dict(line.inputs)
    for function in line.functions:
        if function in library and library[function].kind != "program":
            kind, name = library[function].kind, function
            inputs = {"program": line.source, **inputs}
            break
    output: Any = line.output if line.error is None else {"error": line.error.words()}
    return Step(kind, name, inputs, output, line.seconds)


def _fault_step(source: str, error: ProgramError) -> Step:
    """A program that could not be read, or whose process ended: the line that shows it."""
    lines = source.replace("\r\n", "\n").split("\n")
    number = error.line or 1
    text = lines[number - 1] if 0 < number <= len(lines) else ""
    return Step("program", plain(text, _SHOWN_PROGRAM), {}, {"error": error.words()}, 0.0)
