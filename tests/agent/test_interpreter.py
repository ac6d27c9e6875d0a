"""The tree walker: values, units, origins, choices, variables, and every budget on both sides."""

from __future__ import annotations

import math

import pytest

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.interpreter import Interpreter, Line, Reply, Request
from sagittal.agent.syntax import parse
from sagittal.agent.values import Handle, Quantity, Scope, Text, Word

TUMOUR = Quantity(40.0, "mL", "volume", "tumour", "voxels", step=0)
CORE = Quantity(10.0, "mL", "volume", "core", "voxels", step=1)
WIDTH = Quantity(20, "mm", "width", "tumour", "faces", step=2)
CHANGE = Quantity(50.0, "%", "change", "tumour", "", step=3)
NONE = Quantity(None, "%", "change", "tumour", "", 4, "the earlier value is 0")
SIDE = Word("left", "", "side", "tumour", "plane", 5)
SCAN = Handle(0, "Volume", "flair")


def scope() -> Scope:
    return Scope(
        {
            "t": TUMOUR,
            "c": CORE,
            "w": WIDTH,
            "p": CHANGE,
            "u": NONE,
            "side": SIDE,
            "flair": SCAN,
            "z": Quantity(0),
        }
    )


def run(source, *, budget=None, variables=None, call=None, clock=None, first_step=10):
    """Run a program; returns its variables and its lines."""
    lines: list[Line] = []
    where = variables or scope()
    more = {} if clock is None else {"clock": clock}
    Interpreter(
        where,
        ("echo", "volume", "stop"),
        call or (lambda request: Reply(request.arguments[0] if request.arguments else None)),
        lines.append,
        budget or Budget(),
        first_step,
        **more,
    ).run(parse(source, budget))
    return where.variables, lines


def fault(source, **options) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        run(source, **options)
    return caught.value


# -- arithmetic ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "value", "unit"),
    [
        ("t + c", 50, "mL"),
        ("t - c", 30, "mL"),
        ("-t", -40, "mL"),
        ("t / c", 4, ""),
        ("t * 2", 80, "mL"),
        ("2 * t", 80, "mL"),
        ("t / 2", 20, "mL"),
        ("1 / w", 0.05, "1/mm"),
        ("w * w", 400, "mm²"),
        ("w * w * w", 8000, "mm³"),
        ("w * w / w", 20, "mm"),
        ("t / w", 2, "mL/mm"),
        ("t / w * w", 40, "mL"),
        ("100 * (t - c) / c", 300, ""),
        ("p * 2", 100, "%"),
        ("p / 2", 25, "%"),
        ("p / p", 1, ""),
        ("p - p", 0, "%"),
    ],
)
def test_arithmetic_carries_units_and_origin(source, value, unit):
    out = run(f"x = {source}")[0]["x"]
    assert out.value == pytest.approx(value)
    assert (out.unit, out.step, out.derived) == (unit, 10, True)
    assert out.method == "arithmetic of the program"


@pytest.mark.parametrize(
    "source",
    [
        *("t + w", "t + 1", "t - p", "t > w", "t > 1", "t == w", "t * p", "p * p", "1 / p", "t / p"),
        *("w * w * w * w", "t * w * t * p", "t * t * t * t"),
    ],
)
def test_units_that_do_not_go_together(source):
    assert fault(f"x = {source}").code == "unit"


def test_numbers_that_the_program_wrote_have_no_origin():
    variables, _ = run("x = 6 * 7\ny = x - 2\nm = t * x")
    assert variables["y"] == Quantity(40)
    assert variables["m"].step == 12


def test_origin_is_the_line_and_objects_are_named_once():
    variables, _ = run("d = t - c\ne = d - c\nf = t + t")
    assert (variables["d"].step, variables["e"].step) == (10, 11)
    assert variables["e"].of == "tumour, core"
    assert variables["f"].of == "tumour"
    assert variables["e"].name == "d - c"


def test_undefined_numbers_and_division_by_zero_are_told():
    error = fault("x = u + p")
    assert error.code == "undefined"
    assert "the earlier value is 0" in error.words()
    assert fault("x = t / z").code == "division"
    assert fault("x = 1 / 0.0").code == "division"


@pytest.mark.parametrize("source", ["side + t", "flair * 2", '"a" + "b"', '"a" * 9', "-side", "(t > c) + 1"])
def test_arithmetic_is_for_numbers(source):
    assert fault(f"x = {source}").code == "type"


