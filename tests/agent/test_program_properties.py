"""Random programs: nothing but ProgramError, never beyond a budget, and the meaning that Python gives."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_agent import ask

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.interpreter import Interpreter, Reply
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
    parse,
    statement_source,
)
from sagittal.agent.text import harmless, plain, strange_character
from sagittal.agent.units import powers, product, written
from sagittal.agent.values import Handle, Quantity, Scope, Text, Word
from sagittal.agent.wire import decode_message, encode_message, value_from_json, value_to_json
from sagittal.answer import Answer

FIXED = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
FEWER = settings(FIXED, max_examples=80)

NAMES = st.sampled_from(["a", "b", "v", "w", "side", "flair"])
FUNCTIONS = st.sampled_from(["f", "g"])
NUMBERS = st.one_of(st.integers(0, 10**15), st.floats(1e-90, 1e15), st.just(0.0))
PLAIN_TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=12).filter(
    lambda t: strange_character(t, also=frozenset("<>[]{}\\|`^$~#*&")) is None
)


def _calls(inner):
    keywords = st.dictionaries(NAMES, inner, max_size=2).map(lambda d: tuple(d.items()))
    return st.builds(Call, FUNCTIONS, st.lists(inner, max_size=3).map(tuple), keywords, st.just(0))


def _template(parts):
    joined: list[str | Name] = []
    for part in parts:
        # Python joins literal parts that stand side by side.
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return Template(tuple(joined))


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        st.builds(Number, NUMBERS),
        st.builds(String, PLAIN_TEXT),
        st.builds(Name, NAMES),
        st.lists(st.one_of(PLAIN_TEXT, st.builds(Name, NAMES)), max_size=4).map(_template),
    ),
    lambda inner: st.one_of(
        st.builds(Negate, inner),
        st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
        st.builds(Comparison, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner, inner),
        st.builds(Choice, inner, inner, inner),
        _calls(inner),
    ),
    max_leaves=8,
)
TARGETS = st.sampled_from(["a", "b", "v"])
STATEMENTS = st.one_of(
    st.builds(Statement, TARGETS, EXPRESSIONS, st.just(1)),
    st.builds(Statement, st.none(), _calls(EXPRESSIONS), st.just(1)),
)
PROGRAMS = st.lists(STATEMENTS, min_size=1, max_size=5).map(lambda s: Program(tuple(s)))

VALUES = {
    "v": Quantity(3.5, "mL", "volume", "tumour", "voxels", 0),
    "w": Quantity(2, "mm", "width", "tumour", "faces", 1),
    "side": Word("left", "", "side", "tumour", "plane", 2),
    "flair": Handle(0, "Volume", "flair"),
}
WIDE = Budget(operators=200, depth=60, characters=100_000, tokens=5_000)


def run(source: str, budget: Budget) -> Scope:
    scope = Scope(dict(VALUES))
    calls = 0

    def call(request):
        nonlocal calls
        calls += 1
        assert calls <= budget.calls
        return Reply(next(iter((*request.arguments, *(v for _, v in request.keywords))), None))

    try:
        Interpreter(scope, ("f", "g"), call, lambda line: None, budget).run(parse(source, budget))
    except ProgramError as error:
        assert "\n" not in error.words()
        assert strange_character(error.words()) is None
    check(scope, budget)
    return scope


def check(scope: Scope, budget: Budget) -> None:
    assert len(scope.variables) <= budget.variables
    for value in scope.variables.values():
        if isinstance(value, Quantity):
            assert value.value is None or (math.isfinite(value.value) and abs(value.value) <= budget.number)
        if isinstance(value, Text):
            assert len(value.value) <= budget.text
            assert strange_character(value.value) is None
    assert scope.composed <= budget.composed + budget.text


@FIXED
@given(st.text(max_size=60))
def test_any_text(source):
    run(source, Budget())


@FIXED
@given(st.text(st.sampled_from(list("ab1.e+-*/=<>!()[]{},:;'\"\\#@%&|^~ \n\t_f")), max_size=40))
def test_any_text_of_ascii_signs(source):
    run(source, Budget())


_WORDS = (
    'a b v w flair f g ( ) , = + - * / < > == if else 1 2.5 1e9 "t" f"{v}" f"{a}{a}" f( ** . lambda for [ :'
)
TOKENS = st.sampled_from([*_WORDS.split(), "a =", "\n", "\n"])


@FIXED
@given(st.lists(TOKENS, max_size=40))
def test_any_row_of_tokens(tokens):
    run(" ".join(tokens).replace("\n ", "\n"), Budget())


@FEWER
@given(PROGRAMS)
def test_canonical_text_reads_as_the_same_program(program):
    again = parse(str(program), WIDE)
    assert _without_places(again) == _without_places(program)
    assert str(again) == str(program)


def _without_places(node):
    """A tree without line numbers and call numbers, which the strategies do not know."""
    if isinstance(node, tuple):
        return tuple(_without_places(n) for n in node)
    if not is_dataclass(node):
        return node
    kept = {f.name: _without_places(getattr(node, f.name)) for f in fields(node)}
    return type(node)(**{name: 0 if name in ("line", "index") else value for name, value in kept.items()})


@FEWER
@given(PROGRAMS, st.integers(1, 12), st.integers(1, 6), st.integers(1, 30))
def test_programs_stay_within_any_budget(program, nodes, calls, text):
    run(
        str(program),
        replace(WIDE, nodes=nodes, calls=calls, text=text, composed=3 * text, variables=5, number=1e6),
    )


COMPARISONS = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
ARITHMETIC: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(
        st.builds(Number, st.integers(0, 50)),
        st.builds(Number, st.floats(0.25, 8)),
        st.builds(Name, st.just("n")),
    ),
    lambda inner: st.one_of(
        st.builds(Negate, inner),
        st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
        st.builds(Choice, inner, st.builds(Comparison, COMPARISONS, inner, inner), inner),
    ),
    max_leaves=10,
)


@FIXED
@given(ARITHMETIC)
def test_arithmetic_means_what_it_means_in_python(expression):
    """The oracle is Python itself: every program is a Python program with the same meaning."""
    source = statement_source(Statement("x", expression, 1))
    names: dict[str, object] = {"n": 7}
    try:
        exec(source, {"__builtins__": {}}, names)  # noqa: S102
    except ZeroDivisionError:
        names["x"] = None
    scope = Scope({"n": Quantity(7)})
    try:
        Interpreter(scope, (), lambda r: Reply(None), lambda line: None, WIDE).run(parse(source, WIDE))
    except ProgramError as error:
        assert (error.code == "division") == (names["x"] is None)
        assert error.code == "division" or abs(names["x"]) > 1e12
        return
    got = scope.variables["x"]
    assert isinstance(got, Quantity)
    assert got.value == names["x"]
    assert type(got.value) is type(names["x"])


@FIXED
@given(
    st.lists(st.one_of(PLAIN_TEXT, st.builds(Name, st.sampled_from(["p", "q"]))), max_size=6).map(_template)
)
def test_templates_mean_what_they_mean_in_python(template):
    source = statement_source(Statement("x", template, 1))
    names: dict[str, object] = {"p": "first", "q": "second 'word'"}
    exec(source, {"__builtins__": {}}, names)  # noqa: S102
    scope = Scope({"p": Text("first"), "q": Text("second 'word'")})
    Interpreter(scope, (), lambda r: Reply(None), lambda line: None).run(parse(source))
    assert scope.variables["x"].value == names["x"]


LIBRARY_LINES = st.sampled_from(
    """f = encode(flair)
