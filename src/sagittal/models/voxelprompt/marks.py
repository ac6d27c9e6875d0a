"""Where ``<MOD>`` stands in a program, and to which call it belongs.

Every volume of an ``encode`` or ``segment`` call gets one modulation vector φ (§3.3). In ``encode`` its
mark follows the volume's argument. In ``segment`` the features argument stands for all volumes that were
encoded together; their marks, in the order of ``encode``, follow the last argument, so that the structure's
name has been written when φ is formed:

    f = encode(flair<MOD>, t1c<MOD>)
    m = segment(f, "whole tumour"<MOD><MOD>)

Marks are no part of the program's text: they are taken out before it is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from sagittal.agent.faults import ProgramError
from sagittal.agent.syntax import Call, Expression, Name, Program, String, parse
from sagittal.errors import InputError

_TOKEN = re.compile(
    r"""(?P<skip>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|\#[^\n]*)
      | (?P<call>[A-Za-z_][A-Za-z0-9_]*)[ ]*\(
      | (?P<open>\() | (?P<close>\)) | (?P<comma>,) | (?P<word>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE,
)
_NO_CALL = frozenset({"if", "else"})


@dataclass
class Place:
    """A call in a program's text.

    Attributes:
        index: as in :class:`sagittal.agent.syntax.Call`.
        start: offset of its opening parenthesis.
        ends: offset at which each argument ends; the last is that of the closing parenthesis.
    """

    index: int
    start: int
    ends: list[int] = field(default_factory=list)


def places(text: str) -> list[Place]:
    """All calls of a text, in the order in which they begin. The text need not be a program.

    A call that is never closed lacks its last end.
    """
    found: list[Place] = []
    stack: list[Place | None] = []
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "call" and token["call"] not in _NO_CALL:
            found.append(Place(len(found), token.end() - 1))
            stack.append(found[-1])
        elif kind in ("open", "call"):
            stack.append(None)
        elif kind in ("close", "comma") and stack:
            place = stack.pop() if kind == "close" else stack[-1]
            if place is not None:
                place.ends.append(token.start())
    return found


def marks_by_call(text: str, marks: list[int]) -> dict[int, list[int]]:
    """Which marks belong to which call: the innermost one around them.

    Args:
        text: a program without its marks.
        marks: offset of each mark in ``text``, ascending.

    Returns:
        Call index → positions in ``marks``. Marks outside every call belong to none.
    """
    calls = places(text)
    result: dict[int, list[int]] = {}
    for number, offset in enumerate(marks):
        around = [c for c in calls if c.start < offset and not (c.ends and _closed_before(c, text, offset))]
        if around:
            result.setdefault(max(around, key=lambda c: c.start).index, []).append(number)
    return result


def _closed_before(place: Place, text: str, offset: int) -> bool:
    return text[place.ends[-1]] == ")" and place.ends[-1] < offset


@dataclass(frozen=True)
class VisionCall:
    """A call of a vision network, as it stands in a program.

    Attributes:
        function: ``encode``, ``segment``, or ``read`` of encoded volumes.
        index: which call of the program.
        features: number of the features that it makes or uses, counted through the conversation.
        offsets: where its marks stand, one a volume; none for ``read``.
        structure: what ``segment`` is asked for; empty where the program computes the name.
    """

    function: str
    index: int
    features: int
    offsets: tuple[int, ...] = ()
    structure: str = ""


class Ledger:
    """Which variables hold encoded volumes, and of which volumes, through the programs of a conversation."""

    def __init__(self) -> None:
        self.volumes: list[tuple[str, ...]] = []  # of each features, the names of its volumes
        self._held: dict[str, int] = {}

    def enter(self, text: str) -> list[VisionCall]:
        """The calls of vision networks in the next program, in the order in which they are carried out.

        Raises:
            InputError: the text is no program, or uses features in a way that cannot be followed (made
                in a conditional expression, or never made).
        """
        try:
            program, ends = _read(text)
        except ProgramError as error:
            raise InputError("A training program cannot be parsed.", got=error.words()) from error
        return list(self._calls(program, ends))

    def _calls(self, program: Program, ends: Mapping[int, list[int]]) -> Iterator[VisionCall]:
        for statement in program.statements:
            made: dict[int, int] = {}  # calls of this statement that make features
            for call in sorted(Program((statement,)).calls(), key=lambda c: ends[c.index][-1]):
                if call.function == "encode":
                    made[call.index] = len(self.volumes)
                    self.volumes.append(tuple(_volume(a) for a in call.arguments))
                    offsets = ends[call.index][: len(call.arguments)]
                    yield VisionCall("encode", call.index, made[call.index], tuple(offsets))
                elif call.function == "segment":
                    features = self._features(_argument(call, "features"), made)
                    if features is None:
                        raise InputError("segment takes encoded volumes.", got=str(Program((statement,))))
                    offsets = ends[call.index][-1:] * len(self.volumes[features])
                    name = _argument(call, "structure")
                    structure = name.value if isinstance(name, String) else ""
                    yield VisionCall("segment", call.index, features, tuple(offsets), structure)
                elif call.function == "read":
                    features = self._features(_argument(call, "value"), made)
                    if features is not None:
                        yield VisionCall("read", call.index, features)
            self._assign(statement.target, statement.expression, made)

    def _features(self, node: Expression, made: Mapping[int, int]) -> int | None:
        if isinstance(node, Call):
            return made.get(node.index)
        return self._held.get(node.id) if isinstance(node, Name) else None

    def _assign(self, target: str | None, node: Expression, made: Mapping[int, int]) -> None:
        if target is None:
            return
        features = self._features(node, made)
        if features is not None:
            self._held[target] = features
        elif made and not (isinstance(node, Call) and node.function in ("segment", "read")):
            raise InputError("Encoded volumes are kept in a variable by plain assignment.", got=target)
        else:
            self._held.pop(target, None)


@lru_cache(maxsize=16_384)
def _read(text: str) -> tuple[Program, Mapping[int, list[int]]]:
    """A program, and where its calls' arguments end; training meets the same programs many times."""
    return parse(text), {place.index: place.ends for place in places(text)}


def _volume(node: Expression) -> str:
    if not isinstance(node, Name):
        raise InputError("A training program encodes given volumes, by their variables.", got=node)
    return node.id


_PLACES = {"features": 0, "value": 0, "structure": 1}


def _argument(call: Call, name: str) -> Expression:
    place = _PLACES[name]
    return call.arguments[place] if place < len(call.arguments) else dict(call.keywords)[name]
