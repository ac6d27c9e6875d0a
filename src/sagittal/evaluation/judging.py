"""Whether programs do what an independent question expects: by what they compute, not by how they say it.

The questions' schema is in ``tests/questions/README.md``. Programs are read, not run: a question about the
volume of the left hippocampus is answered where some program segments the left hippocampus and takes the
volume of that mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from sagittal.agent.faults import ProgramError
from sagittal.agent.syntax import Arithmetic, Call, Choice, Comparison, Name, Negate, String, Template, parse

#: ``partly``: the first part of a question in several parts is answered, another is not.
Verdict = Literal["right", "partly", "abstained", "wrong", "failed"]

#: The questions' names that differ from ours.
OURS: Mapping[str, str] = {
    "accumbens": "nucleus accumbens", "cerebellum_cortex": "cerebellar gray matter",
    "cerebellum_white_matter": "cerebellar white matter", "csf": "cerebrospinal fluid", "edema": "oedema",
    "enhancing_tumor": "enhancing tumour", "hemisphere": "cerebrum",
    "intracranial_volume": "intracranial cavity", "necrotic_core": "non-enhancing core",
    "pallidum": "globus pallidus", "tumor": "whole tumour", "tumor_core": "tumour core",
    "ventral_dc": "ventral diencephalon", "ventricles": "ventricular system",
}  # fmt: skip
_MEASURES = {"volume": "volume", "mean": "mean", "diameter": "diameter", "count": "components"}
_EXTENTS = ("height", "width", "depth")

#: A computed value: the function's name, then what it was given (values, names of images, texts).
Value = tuple[Any, ...]


def computed(programs: Sequence[str]) -> list[Value]:
    """Every call of some programs with what it was given, through variables.

    Raises:
        ProgramError: a program cannot be parsed.
    """
    held: dict[str, Any] = {}
    found: list[Value] = []
    for program in programs:
        for statement in parse(program).statements:
            value = _value(statement.expression, held, found)
            if statement.target:
                held[statement.target] = value
    return found


def _value(node: Any, held: Mapping[str, Any], found: list[Value]) -> Any:
    if isinstance(node, Call):
        given = [_value(a, held, found) for a in (*node.arguments, *(v for _, v in node.keywords))]
        found.append((node.function, *given))
        return found[-1]
    if isinstance(node, Name):
        return held.get(node.id, node.id)
    if isinstance(node, String):
        return node.value
    if isinstance(node, Arithmetic):
        return (node.operator, _value(node.left, held, found), _value(node.right, held, found))
    if isinstance(node, Comparison):
        return (node.operator, _value(node.left, held, found), _value(node.right, held, found))
    if isinstance(node, Choice):
        parts = (node.condition, node.yes, node.no)
        return ("if", *(_value(part, held, found) for part in parts))
    if isinstance(node, Negate):
        return ("-", _value(node.operand, held, found))
    if isinstance(node, Template):
        return ("text", *(_value(p, held, found) for p in node.parts if isinstance(p, Name)))
    return node


def judge(
    programs: Sequence[str], images: Mapping[str, tuple[str, int]], question: Mapping[str, Any]
) -> Verdict:
    """What programs are worth as an answer.

    Args:
        programs: in order, as far as they were written.
        images: variable → kind and visit (from 1) of the images that were given.
        question: an entry of the questions' file.
    """
    try:
        values = computed(programs)
    except ProgramError:
        return "failed"
    if any(value[0] == "abstain" for value in values):
        return "abstained" if question["answerable"] else "right"
    if not question["answerable"]:
        return "wrong"
    if not _serves(values, images, question["expected"]):
        return "wrong"
    rest = [part for part in question.get("also", ()) if "reason" not in part]
    refused = len(rest) < len(question.get("also", ()))
    done = all(_serves(values, images, part) for part in rest)
    return "right" if done and not refused else "partly"


def _serves(
    values: Sequence[Value], images: Mapping[str, tuple[str, int]], expected: Mapping[str, Any]
) -> bool:
    """Whether the values hold what is expected, or what may stand in for it."""
    tasks = (expected["task"], *expected.get("accept", ()))
    objects = [_list(expected["of"]), *(_list(o) for o in expected.get("accept_of", ()))]
    visit = expected.get("session")
    if visit is not None and not any(_visits(v, images) == {visit} for v in values if v[0] == "encode"):
        return False
    return any(
        check(_Expected(values, images, expected, of))
        for of in objects
        for task in tasks
        if (check := _CHECKS.get(task)) is not None
    )


def _list(of: str | Sequence[str]) -> list[str]:
    return [of] if isinstance(of, str) else list(of)


def _visits(value: Any, images: Mapping[str, tuple[str, int]]) -> set[int]:
    return {images[n][1] for n in _leaves(value) if n in images}


def _given(value: Value, place: int) -> Any:
    """What a call was given at a place; a model may have forgotten it."""
    return value[place] if place < len(value) else None


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for part in value[1:]:
            yield from _leaves(part)
    elif isinstance(value, str):
        yield value


class _Expected:
    """What is expected of one part, with the values that programs computed."""

    def __init__(
        self, values: Sequence[Value], images: Mapping[str, tuple[str, int]], expected: Mapping[str, Any],
        of: list[str],
    ) -> None:  # fmt: skip
        self.values, self.images, self.more, self.of = values, images, expected, of
        self.side = expected.get("side")

    def names(self, number: int = 0) -> set[str]:
        """Our names that stand for one of the objects."""
        base = OURS.get(self.of[number], self.of[number].replace("_", " "))
        return {f"{self.side} {base}"} if self.side in ("left", "right") else {base}

    def sided(self) -> tuple[set[str], set[str]]:
        """Our names of an object's left and right side."""
        base = OURS.get(self.of[0], self.of[0].replace("_", " "))
        return {f"left {base}"}, {f"right {base}"}

    def has(self, functions: Iterable[str], names: set[str], through: str = "") -> bool:
        """Whether one of some functions is computed of a mask of one of some names."""
        return any(
            v[0] in functions and any(self.shows(a, names, through) for a in v[1:]) for v in self.values
        )

    def shows(self, value: Any, names: set[str], through: str = "") -> bool:
        """Whether a value is the mask of one of some names, or a piece of it."""
        if not isinstance(value, tuple):
            return False
        if value[0] == "segment":
            return not through and value[-1] in names
        if value[0] == "largest":
            return through in ("", "largest") and self.shows(_given(value, 1), names)
        return False

    def of_image(self, functions: Iterable[str], names: set[str]) -> bool:
        """Whether an intensity is taken in the sequence that the question means."""
        wanted = self.more.get("sequence")
        return any(
            v[0] in functions
            and self.shows(v[-1], names)
            and (wanted is None or self.images.get(_given(v, 1), ("", 0))[0] == wanted)
            for v in self.values
        )

    def two(self) -> tuple[set[str], set[str]]:
        """Names of the two things that are compared."""
        if self.side == "both" or len(self.of) < 2:
            return self.sided()
        return self.names(0), self.names(1)