f = encode(flair, t1)
m = segment(f, "whole tumour")
m = segment(f, "nothing")
n = segment(f, "brain")
m = largest(m)
c = crop(flair, m)
e = extract(c, m)
v = volume(m)
w = width(n)
b = box(m)
s = side(m, n)
i = mean(flair, m)
i = snr(c, m)
r = ratio(v, w)
d = difference(v, v)
p = percentage_change(v, v)
x = v / w
v = v - v
z = "a" if v > w else "b"
volume()
read(f)
read(v)
say(f"{v}")
say(f"{s} {w}")
say("b")
stop()
abstain("No.")""".splitlines()
)


@FEWER
@given(st.lists(st.lists(LIBRARY_LINES, min_size=1, max_size=8).map("\n".join), min_size=1, max_size=4))
def test_conversations_of_any_lines_end(programs):
    outcome, script = ask(*programs)
    assert outcome.abstained == (outcome.reason is not None)
    assert outcome.text
    # The answer's own checks: every measurement has its step, every abstention its reason.
    pieces = {"measurements": outcome.measurements, "steps": outcome.steps}
    Answer("?", outcome.text, outcome.abstained, outcome.reason, **pieces)
    for feedback in script.heard:
        assert feedback.text


# -- parts -----------------------------------------------------------------------------------------

MEASURED = st.builds(
    Quantity,
    st.one_of(st.integers(-(10**15), 10**15), st.floats(-1e15, 1e15)),
    st.sampled_from(["", "mL", "mm²", "%"]),
    PLAIN_TEXT.map(str.strip),
    step=st.one_of(st.none(), st.integers(0, 9)),
    derived=st.booleans(),
)


@FIXED
@given(
    st.one_of(
        MEASURED,
        st.booleans(),
        st.builds(Handle, st.integers(0, 99), st.sampled_from(["Mask", "Volume"]), PLAIN_TEXT),
        st.builds(Word, PLAIN_TEXT, step=st.integers(0, 9)),
        st.builds(Text, PLAIN_TEXT, st.lists(MEASURED, max_size=3).map(tuple)),
        st.just(Quantity(None, "mm", undefined="the mask is empty")),
    )
)
def test_values_cross_the_wire_unchanged(value):
    sent = decode_message(encode_message({"v": value_to_json(value)}))["v"]
    assert value_from_json(sent, 9, Budget()) == value


KEYS = st.sampled_from(["kind", "value", "stated", "id", "type", "name", "unit", "step"])
SCALARS = [st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)]
JSON = st.recursive(
    st.one_of(*SCALARS, st.sampled_from(["text", "quantity", "handle"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner)),
    max_leaves=8,
)


@FIXED
@given(JSON)
def test_foreign_values_are_refused_cleanly(data):
    try:
        value = value_from_json(data, 9, Budget())
    except ProgramError as error:
        assert error.code == "transport"
    else:
        assert isinstance(value, bool | Quantity | Word | Text | Handle)


@FIXED
@given(st.text(max_size=300), st.integers(1, 80))
def test_plain_text_is_plain(text, limit):
    for made in (plain(text, limit), harmless(text, limit)):
        assert strange_character(made) is None
        assert len(made) <= limit
        assert plain(made, limit) == made


def test_marks_without_end_are_taken_away():
    assert plain("a" + "\u0301" * 5 + "b", 50) == "ab"
    assert plain("a\u0301\u0301b", 50) == "a\u0301\u0301b"


@pytest.mark.parametrize("unit", ["", "mL", "mm", "mm²", "mm³", "%", "HU", "mL/day", "1/mm", "mL/mm²"])
def test_units_are_written_as_they_are_read(unit):
    assert written(powers(unit)) == unit
    assert product(unit, "", 1) == unit
    assert product(unit, unit, -1) == ""
