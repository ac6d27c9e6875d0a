"""Units of measured numbers: which may be added, and what a product or quotient is measured in.

A unit is a product of symbols with whole powers, written as ``mL``, ``mm²``, ``mL/day``; the empty
text is a pure number. Symbols are opaque: mm³ and mL are different units here, and nothing is
converted behind the program's back.
"""

from __future__ import annotations

from functools import lru_cache

from sagittal.agent.faults import ProgramError

PERCENT = "%"
# Higher powers measure nothing in an image, and their text would grow without end.
_GREATEST_POWER = 3
_RAISED = {"²": 2, "³": 3}
_WRITTEN = {1: "", 2: "²", 3: "³"}


@lru_cache(maxsize=256)
def powers(unit: str) -> tuple[tuple[str, int], ...]:
    """``mL/day`` → ``(("day", -1), ("mL", 1))``, sorted by symbol.

    Raises:
        ProgramError: not a unit.
    """
    found: dict[str, int] = {}
    for place, part in enumerate(unit.split("/")):
        for factor in part.split("·"):
            if not factor or (factor == "1" and place == 0):
                continue
            power = _RAISED.get(factor[-1], 1)
            symbol = factor if power == 1 else factor[:-1]
            found[symbol] = found.get(symbol, 0) + (power if place == 0 else -power)
    return _checked(found)


def _checked(found: dict[str, int]) -> tuple[tuple[str, int], ...]:
    kept = {symbol: power for symbol, power in found.items() if power}
    if len(kept) > 2 or any(abs(power) > _GREATEST_POWER for power in kept.values()):
        raise ProgramError("unit", "A number would be measured in a unit that nothing here is measured in.")
    return tuple(sorted(kept.items()))


def written(parts: tuple[tuple[str, int], ...]) -> str:
    """Inverse of :func:`powers`."""
    above = "·".join(f"{symbol}{_WRITTEN[power]}" for symbol, power in parts if power > 0)
    below = "".join(f"/{symbol}{_WRITTEN[-power]}" for symbol, power in parts if power < 0)
    return (above or "1") + below if below else above


def product(left: str, right: str, sign: int) -> str:
    """The unit of left × right (``sign`` +1) or left ÷ right (−1).

    A percentage stays one when it is scaled by a pure number, and two divide into a pure number;
    with any other unit it is refused, because 5 % of 10 mL is not 50 of anything.

    Raises:
        ProgramError: there is no such unit.
    """
    if PERCENT in (left, right) and not (
        (left == right and sign < 0) or right == "" or (left == "" and sign > 0)
    ):
        raise ProgramError(
            "unit",
            "A percentage can be scaled by a pure number, or divided by a percentage.",
            got=f"{left or 'pure number'} {'×' if sign > 0 else '÷'} {right or 'pure number'}",
            remedy="use share(part, whole) or ratio(a, b)",
        )
    found = dict(powers(left))
    for symbol, power in powers(right):
        found[symbol] = found.get(symbol, 0) + sign * power
    return written(_checked(found))


def require_same(left: str, right: str, doing: str) -> None:
    """Refuse to add, subtract or compare numbers of different units.

    Raises:
        ProgramError: naming both.
    """
    if left != right:
        raise ProgramError(
            "unit",
            f"Numbers of different units cannot be {doing}.",
            expected=f"two numbers in {left or right}",
            got=f"{left or 'a number without unit'} and {right or 'a number without unit'}",
        )