def _segment(e: _Expected) -> bool:
    if e.side == "both":
        left, right = e.sided()
        return _any_mask(e, e.names()) or (_any_mask(e, left) and _any_mask(e, right))
    return all(_any_mask(e, e.names(n)) for n in range(len(e.of)))


def _any_mask(e: _Expected, names: set[str]) -> bool:
    return any(v[0] == "segment" and v[-1] in names for v in e.values)


def _plain(*functions: str) -> Callable[[_Expected], bool]:
    def check(e: _Expected) -> bool:
        if e.side == "both":
            left, right = e.sided()
            return e.has(functions, e.names()) or (e.has(functions, left) and e.has(functions, right))
        return all(e.has(functions, e.names(n)) for n in range(len(e.of)))

    return check


def _extent(e: _Expected) -> bool:
    measure = e.more.get("measure", "all")
    if measure == "all":
        return all(e.has({m}, e.names()) for m in _EXTENTS) or e.has({"box"}, e.names())
    return e.has({measure, "box"}, e.names())


def _intensity(function: str) -> Callable[[_Expected], bool]:
    return lambda e: all(e.of_image({function}, e.names(n)) for n in range(len(e.of)))


def _largest(e: _Expected) -> bool:
    measure = e.more.get("measure") or "volume"
    functions = {"segment": {"volume", "diameter", "read"}}.get(measure, {_MEASURES.get(measure, measure)})
    return e.has(functions, e.names(), through="largest")


def _compare(e: _Expected) -> bool:
    function = _MEASURES.get(e.more.get("measure") or "volume", "volume")
    return all(e.has({function}, names) for names in e.two())


def _ratio(e: _Expected) -> bool:
    first, second = e.two()

    def measured(value: Any, names: set[str]) -> bool:
        return isinstance(value, tuple) and len(value) > 1 and e.shows(value[-1], names)

    return any(
        v[0] == "ratio" and len(v) == 3 and measured(v[1], first) and measured(v[2], second) for v in e.values
    )


def _asymmetry(e: _Expected) -> bool:
    left, right = e.sided()
    return e.has({"volume"}, left) and e.has({"volume"}, right)


def _share(e: _Expected) -> bool:
    whole = e.more.get("relative_to")
    wanted = {OURS.get(whole, whole.replace("_", " "))} if whole else None
    return any(
        v[0] == "share"
        and e.shows(_given(v, 1), e.names())
        and (wanted is None or e.shows(_given(v, 2), wanted))
        for v in e.values
    )


def _change(e: _Expected) -> bool:
    """The same structure measured at two visits."""
    seen: set[int] = set()
    for v in e.values:
        if v[0] in ("volume", "diameter") and e.shows(_given(v, 1), e.names()):
            seen |= _visits(v, e.images)
    return len(seen) >= 2


_CHECKS: Mapping[str, Callable[[_Expected], bool]] = {
    "segment": _segment,
    "volume": _plain("volume"),
    "extent": _extent,
    "box": _plain("box"),
    "mean": _intensity("mean"),
    "snr": _intensity("snr"),
    "count": _plain("components"),
    "largest": _largest,
    "side": _plain("side"),
    "compare": _compare,
    "ratio": _ratio,
    "asymmetry": _asymmetry,
    "share": _share,
    "diameter": _plain("diameter"),
    "change": _change,
    "remove": _plain("mask_out"),
    "extract": _plain("extract"),
    "crop": _plain("crop"),
}
