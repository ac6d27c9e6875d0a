"""Runs a program: a walk over its tree, with every resource counted.

Nothing of Python's own evaluation is used: no ``eval``, no ``exec``, no attribute of any value is
looked up by a name that a program chose. A library function is reached through one callback, so the
interpreter can stand in another process than the library.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from sagittal.agent.arithmetic import combine, compare, compose, negate
from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError, did_you_mean
from sagittal.agent.syntax import (
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Expression,
    Name,
    Negate,
    Number,
    Program,
    Statement,
    String,
    Template,
    source_of,
    statement_source,
)
from sagittal.agent.text import loose_number
from sagittal.agent.values import Quantity, Scope, Text, Value, kind_of, label, shown


@dataclass(frozen=True)
class Request:
    """A call that a program makes.

    Attributes:
        function: name of the library function.
        arguments, keywords: values.
        sources: text of each argument, then of each keyword's value.
        step: index of the step (the line) in the conversation.
        line: line of the program.
        index: which of the program's calls it is, counted in the order of its text.
    """

    function: str
    arguments: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]
    sources: tuple[str, ...]
    step: int
    line: int
    index: int


@dataclass(frozen=True)
class Reply:
    """What a call gave.

    Attributes:
        value: its value; ``None`` for say, read, abstain, stop.
        note: what the trace shows where there is no value.
        halt: whether the program ends here (stop, abstain).
    """

    value: Value | None
    note: str | None = None
    halt: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a program that was run: the material of a step in the trace.

    Attributes:
        source: the statement in canonical form.
        line: its number in the program.
        target: the variable that it set, or was to set.
        functions: library functions that it called.
        inputs: values of the variables that it read, as JSON.
        output: its value as JSON, or what was said or read; ``None`` when there is neither.
        seconds: how long it took.
        error: what went wrong; the program ended here.
    """

    source: str
    line: int
    target: str | None
    functions: tuple[str, ...]
    inputs: dict[str, Any]
    output: Any
    seconds: float
    error: ProgramError | None = None


