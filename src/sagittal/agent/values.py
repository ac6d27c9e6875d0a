"""What a program's variables hold: measured numbers and classes, texts, and opaque handles.

All of them are plain data that JSON can carry, so the interpreter can run in a process that has
neither images nor networks. A handle is a ticket: the thing itself stays with the library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sagittal.agent.faults import ProgramError
from sagittal.agent.text import harmless, plain
from sagittal.answer import Measurement

# Texts that go along with a number; a product of products must not grow them without end.
_LABEL = 200


@dataclass(frozen=True)
class Quantity:
    """A number with unit, method and the step that made it.

    Attributes:
        value: the number; ``None`` when it is undefined.
        unit: see :mod:`sagittal.agent.units`.
        name, of, method: as in :class:`sagittal.answer.Measurement`.
        step: index of the step that made it; ``None`` for a number that the program wrote itself,
            which therefore nobody measured.
        undefined: why there is no value.
        derived: whether the program's own arithmetic made it, not a library function.
    """

    value: int | float | None
    unit: str = ""
    name: str = ""
    of: str = ""
    method: str = ""
    step: int | None = None
    undefined: str | None = None
    derived: bool = False

    def __str__(self) -> str:
        if self.value is None:
            return f"undefined ({plain(self.undefined or '', _LABEL)})"
        return with_unit(rounded(self.value), self.unit)

    def measurement(self) -> Measurement:
        """The same as the answer's noun."""
        return Measurement(
            self.name, self.value, self.unit, self.of, self.method, self.step, undefined=self.undefined
        )


@dataclass(frozen=True)
class Word:
    """A measured class (``left``, ``hyperintense``): a text that a step computed."""

    value: str
    unit: str = ""
    name: str = ""
    of: str = ""
    method: str = ""
    step: int | None = None

    def __str__(self) -> str:
        return with_unit(harmless(self.value, _LABEL), self.unit)


@dataclass(frozen=True)
class Text:
    """A text that the program composed.

    Attributes:
        value: the text.
        stated: the quantities that stand in it.
        unsupported: the first number in it that no step computed; empty when there is none.
    """

    value: str
    stated: tuple[Quantity, ...] = ()
    unsupported: str = ""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Handle:
    """A ticket for an image, features or a mask that the library holds.

    Attributes:
        id: number in the library's own table.
        type: ``Volume``, ``Features``, ``Mask``.
        name: what it shows, for the trace.
    """

    id: int
    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type} {harmless(self.name, _LABEL)}".strip()


Value = Quantity | Word | Text | Handle | bool


@dataclass
class Scope:
    """What persists from one program of a conversation to the next.

    Attributes:
        variables: name → value.
        composed: characters of all texts composed so far.
    """

    variables: dict[str, Value] = field(default_factory=dict)
    composed: int = 0

    def handles(self) -> dict[str, Handle]:
        """The variables that hold handles."""
        return {name: v for name, v in self.variables.items() if isinstance(v, Handle)}


def kind_of(value: Value) -> str:
    """The word for a value's type in messages and specifications."""
    if isinstance(value, Handle):
        return value.type
    return {Quantity: "number", Word: "word", Text: "text", bool: "comparison"}[type(value)]


def label(text: str) -> str:
    """A name or object that goes along with a number, in bounded length."""
    return plain(text, _LABEL)


def rounded(value: int | float) -> str:
    """A number for people: whole numbers as they are, others to three significant digits or to a whole."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    decimals = 2 - math.floor(math.log10(abs(value)))
    if decimals > 5:
        return f"{value:.2e}"
    text = f"{value:.{max(0, decimals)}f}"
    # 9.996 rounds to 10.00: one digit more than asked, which is harmless.
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_unit(number: str, unit: str) -> str:
    """A number beside its unit."""
    return f"{number}{'' if unit == '%' else ' '}{unit}" if unit else number


def shown(value: Value) -> Any:
    """A value in the trace, as JSON: a number with its unit, a text, or what a handle stands for."""
    if isinstance(value, Quantity):
        out: dict[str, Any] = {"value": value.value, "unit": value.unit}
        return out if value.value is not None else {**out, "undefined": value.undefined}
    if isinstance(value, Handle):
        return {"type": value.type, "name": harmless(value.name, _LABEL)}
    return value if isinstance(value, bool) else str(value)


def check_number(value: int | float, greatest: float) -> int | float:
    """``value``, when it is finite and not too great.

    Raises:
        ProgramError: it is neither.
    """
    if not abs(value) <= greatest:
        raise ProgramError("budget", "A number grew too great.", expected=f"at most {greatest:g}")
    return value
