"""What the two processes of the process transport say to each other: one JSON object a line.

Never pickle. The parent reads the child's words as an enemy's: every field is checked for type and
size, and every text is made plain, before anything is done with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.interpreter import Line, Reply, Request
from sagittal.agent.scanner import check_name
from sagittal.agent.text import harmless, plain
from sagittal.agent.values import Handle, Quantity, Text, Value, Word, label

_KINDS: Mapping[str, type[Quantity | Word | Text | Handle]] = {
    "quantity": Quantity,
    "word": Word,
    "text": Text,
    "handle": Handle,
}
# Types of the fields that are not texts.
_TYPES: Mapping[tuple[type, str], tuple[type, ...]] = {
    (Quantity, "value"): (int, float, type(None)),
    (Quantity, "step"): (int, type(None)),
    (Quantity, "undefined"): (str, type(None)),
    (Quantity, "derived"): (bool,),
    (Word, "step"): (int, type(None)),
    (Text, "stated"): (list,),
    (Handle, "id"): (int,),
}
_LONGEST_SECONDS = 1e6
_GREATEST_INDEX = 1 << 31


def encode_message(message: Mapping[str, Any]) -> bytes:
    """One message as a line."""
    return json.dumps(message, allow_nan=False).encode() + b"\n"


def decode_message(line: bytes) -> dict[str, Any]:
    """Inverse of :func:`encode_message`.

    Raises:
        ProgramError: not JSON, nested too deeply, with NaN or infinity in it, or not an object.
    """
    try:
        message = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise strange("something that is not JSON") from None
    return mapping(message)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def strange(what: str) -> ProgramError:
    """The fault of a process that does not keep to this page."""
    return ProgramError("transport", f"The process that ran the program sent {what}.")


def mapping(value: Any) -> dict[str, Any]:
    """``value``, when it is a JSON object."""
    if not isinstance(value, dict):
        raise strange("something that is no message")
    return value


# -- values --------------------------------------------------------------------------------------


def value_to_json(value: Value | None) -> Any:
    """A value with all that belongs to it; inverse of :func:`value_from_json`."""
    if value is None or isinstance(value, bool):
        return value
    kind = next(k for k, t in _KINDS.items() if type(value) is t)
    out = dict(vars(value))
    if isinstance(value, Text):
        out["stated"] = [value_to_json(q) for q in value.stated]
    return {"kind": kind, **out}


def value_from_json(data: Any, last_step: int, budget: Budget) -> Value:
    """A value that another process sent, when it is one that could be.

    Args:
        data: JSON.
        last_step: no number is of a later step.
        budget: limits.

    Raises:
        ProgramError: it is not a value, or is beyond a limit.
    """
    if isinstance(data, bool):
        return data
    name = data.get("kind") if isinstance(data, dict) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None or set(data) != {"kind", *(f.name for f in fields(kind))}:
        raise strange("something that is not a value")
    given = {k: v for k, v in data.items() if k != "kind"}
    for field_name, value in given.items():
        wanted = _TYPES.get((kind, field_name), (str,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise strange(f"a value with a wrong {field_name}")
    if kind is Text:
        given["stated"] = tuple(_stated(q, last_step, budget) for q in given["stated"])
    return _possible(kind(**given), last_step, budget)


def _stated(data: Any, last_step: int, budget: Budget) -> Quantity:
    # Only quantities stand in a text: texts within texts could nest without end.
    if not isinstance(data, dict) or data.get("kind") != "quantity":
        raise strange("a text that states no quantities")
    quantity = value_from_json(data, last_step, budget)
    assert isinstance(quantity, Quantity)
    return quantity


def _possible(value: Value, last_step: int, budget: Budget) -> Value:
    """``value`` within the limits, its side texts made plain."""
    if isinstance(value, Text):
        if len(value.value) > budget.text:
            raise strange("a text that is too long")
        return replace(value, unsupported=label(value.unsupported))
    if isinstance(value, Handle | bool):
        return value
    if value.step is not None and not 0 <= value.step <= last_step:
        raise strange("a number of a step that was not")
    made_plain = replace(
        value,
        unit=harmless(value.unit, budget.name),
        name=label(value.name),
        of=label(value.of),
        method=label(value.method),
    )
    if isinstance(made_plain, Quantity):
        if not abs(made_plain.value or 0) <= budget.number:
            raise strange("a number that is too great")
        if (made_plain.value is None) != (made_plain.undefined is not None):
            raise strange("an undefined number without a reason")
    return made_plain


# -- calls ---------------------------------------------------------------------------------------


def request_to_json(request: Request) -> dict[str, Any]:
    """A call, but for its step: the parent counts those itself."""
    return {
        "function": request.function,
        "arguments": [value_to_json(v) for v in request.arguments],
        "keywords": [[name, value_to_json(v)] for name, v in request.keywords],
        "sources": list(request.sources),
        "line": request.line,
        "index": request.index,
    }


def request_from_json(data: dict[str, Any], step: int, budget: Budget) -> Request:
    """A call that the child makes in ``step``.

    Raises:
        ProgramError: it is none.
    """
    arguments, keywords, sources = (_list(data, key) for key in ("arguments", "keywords", "sources"))
    pairs = all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in keywords)
    function = data.get("function")
    if not pairs or not isinstance(function, str) or len(sources) != len(arguments) + len(keywords):
        raise strange("a call that is none")
    return Request(
        function=plain(function, budget.name),
        arguments=tuple(value_from_json(v, step, budget) for v in arguments),
        keywords=tuple((plain(n, budget.name), value_from_json(v, step, budget)) for n, v in keywords),
        sources=tuple(label(str(s)) for s in sources),
        step=step,
        line=_whole(data, "line"),
        index=_whole(data, "index"),
    )


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """What a call gave."""
    return {"value": value_to_json(reply.value), "note": reply.note, "halt": reply.halt}


# -- lines ---------------------------------------------------------------------------------------


def line_to_json(line: Line) -> dict[str, Any]:
    """The trace of a line."""
    error = None if line.error is None else line.error.to_json()
    return {**vars(line), "functions": list(line.functions), "error": error}


def line_from_json(data: dict[str, Any], budget: Budget) -> Line:
    """The trace of a line that the child ran.

    Raises:
        ProgramError: it is none.
    """
    seconds, target = data.get("seconds"), data.get("target")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_SECONDS:
        raise strange("a line that took no time there is")
    if target is not None:
        target = str(target)
        check_name(target, None, budget)
    return Line(
        source=plain(str(data.get("source")), budget.characters),
        line=_whole(data, "line"),
        target=target,
        functions=tuple(plain(str(f), budget.name) for f in _list(data, "functions")),
        inputs={plain(k, budget.name): _shown(v, budget) for k, v in mapping(data.get("inputs")).items()},
        output=_shown(data.get("output"), budget),
        seconds=float(seconds),
        error=None if data.get("error") is None else ProgramError.from_json(mapping(data["error"])),
    )


def _shown(value: Any, budget: Budget) -> Any:
    """A value of the trace: a text, a number, or an object of these."""
    if isinstance(value, dict):
        entries = list(value.items())[:4]
        return {
            plain(k, budget.name): _shown(str(v) if isinstance(v, dict) else v, budget) for k, v in entries
        }
    if value is None or (isinstance(value, bool | int | float) and abs(value) <= budget.number):
        return value
    return plain(str(value), budget.text)


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    if not isinstance(value, list):
        raise strange(f"a message without {key}")
    return value


def _whole(data: dict[str, Any], key: str) -> int:
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _GREATEST_INDEX:
        raise strange(f"a message with a wrong {key}")
    return value


def composed_from_json(data: dict[str, Any], before: int) -> int:
    """The count of characters composed so far, which never falls."""
    value = _whole(data, "composed")
    if value < before:
        raise strange("a wrong count of characters")
    return value