@dataclass
class Interpreter:
    """Runs one program over a conversation's variables.

    Attributes:
        scope: the variables; changed in place, also by a program that fails half-way.
        functions: names that can be called; variables cannot take them.
        call: carries a call to the library.
        on_line: told of every line that was run.
        budget: limits.
        first_step: index of the program's first line among the conversation's steps.
        clock: seconds, for the deadline.
    """

    scope: Scope
    functions: Collection[str]
    call: Callable[[Request], Reply]
    on_line: Callable[[Line], None]
    budget: Budget = field(default_factory=Budget)
    first_step: int = 0
    clock: Callable[[], float] = time.monotonic

    def run(self, program: Program) -> None:
        """Run a program to its end, or to ``stop`` or ``abstain``.

        Raises:
            ProgramError: a line cannot be run; the lines before it stay done.
        """
        self._nodes = self._calls = 0
        self._halted = False
        self._note: str | None = None
        self._deadline = self.clock() + self.budget.seconds
        for offset, statement in enumerate(program.statements):
            self._step = self.first_step + offset
            self._line = statement.line
            self._run_line(statement)
            if self._halted:
                return

    def _run_line(self, statement: Statement) -> None:
        started = self.clock()
        inputs = {n: shown(self.scope.variables[n]) for n in self._names(statement)}
        self._note = None
        value, fault = None, None
        try:
            value = self._execute(statement)
        except ProgramError as error:
            error.line = error.line if error.line is not None else statement.line
            fault = error
        self.on_line(
            Line(
                source=statement_source(statement),
                line=statement.line,
                target=statement.target,
                functions=tuple(dict.fromkeys(c.function for c in Program((statement,)).calls())),
                inputs=inputs,
                output=self._note if value is None else shown(value),
                seconds=self.clock() - started,
                error=fault,
            )
        )
        if fault is not None:
            raise fault

    def _names(self, statement: Statement) -> Iterator[str]:
        for name in dict.fromkeys(_names(statement.expression)):
            if name in self.scope.variables:
                yield name

    def _execute(self, statement: Statement) -> Value | None:
        target = statement.target
        if target is None:
            return self._evaluate_or_nothing(statement.expression)
        if target in self.functions:
            raise ProgramError("name", f"{target} is a library function and cannot be assigned to.")
        if target not in self.scope.variables and len(self.scope.variables) >= self.budget.variables:
            raise ProgramError("budget", "Too many variables.", expected=f"at most {self.budget.variables}")
        value = self._evaluate(statement.expression)
        self.scope.variables[target] = value
        return value

    def _evaluate(self, node: Expression) -> Value:
        value = self._evaluate_or_nothing(node)
        if value is None:
            raise ProgramError("type", f"{label(source_of(node))} gives nothing to keep.")
        return value

    def _evaluate_or_nothing(self, node: Expression) -> Value | None:
        self._count()
        match node:
            case Number():
                return Quantity(node.value)
            case String():
                return self._text(Text(node.value, (), loose_number(node.value) or ""))
            case Name():
                return self._look_up(node.id)
            case Template():
                parts = [p if isinstance(p, str) else (p.id, self._look_up(p.id)) for p in node.parts]
                return self._text(compose(parts, self.budget))
            case Negate():
                return negate(self._evaluate(node.operand), source_of(node), self._step)
            case Arithmetic():
                left, right = self._evaluate(node.left), self._evaluate(node.right)
                return combine(node.operator, left, right, source_of(node), self._step, self.budget)
            case Comparison():
                return compare(node.operator, self._evaluate(node.left), self._evaluate(node.right))
            case Choice():
                return self._choose(node)
            case Call():
                return self._call(node)

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > self.budget.nodes:
            raise ProgramError("budget", "The program does too much.", expected=f"{self.budget.nodes} nodes")
        if self.clock() > self._deadline:
            raise ProgramError(
                "deadline", "The program took too long.", expected=f"at most {self.budget.seconds:g} s"
            )

    def _look_up(self, name: str) -> Value:
        if name in self.scope.variables:
            return self.scope.variables[name]
        if name in self.functions:
            raise ProgramError("name", f"{name} is a function: call it with parentheses.")
        raise ProgramError(
            "name", f"There is no variable {name}.", remedy=did_you_mean(name, self.scope.variables)
        )

    def _text(self, text: Text) -> Text:
        self.scope.composed += len(text.value)
        if self.scope.composed > self.budget.composed:
            raise ProgramError(
                "budget", "The texts grew too long.", expected=f"{self.budget.composed} characters in all"
            )
        return text

    def _choose(self, node: Choice) -> Value:
        condition = self._evaluate(node.condition)
        if not isinstance(condition, bool):
            raise ProgramError(
                "type", "A condition is a comparison.", expected="for instance a > b", got=kind_of(condition)
            )
        return self._evaluate(node.yes if condition else node.no)

    def _call(self, node: Call) -> Value | None:
        if node.function not in self.functions:
            raise ProgramError(
                "name",
                f"There is no function {node.function}.",
                remedy=did_you_mean(node.function, self.functions),
            )
        self._calls += 1
        if self._calls > self.budget.calls:
            raise ProgramError("budget", "Too many calls.", expected=f"at most {self.budget.calls}")
        arguments = tuple(self._evaluate(a) for a in node.arguments)
        keywords = tuple((name, self._evaluate(value)) for name, value in node.keywords)
        sources = tuple(label(source_of(a)) for a in (*node.arguments, *(v for _, v in node.keywords)))
        # Evaluating the arguments may have taken the time that was left.
        self._count()
        reply = self.call(
            Request(node.function, arguments, keywords, sources, self._step, self._line, node.index)
        )
        self._halted, self._note = self._halted or reply.halt, reply.note
        return reply.value


def _names(node: Expression) -> Iterator[str]:
    match node:
        case Name():
            yield node.id
        case Template():
            yield from (p.id for p in node.parts if isinstance(p, Name))
        case Negate():
            yield from _names(node.operand)
        case Arithmetic() | Comparison():
            yield from (*_names(node.left), *_names(node.right))
        case Choice():
            yield from (*_names(node.yes), *_names(node.condition), *_names(node.no))
        case Call():
            for child in (*node.arguments, *(value for _, value in node.keywords)):
                yield from _names(child)