# -- comparison and choice -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "truth"),
    [
        ("t > c", True),
        ("t < c", False),
        ("t >= t", True),
        ("t <= c", False),
        ("t == t", True),
        ("t != c", True),
        ("t > 0", True),
        ("0 >= t", False),
        ("t > z", True),
        ("w == 20", None),
        ("t / c > 3", True),
        ('side == "left"', True),
        ('side != "left"', False),
        ('"left" == side', True),
        ("side == side", True),
    ],
)
def test_comparison(source, truth):
    if truth is None:
        assert fault(f"x = {source}").code == "unit"
    else:
        assert run(f"x = {source}")[0]["x"] is truth


@pytest.mark.parametrize(
    "source", ['side > "a"', "side == t", "flair == flair", "(t > c) == (t > c)", "u > 0"]
)
def test_what_cannot_be_compared(source):
    assert fault(f"x = {source}").code in ("type", "undefined")


def test_a_choice_evaluates_one_side_only():
    asked: list[Request] = []

    def call(request):
        asked.append(request)
        return Reply(request.arguments[0])

    variables, _ = run('x = echo("yes") if t > c else echo("no")', call=call)
    assert variables["x"].value == "yes"
    assert [r.index for r in asked] == [0]
    variables, _ = run('x = echo("yes") if t < c else echo("no")', call=call)
    assert variables["x"].value == "no"
    assert asked[-1].index == 1
    assert fault("x = t if c else t").code == "type"


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('f"{t} and {w}"', "40 mL and 20 mm"),
        ('f"{p}"', "50%"),
        ('f"{side}"', "left"),
        ('f"{u}"', "undefined (the earlier value is 0)"),
        ('f"{z}"', "0"),
        ('"plain"', "plain"),
        ('f""', ""),
    ],
)
def test_composition(source, text):
    assert run(f"x = {source}")[0]["x"].value == text


def test_composition_of_comparisons_and_texts():
    variables, _ = run('b = t > c\ny = f"{b}"\nn = "no"\nz2 = f"{y}, not {n}"')
    assert variables["z2"].value == "yes, not no"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0"), (3, "3"), (1234567, "1234567"), (0.12345, "0.123"), (1.0, "1"), (12.345, "12.3")),
        *((99.96, "100"), (123.456, "123"), (12345.6, "12346"), (-0.5, "-0.5"), (9.999, "10")),
        (0.00012345, "1.23e-04"),
    ],
)
def test_numbers_for_people(value, text):
    assert str(Quantity(value)) == text


def test_a_text_remembers_what_it_states():
    variables, _ = run('a = f"{t} of {c}"\nb = f"{a}, {t}"')
    assert variables["b"].stated == (TUMOUR, CORE)


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ('"all well"', ""),
        ('"T1 and T2, CN7"', ""),
        ('"42 mL"', "42"),
        ('"about ½"', "½"),
        ('"٤٢"', "٤٢"),
        ('"１２"', "１２"),
        ('"T123"', "123"),
        ('"v42.7"', "7"),
        ('f"{z} mL"', "0"),
        ('f"{t}, not 9"', "9"),
        ('f"{t}"', ""),
    ],
)
def test_numbers_that_no_step_computed_are_seen(source, number):
    assert run(f"x = {source}")[0]["x"].unsupported == number
    assert run(f'y = {source}\nx = f"so {{y}}"')[0]["x"].unsupported == number


def test_a_handle_is_not_text():
    assert fault('x = f"{flair}"').code == "type"
    assert str(SCAN) == "Volume flair"


# -- variables and calls ---------------------------------------------------------------------------


def test_variables_persist_and_lines_before_a_fault_stay_done():
    where = scope()
    with pytest.raises(ProgramError) as caught:
        run("a = t\nb = nix\nd = t", variables=where)
    assert caught.value.line == 2
    assert where.variables["a"] == TUMOUR
    assert "d" not in where.variables
    assert run("e = a", variables=where)[0]["e"] == TUMOUR


def test_lines_of_the_trace():
    def call(request):
        return Reply(None, "a note") if request.function == "stop" else Reply(request.arguments[0])

    where = scope()
    lines: list[Line] = []
    with pytest.raises(ProgramError):
        Interpreter(where, ("echo", "stop"), call, lines.append).run(
            parse("x = echo( t )-c\nstop()\ny=echo(nix)\nz = t")
        )
    assert [(line.source, line.line, line.target) for line in lines] == [
        ("x = echo(t) - c", 1, "x"),
        ("stop()", 2, None),
        ("y = echo(nix)", 3, "y"),
    ]
    assert lines[0].inputs == {"t": {"value": 40.0, "unit": "mL"}, "c": {"value": 10.0, "unit": "mL"}}
    assert lines[0].output == {"value": 30.0, "unit": "mL"}
    assert lines[0].functions == ("echo",)
    assert lines[1].output == "a note"
    assert lines[2].error is not None


