"""Arithmetic, comparison and composition over the values of a program; units and origins go along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import add, eq, ge, gt, le, lt, mul, ne, sub, truediv

from sagittal.agent import units
from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.text import loose_number
from sagittal.agent.values import Handle, Quantity, Text, Value, Word, check_number, kind_of, label

_ARITHMETIC: Mapping[str, Callable[..., int | float]] = {"+": add, "-": sub, "*": mul, "/": truediv}
_COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    "==": eq,
    "!=": ne,
}
_METHOD = "arithmetic of the program"


def negate(value: Value, source: str, step: int) -> Quantity:
    """−x, in the same unit."""
    x = _number(value, "-")
    return _derived(-_defined(x), x.unit, source, (x,), step)


def combine(operator: str, left: Value, right: Value, source: str, step: int, budget: Budget) -> Quantity:
    """``left operator right`` for ``+ - * /``.

    A result has an origin when one of its parts has one: it is then ``step``'s own, and derived. The
    sum of two numbers that the program wrote down is still nobody's measurement.

    Raises:
        ProgramError: not numbers, units that do not go together, division by zero, too great.
    """
    a, b = _number(left, operator), _number(right, operator)
    x, y = _defined(a), _defined(b)
    if operator in "+-":
        units.require_same(a.unit, b.unit, "added" if operator == "+" else "subtracted")
        unit = a.unit
    else:
        unit = units.product(a.unit, b.unit, 1 if operator == "*" else -1)
    if operator == "/" and y == 0:
        raise ProgramError(
            "division", "Division by zero.", got=source, remedy="use ratio(a, b), which may be undefined"
        )
    value = check_number(_ARITHMETIC[operator](x, y), budget.number)
    return _derived(value, unit, source, (a, b), step)


def compare(operator: str, left: Value, right: Value) -> bool:
    """``left operator right`` for numbers of one unit, and ``==``, ``!=`` for words and texts.

    A plain 0 compares with every unit.

    Raises:
        ProgramError: the two cannot be compared.
    """
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        x, y = _defined(left), _defined(right)
        if not (_plain_zero(left) or _plain_zero(right)):
            units.require_same(left.unit, right.unit, "compared")
        return bool(_COMPARISONS[operator](x, y))
    if operator in ("==", "!=") and isinstance(left, Word | Text) and isinstance(right, Word | Text):
        return bool(_COMPARISONS[operator](left.value, right.value))
    raise ProgramError(
        "type",
        "These values cannot be compared.",
        expected="two numbers, or two words with == or !=",
        got=f"{kind_of(left)} {operator} {kind_of(right)}",
    )


def compose(parts: list[str | tuple[str, Value]], budget: Budget) -> Text:
    """A text from literal parts and named values.

    Raises:
        ProgramError: a value is a handle, or the text grows too long.
    """
    texts: list[str] = []
    stated: list[Quantity] = []
    unsupported = ""
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            unsupported = unsupported or loose_number(part) or ""
            continue
        name, value = part
        texts.append(_as_text(name, value))
        if isinstance(value, Text):
            stated += [q for q in value.stated if q not in stated]
            unsupported = unsupported or value.unsupported
        elif isinstance(value, Quantity) and value.step is None:
            unsupported = unsupported or str(value)
        elif isinstance(value, Quantity) and value not in stated:
            stated.append(value)
    text = "".join(texts)
    if len(text) > budget.text:
        raise ProgramError(
            "budget",
            "A text grew too long.",
            expected=f"at most {budget.text} characters",
            got=str(len(text)),
        )
    return Text(text, tuple(stated), unsupported)


def _as_text(name: str, value: Value) -> str:
    if isinstance(value, Handle):
        raise ProgramError(
            "type",
            f"{name} is not something to say.",
            expected="a number, a word or a text",
            got=str(value),
            remedy="measure it first",
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _number(value: Value, operator: str) -> Quantity:
    if isinstance(value, Quantity):
        return value
    remedy = 'compose text with f"…{name}…"' if isinstance(value, Text | Word) else None
    if isinstance(value, Handle):
        remedy = "measure it first"
    raise ProgramError(
        "type", f"{operator} works on numbers.", expected="number", got=kind_of(value), remedy=remedy
    )


def _defined(quantity: Quantity) -> int | float:
    if quantity.value is None:
        raise ProgramError(
            "undefined",
            "A number is undefined.",
            got=f"{quantity.name} of {quantity.of}: {quantity.undefined}",
        )
    return quantity.value


def _plain_zero(quantity: Quantity) -> bool:
    return quantity.step is None and quantity.value == 0


def _derived(value: int | float, unit: str, source: str, parts: tuple[Quantity, ...], step: int) -> Quantity:
    measured = any(p.step is not None for p in parts)
    if not measured:
        return Quantity(value, unit)
    of = ", ".join(dict.fromkeys(o for p in parts if p.of for o in p.of.split(", ")))
    return Quantity(value, unit, label(source), label(of), _METHOD, step, derived=True)
