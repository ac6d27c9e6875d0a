"""The language: what it takes, what it refuses and by which name, and its canonical form."""

from __future__ import annotations

import pytest

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.syntax import (
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Name,
    Negate,
    Number,
    Statement,
    String,
    Template,
    parse,
)

V, W = Name("v"), Name("w")


@pytest.mark.parametrize(
    ("source", "node"),
    [
        ("x = 7", Number(7)),
        ("x = 0.5", Number(0.5)),
        ("x = 1e-3", Number(0.001)),
        ("x = 'a b'", String("a b")),
        ('x = "it\'s"', String("it's")),
        ('x = "a \\"b\\""', String('a "b"')),
        ("x = v", V),
        ("x = -v", Negate(V)),
        ("x = v + w", Arithmetic("+", V, W)),
        ("x = v - w", Arithmetic("-", V, W)),
        ("x = v * w", Arithmetic("*", V, W)),
        ("x = v / w", Arithmetic("/", V, W)),
        ("x = v - w - v", Arithmetic("-", Arithmetic("-", V, W), V)),
        ("x = v - (w - v)", Arithmetic("-", V, Arithmetic("-", W, V))),
        ("x = v + w * v", Arithmetic("+", V, Arithmetic("*", W, V))),
        ("x = v < w", Comparison("<", V, W)),
        ("x = v <= w", Comparison("<=", V, W)),
        ("x = v > w", Comparison(">", V, W)),
        ("x = v >= w", Comparison(">=", V, W)),
        ("x = v == w", Comparison("==", V, W)),
        ("x = v != w", Comparison("!=", V, W)),
        ("x = v if v > w else w", Choice(V, Comparison(">", V, W), W)),
        ('x = f"{v} and {w}."', Template((V, " and ", W, "."))),
        ("x = f'{v}'", Template((V,))),
        ("x = (v)", V),
        ("x = g()", Call("g", (), (), 0)),
        ("x = g(v, b=w)", Call("g", (V,), (("b", W),), 0)),
        ("x = g(\n  v,\n  w,\n)", Call("g", (V, W), (), 0)),
        ("x = v  # a remark, with <markup> and 'quotes", V),
    ],
)
def test_constructs(source, node):
    assert parse(source).statements == (Statement("x", node, 1),)


def test_statements_blank_lines_and_line_ends():
    program = parse("\n# a remark\r\nx = 1\r\n\n   \n  # another\ng(x)\n")
    assert program.statements == (
        Statement("x", Number(1), 3),
        Statement(None, Call("g", (Name("x"),), (), 0), 7),
    )


def test_calls_are_numbered_in_the_order_of_the_text():
    program = parse("a = g(h(v), k(w)) if m(v) > n(w) else o(p(v))\nq(a)")
    names = [c.function for c in program.calls()]
    assert names == ["g", "h", "k", "m", "n", "o", "p", "q"]
    assert [c.index for c in program.calls()] == list(range(8))


