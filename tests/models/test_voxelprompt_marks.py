"""Marks find their calls, and the flow of encoded volumes through programs is followed."""

from __future__ import annotations

import ast

import pytest

from sagittal.agent.syntax import parse
from sagittal.errors import InputError
from sagittal.models.voxelprompt.marks import Ledger, marks_by_call, places

PROGRAMS = [
    "f = encode(a)",
    "f = encode(a, b)\nread(f)",
    'f = encode(a)\nm = segment(f, "tumour (core), left")\nv = volume(m)',
    'm = segment(encode(a, b), "x")\nv = ratio(volume(m), volume(m))',
    "f = encode( a , b ) # encode(c)\nx = (1 + 2) * volume(segment(f, 'it\\'s, (')) if 1 < 2 else f(g())",
    'f = encode(a)\ng = encode(b)\nm = segment(structure="x", features=g)\nsegment(f, f"{m} (y),")\nstop()',
]


def starts_by_ast(text: str) -> list[int]:
    """Offset of each call's opening parenthesis, by Python's own parser."""
    lines = [0]
    for line in text.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    calls = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]
    return sorted(lines[c.func.end_lineno - 1] + c.func.end_col_offset for c in calls)


@pytest.mark.parametrize("text", PROGRAMS)
def test_places_are_those_of_pythons_parser(text):
    found = places(text)
    assert [p.start for p in found] == starts_by_ast(text)
    assert [p.index for p in found] == list(range(len(found)))
    assert all(text[p.start] == "(" and text[p.ends[-1]] == ")" for p in found)


@pytest.mark.parametrize("text", [p for p in PROGRAMS if "else" not in p])
def test_places_have_the_index_and_arguments_that_the_language_gives(text):
    calls = sorted(parse(text).calls(), key=lambda c: c.index)
    for place, call in zip(places(text), calls, strict=True):
        name = text[: place.start].rstrip().split("\n")[-1]
        assert name.endswith(call.function)
        assert len(place.ends) == max(1, len(call.arguments) + len(call.keywords))


@pytest.mark.parametrize("text", [p for p in PROGRAMS if "else" not in p])
def test_marks_come_back_to_their_calls(text):
    calls = [c for c in Ledger().enter(text) if c.offsets]
    marks = sorted((offset, c.index) for c in calls for offset in c.offsets)
    found = marks_by_call(text, [offset for offset, _ in marks])
    for call in calls:
        assert [marks[n][1] for n in found[call.index]] == [call.index] * len(call.offsets)
    assert sum(len(v) for v in found.values()) == len(marks)


def test_a_mark_belongs_to_the_innermost_open_call():
    text = "x = f(a, g(b), c)\ny = h(d)"
    at = [text.index(s) + 1 for s in ("a", "b", "c)", "d")]
    assert marks_by_call(text, at) == {0: [0, 2], 1: [1], 2: [3]}
    # Before, between and after calls there is none; right before a closing parenthesis there is.
    assert marks_by_call(text, [0, text.index("\n"), len(text)]) == {}
    assert marks_by_call(text, [len(text) - 1]) == {2: [0]}
    assert marks_by_call("f(a, g(b", [8]) == {1: [0]}


def flow(*programs: str) -> list[tuple[str, int, int]]:
    ledger = Ledger()
    return [(c.function, c.features, len(c.offsets)) for p in programs for c in ledger.enter(p)]


def test_features_are_followed_through_variables_and_programs():
    assert flow("f = encode(a, b)\ng = encode(c)", 'h = f\nread(h)\nm = segment(g, "x")', "read(m)") == [
        ("encode", 0, 2), ("encode", 1, 1), ("read", 0, 0), ("segment", 1, 1)
    ]  # fmt: skip
    # A name can be given away, and what it held before is forgotten.
    assert flow("f = encode(a)\nf = encode(b, c)", 'm = segment(f, "x")')[-1] == ("segment", 1, 2)
    assert flow('f = encode(a)\nf = segment(f, "x")\nread(f)') == [("encode", 0, 1), ("segment", 0, 1)]


@pytest.mark.parametrize(
    "text",
    [
        'm = segment(f, "x")',
        'f = encode(a)\nf = 1\nm = segment(f, "x")',
        "f = encode(crop(a, m))",
        "f = encode(a) if 1 < 2 else encode(b)",
        "f = [encode(a)]",
        "for",
    ],
)
def test_what_cannot_be_followed_is_refused(text):
    with pytest.raises(InputError):
        Ledger().enter(text)
