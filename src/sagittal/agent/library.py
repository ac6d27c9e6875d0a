"""The registry of functions that a program may call: signature, words, units, and the code behind them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from sagittal.agent.faults import ProgramError
from sagittal.agent.toolbox import Features
from sagittal.agent.values import Quantity, Text, Value, Word, kind_of
from sagittal.study import Image, Mask

StepKind = Literal["program", "specialist", "model"]
Implementation = Callable[..., Any]

#: Annotation of a parameter → the word for its type in the language.
TYPES: Mapping[Any, str] = {
    Image: "Volume",
    Mask: "Mask",
    Features: "Features",
    Quantity: "number",
    Word: "word",
    Text: "text",
    object: "anything",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function.

    Attributes:
        name: as in a keyword argument.
        type: ``Volume``, ``Mask``, ``Features``, ``number``, ``word``, ``text`` or ``anything``.
        many: whether it takes any number of arguments, at least one.
    """

    name: str
    type: str
    many: bool = False

    def __str__(self) -> str:
        return f"{'*' if self.many else ''}{self.name}: {self.type}"


@dataclass(frozen=True)
class Function:
    """One function of the library.

    Attributes:
        name: what a program calls.
        doc: what it does, in a sentence.
        parameters: in order.
        returns: type of the result; ``nothing`` for say, read, abstain, stop.
        unit: unit of a returned number; empty for pure numbers and for what is no number.
        kind: the kind of step that a line with this call is in the trace.
        implementation: called with a :class:`~sagittal.agent.host.CallContext` first.
    """

    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    returns: str
    unit: str
    kind: StepKind
    implementation: Implementation

    @property
    def signature(self) -> str:
        """``volume(mask: Mask) -> number [mL]``."""
        unit = f" [{self.unit}]" if self.unit else ""
        return f"{self.name}({', '.join(map(str, self.parameters))}) -> {self.returns}{unit}"

    def to_json(self) -> dict[str, Any]:
        """All but the code."""
        return {
            "name": self.name,
            "doc": self.doc,
            "parameters": [{"name": p.name, "type": p.type, "many": p.many} for p in self.parameters],
            "returns": self.returns,
            "unit": self.unit,
            "kind": self.kind,
        }


class Library(Mapping[str, Function]):
    """Functions by name, in the order in which they were registered."""

    def __init__(self, *parts: Library) -> None:
        """The functions of ``parts``, together.

        Raises:
            ValueError: two parts define one name.
        """
        self._functions: dict[str, Function] = {}
        for part in parts:
            for function in part.values():
                self._add(function)

    def __getitem__(self, name: str) -> Function:
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def function(
        self, returns: str, unit: str = "", *, kind: StepKind = "program", name: str | None = None
    ) -> Callable[[Implementation], Implementation]:
        """Register the decorated function; parameters and words are taken from its signature and docstring.

        Args:
            returns: type of its result, as in :class:`Function`.
            unit: unit of a returned number; ``as given`` when it follows the arguments.
            kind: the kind of step in the trace.
            name: what programs call it; the function's own name when ``None``.
        """

        def register(implementation: Implementation) -> Implementation:
            doc = " ".join((inspect.getdoc(implementation) or "").split("\n\n")[0].split())
            called = name or implementation.__name__
            parameters = tuple(_parameters(implementation))
            self._add(Function(called, doc, parameters, returns, unit, kind, implementation))
            return implementation

        return register

    def _add(self, function: Function) -> None:
        if function.name in self._functions:
            raise ValueError(f"the library has two functions called {function.name}")
        self._functions[function.name] = function

    def describe(self) -> list[dict[str, Any]]:
        """Every function as JSON."""
        return [function.to_json() for function in self.values()]

    def rows(self) -> list[tuple[str, str]]:
        """(signature, words) of every function, for a table."""
        return [(function.signature, function.doc) for function in self.values()]

    def bind(
        self, function: Function, arguments: tuple[Value, ...], keywords: tuple[tuple[str, Value], ...]
    ) -> list[Value]:
        """Arguments in the order of the parameters, their types checked.

        Raises:
            ProgramError: too many, too few, unknown, given twice, or of a wrong type.
        """
        expected = function.signature
        first = function.parameters[0] if function.parameters else None
        if first is not None and first.many:
            if keywords or not arguments:
                raise _wrong(f"{function.name} takes one or more arguments, without names.", expected)
            bound = [(first, value) for value in arguments]
        else:
            bound = self._bind_by_name(function, arguments, dict(keywords))
        for parameter, value in bound:
            self._check_type(function, parameter, value)
        return [value for _, value in bound]

    def _bind_by_name(
        self, function: Function, arguments: tuple[Value, ...], keywords: dict[str, Value]
    ) -> list[tuple[Parameter, Value]]:
        expected = function.signature
        if len(arguments) > len(function.parameters):
            raise _wrong(f"{function.name} has too many arguments.", expected)
        given = dict(zip((p.name for p in function.parameters), arguments, strict=False))
        for name, value in keywords.items():
            if name in given or name not in {p.name for p in function.parameters}:
                raise _wrong(f"{function.name} has no place for the argument {name}.", expected)
            given[name] = value
        missing = [p.name for p in function.parameters if p.name not in given]
        if missing:
            raise _wrong(f"{function.name} lacks the argument {missing[0]}.", expected)
        return [(p, given[p.name]) for p in function.parameters]

    def _check_type(self, function: Function, parameter: Parameter, value: Value) -> None:
        got = kind_of(value)
        if parameter.type in (got, "anything"):
            return
        makers = [f.name for f in self.values() if f.returns == parameter.type]
        remedy = f"a {parameter.type} comes from {', '.join(makers[:4])}" if makers else None
        if parameter.type == "text":
            remedy = 'write "…", or f"…{name}…" with the value of a variable in it'
        raise ProgramError(
            "type",
            f"{function.name} takes a {parameter.type} as {parameter.name}.",
            expected=function.signature,
            got=str(value) if got in ("Volume", "Mask", "Features") else got,
            remedy=remedy,
        )


def _wrong(message: str, expected: str) -> ProgramError:
    return ProgramError("argument", message, expected=expected)


def _parameters(implementation: Implementation) -> Iterator[Parameter]:
    hints = get_type_hints(implementation)
    # The first parameter is the call's context, which is no business of the program.
    for parameter in list(inspect.signature(implementation).parameters.values())[1:]:
        many = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        yield Parameter(parameter.name, TYPES[hints[parameter.name]], many)