FORBIDDEN = {
    "attribute": ["v.x()", "x = v.a", "x = 1 .real", "x = 5.", "x = ...", "x = .5"],
    "subscript": ["x = v[0]", "x = [1]", "v[0] = 1", "x = [a for a in v]"],
    "braces": ["x = {}", "x = {1: 2}", "x = {1}"],
    "block": ["x: int = 1", "if v:\n g()", "else:"],
    "power": ["x = 2 ** 3", "g(**v)", "x **= 2"],
    "integer-division": ["x = 3 // 2"],
    "modulo": ["x = 3 % 2", 'x = "%s" % v'],
    "decorator": ["@v", "x = v @ w"],
    "bit-operation": ["x = v | w", "x = v & w", "x = v ^ w", "x = ~v", "x = v << 1", "x = v >> 1"],
    "walrus": ["g(y := 1)"],
    "annotation": ["g() -> v"],
    "semicolon": ["x = 1; y = 2"],
    "backslash": ["x = \\\n1"],
    "loop": ["for i in v:\n g(i)", "while v:\n g()", "break", "continue", "g(a for a in v)"],
    "import": ["import os", "from os import path", "from os import *"],
    "function-definition": ["def f():\n g()", "x = lambda: 1", "return 1", "yield", "x = yield v"],
    "class-definition": ["class A:\n g()"],
    "exception": ["try:\n g()", "raise v", "assert v", "except", "finally"],
    "async": ["async def f():\n g()", "await g()"],
    "scope": ["global x", "nonlocal x"],
    "word-operator": ["x = v and w", "x = v or w", "x = not v", "x = v in w", "x = v is w"],
    "constant": ["x = True", "x = False", "x = None"],
    "delete": ["del x"],
    "with": ["with v:\n g()"],
    "pass": ["pass"],
    "statement": ["x = y = 1", "x, y = 1", "(x, y) = v", "x += 1", "1", "v", '"words"', "v > w", "x, = v"],
    "tuple": ["x = 1, 2", "x = ()", "g((1, 2))"],
    "star-argument": ["g(*v)", "x = g(*v)"],
    "chained-comparison": ["x = 1 < v < 2"],
    "call": ["g()()", '"a"()', "x = (g())(w)", "(g if v > w else h)(v)"],
    "expression": ["x = +v"],
    "string-prefix": ['x = b"a"', 'x = r"a"', 'x = u"a"', 'x = rb"a"', 'x = F"a"', 'x = fr"{v}"'],
    "string-pair": ['x = "a" "b"', 'x = "a" f"{v}"', 'x = ("a"\n"b")'],
    "triple-quotes": ['x = """a"""', "x = '''a'''", 'x = f"""{v}"""'],
    "escape": ['x = "\\n"', 'x = "\\x41"', 'x = "\\N{BULLET}"', 'x = "\\\\"', 'x = "\\101"', 'x = "\\u0041"'],
    "template": [
        'x = "{v}"',
        'x = f"{v!r}"',
        'x = f"{v:>9}"',
        'x = f"{v=}"',
        'x = f"{v.a}"',
        'x = f"{v[0]}"',
        'x = f"{g()}"',
        'x = f"{v + w}"',
        'x = f"{ v }"',
        'x = f"{}"',
        'x = f"{{v}}"',
        'x = f"{v"',
        'x = f"v}"',
        'x = f"{v:{w}}"',
    ],
    "number": ["x = 0x10", "x = 0b1", "x = 0o7", "x = 1_000", "x = 1j", "x = 007", "x = 1if v else w"],
    "character": [
        "x = µ",
        "x = ｖ",
        "x\t= 1",
        "x = 1\rg()",
        'x = "a\tb"',
        "x = v?",
        "x = $v",
        "x = `v`",
        "!v",
    ],
    "private-name": ["_x = 1", "x = __import__", "__class__()", 'x = f"{_v}"', "g(_a=1)"],
    "indentation": [" x = 1", "x = 1\n  y = 2"],
    "keyword": ['x = f"{if}"'],
    "syntax": [
        "x =",
        "= 1",
        "x = (1",
        "x = 1)",
        "x == ",
        'x = "a',
        "x = 'a\n'",
        "x 1",
        "g(a=1, 2)",
        "g(a=1, a=2)",
        "x = v if w",
        "if = 1",
        'x = v "a"',
        'g("a" = 1)',
    ],
    "empty": ["", "\n\n", "# nothing", "   "],
}


@pytest.mark.parametrize(("code", "source"), [(c, s) for c, all_ in FORBIDDEN.items() for s in all_])
def test_forbidden_constructs_are_refused_by_name(code, source):
    with pytest.raises(ProgramError) as caught:
        parse(source)
    assert caught.value.code == code
    assert caught.value.line is not None
    assert "\n" not in caught.value.words()


def test_the_line_of_a_fault():
    with pytest.raises(ProgramError) as caught:
        parse("x = 1\n\ny = v.a\n")
    assert caught.value.line == 3


@pytest.mark.parametrize("soft", ["match", "case", "type"])
def test_words_that_python_reserves_in_places_are_names(soft):
    assert parse(f"{soft} = 1").statements[0].target == soft


BOTH_SIDES = [
    ("characters", lambda n: "x = 1" + " " * (n - 5), 60),
    ("tokens", lambda n: "g(" + "v," * ((n - 3) // 2) + ")", 21),
    ("depth", lambda n: "x = " + "(" * n + "1" + ")" * n, 8),
    ("operators", lambda n: "x = 1" + " + 1" * n, 24),
    ("operators", lambda n: "x = " + "-" * n + "1", 24),
    ("operators", lambda n: "x = " + "v if v > w else " * (n // 3) + "v", 24),
    ("name", lambda n: "x" * n + " = 1", 40),
    ("text", lambda n: 'x = "' + "a" * n + '"', 1000),
]


@pytest.mark.parametrize(("limit", "make", "most"), BOTH_SIDES)
def test_limits_on_both_sides(limit, make, most):
    budget = Budget(**{limit: most})
    parse(make(most), budget)
    step = 3 if "if" in make(6) else 2 if limit == "tokens" else 1
    with pytest.raises(ProgramError) as caught:
        parse(make(most + step), budget)
    assert caught.value.code == "budget"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1000000000000000", "1000000000000001"),
        ("1e15", "1.1e15"),
        ("1e-99", "1e-100"),
        ("0." + "1" * 24, "1" * 26),
    ],
)
def test_limits_of_numbers_on_both_sides(right, wrong):
    parse(f"x = {right}")
    with pytest.raises(ProgramError) as caught:
        parse(f"x = {wrong}")
    assert caught.value.code == "budget"


def test_canonical_form():
    source = "x=-( v+1 )*2 # remark\nsay ( f'{x} \\'is\\' it' , b = (x if (v>w) else y) )"
    assert str(parse(source)) == "x = -(v + 1) * 2\nsay(f\"{x} 'is' it\", b=x if v > w else y)"