def test_names_are_suggested():
    assert fault("x = volum(t)").remedy == "did you mean volume?"
    assert fault("x = flare").remedy == "did you mean flair?"
    assert fault("x = qqqq").remedy is None
    assert "call it" in fault("x = volume").message
    assert fault("volume = t").code == "name"


def test_a_call_that_gives_nothing_has_no_value():
    def call(request):
        return Reply(None)

    run("echo(t)", call=call)
    assert fault("x = echo(t)", call=call).code == "type"
    assert fault("echo(echo(t))", call=call).code == "type"


def test_halt_ends_the_program():
    def call(request):
        return Reply(None, halt=request.function == "stop")

    variables, lines = run("stop()\nx = t", call=call)
    assert "x" not in variables
    assert len(lines) == 1


def test_requests_say_where_they_stand():
    asked: list[Request] = []

    def call(request):
        asked.append(request)
        return Reply(TUMOUR)

    run("x = t\n\ny = echo(volume(flair), b=w - w)", call=call)
    inner, outer = asked
    assert (inner.function, inner.index, inner.line, inner.step) == ("volume", 1, 3, 11)
    assert (outer.function, outer.index, outer.sources) == ("echo", 0, ("volume(flair)", "w - w"))
    assert dict(outer.keywords)["b"].value == 0


# -- budgets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "budget"),
    [
        ("x = t - c - c", "x = t - c - c - c", Budget(nodes=5)),
        ("echo(t)\necho(t)", "echo(t)\necho(t)\necho(t)", Budget(calls=2)),
        ("a1 = t\na2 = t\na1 = c", "a1 = t\na2 = t\na3 = t", Budget(variables=10)),
        ('x = "aaa"\ny = f"{x}{x}"', 'x = "aaa"\ny = f"{x}{x}{x}"', Budget(text=8)),
        ('x = "aaa"\ny = f"{x}{x}"', 'x = "aaa"\ny = f"{x}{x}{x}"', Budget(composed=9)),
        ("x = 10 * 10", "x = 10 * 10 + 1", Budget(number=100)),
        ("x = -10 * 10", "x = -10 * 10 - 1", Budget(number=100)),
        ("x = 9 / 0.1", "x = 9 / 0.08", Budget(number=100)),
    ],
)
def test_budgets_on_both_sides(right, wrong, budget):
    run(right, budget=budget)
    assert fault(wrong, budget=budget).code == "budget"


def test_composed_text_counts_over_the_conversation():
    where, budget = scope(), Budget(composed=10)
    run('x = "aaaaaa"', variables=where, budget=budget)
    assert fault('x = "aaaaaa"', variables=where, budget=budget).code == "budget"


def test_the_deadline_is_looked_at_before_every_call():
    now = [0.0]

    def call(request):
        now[0] += 4
        return Reply(request.arguments[0])

    budget = Budget(seconds=10)
    run("echo(t)\necho(t)\necho(t)", call=call, budget=budget, clock=lambda: now[0])
    now[0] = 0
    assert (
        fault("echo(t)\necho(t)\necho(t)\necho(t)", call=call, budget=budget, clock=lambda: now[0]).code
        == "deadline"
    )
    now[0] = 0
    assert (
        fault("echo(echo(echo(echo(t))))", call=call, budget=budget, clock=lambda: now[0]).code == "deadline"
    )


def test_numbers_stay_finite():
    tiny = "0." + "0" * 20 + "1"
    for source in (f"x = {tiny} * {tiny} * {tiny}", f"x = 1e-99 * 1e-99 * 1e-99 * {tiny}"):
        assert math.isfinite(run(source)[0]["x"].value)
    assert fault("x = 1 / 1e-99").code == "budget"


def test_side_texts_of_a_number_do_not_grow():
    source = "\n".join(["a = t + c"] + ["a = a + a"] * 40)
    out = run(source, budget=Budget(number=1e300, nodes=10_000))[0]["a"]
    assert len(out.name) < 300
    assert len(out.of) < 300


def test_text_values_are_what_the_reader_expects():
    assert run('x = "a"')[0]["x"] == Text("a")
