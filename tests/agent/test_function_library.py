"""The registry: signatures taken from code, types checked before a call, errors that help."""

from __future__ import annotations

import json

import pytest
from toy_agent import Script, ToyToolbox, ask, toy_image, toy_mask, toy_volumes

from sagittal.agent.faults import ProgramError
from sagittal.agent.host import CallContext, Host
from sagittal.agent.library import Library
from sagittal.agent.loop import converse
from sagittal.agent.standard import STANDARD
from sagittal.agent.toolbox import Features, Reading
from sagittal.agent.values import Handle, Quantity, Text
from sagittal.answer import Measurement
from sagittal.study import Image, Mask

ISSUE = {
    *("encode", "read", "segment", "say", "abstain", "stop", "volume", "height", "width", "depth", "box"),
    *("mean", "sd", "snr", "components", "largest", "side", "crop", "mask_out", "extract", "ratio"),
    *("difference", "percentage_change", "asymmetry", "share"),
}


def test_the_library_is_complete_and_described():
    assert set(STANDARD) >= ISSUE
    for entry in STANDARD.describe():
        assert entry["doc"].endswith(".")
        assert entry["kind"] == "program"
    assert json.loads(json.dumps(STANDARD.describe())) == STANDARD.describe()


def test_signatures():
    signatures = dict(zip(STANDARD, (row[0] for row in STANDARD.rows()), strict=True))
    assert signatures["encode"] == "encode(*volumes: Volume) -> Features"
    assert signatures["volume"] == "volume(mask: Mask) -> number [mL]"
    assert signatures["read"] == "read(value: anything) -> nothing"
    assert signatures["stop"] == "stop() -> nothing"


def test_every_unit_and_type_is_what_comes_back():
    """The specification is a promise: call everything once and compare."""
    host = Host(STANDARD, ToyToolbox())
    program = [
        "f = encode(flair)",
        'm = segment(f, "whole tumour")',
        'b = segment(f, "brain")',
        "v = volume(m)",
    ]
    words = {
        "Volume": "flair",
        "Mask": "m",
        "Features": "f",
        "number": "v",
        "text": '"brain"',
        "anything": "v",
    }
    skipped = {"say", "abstain", "stop", "read", "contrast", "diffusion", "enhancement", "diffusivity"}
    special = {
        "side": "m, b",
        "share": "m, b",
        "ranked": "m, 1",
        "bright_pieces": "flair, m, b",
        "dark_pieces": "flair, m, b",
        "pieces_in_lobe": 'm, b, m, m, "left frontal lobe"',
        "growth_rate": "v, v, out_days",
    }
    for name, function in STANDARD.items():
        if name not in skipped:
            given = special.get(name, ", ".join(words[p.type] for p in function.parameters))
            program.append(f"out_{name} = {name}({given})")
    # Apart: a program has a budget of calls.
    reading = [f"read(out_{name})" for name in STANDARD if name not in skipped]
    outcome, script = ask("\n".join(program), "\n".join(reading), host=host)
    assert all(heard.error is None for heard in script.heard), script.heard
    by_step = {m.step: m for m in outcome.measurements}
    for index, step in enumerate(outcome.steps):
        target, _, call = step.name.partition(" = ")
        if not target.startswith("out_"):
            continue
        function = STANDARD[call.partition("(")[0]]
        if function.returns in ("number", "word"):
            unit = {"as given": "mL", "HU for CT": ""}.get(function.unit, function.unit)
            assert by_step[index].unit == unit, function.name
            assert isinstance(by_step[index].value, str) == (function.returns == "word")
        else:
            assert step.output["type"] == function.returns


MASK, VOLUME = Handle(1, "Mask", "tumour"), Handle(2, "Volume", "flair")


@pytest.mark.parametrize(
    ("name", "arguments", "keywords", "code"),
    [
        ("volume", (), (), "argument"),
        ("volume", (MASK, MASK), (), "argument"),
        ("volume", (), (("mask", MASK),), None),
        ("volume", (MASK,), (("mask", MASK),), "argument"),
        ("volume", (), (("mesk", MASK),), "argument"),
        ("volume", (VOLUME,), (), "type"),
        ("volume", (Quantity(1),), (), "type"),
        ("encode", (), (), "argument"),
        ("encode", (VOLUME,), (), None),
        ("encode", (VOLUME, VOLUME, VOLUME), (), None),
        ("encode", (VOLUME, MASK), (), "type"),
        ("encode", (), (("volumes", VOLUME),), "argument"),
        ("read", (True,), (), None),
        ("say", (Text("a"),), (), None),
        ("say", (Quantity(1),), (), "type"),
        ("ratio", (Quantity(1),), (("b", Quantity(2)),), None),
        ("stop", (Text("a"),), (), "argument"),
    ],
)
def test_arguments_are_checked(name, arguments, keywords, code):
    if code is None:
        assert STANDARD.bind(STANDARD[name], arguments, keywords) == [*arguments, *(v for _, v in keywords)]
        return
    with pytest.raises(ProgramError) as caught:
        STANDARD.bind(STANDARD[name], arguments, keywords)
    assert caught.value.code == code
    assert caught.value.expected == STANDARD[name].signature


def test_a_wrong_type_says_where_the_right_one_comes_from():
    _, script = ask("v = volume(flair)")
    assert "a Mask comes from segment, largest" in script.heard[0].text
    assert "got Volume flair" in script.heard[0].text


def test_two_functions_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two functions"):
        Library(STANDARD, STANDARD)


def test_a_specialist_joins_the_library_and_is_its_own_kind_of_step():
    mine = Library()

    @mine.function("nothing", kind="specialist", name="chest_classifier")
    def classify(call: CallContext, volume: Image) -> Reading:
        """Findings on a chest film."""
        return Reading(f"effusion: yes ({call.site.index})", payload=volume.name)

    host = Host(Library(STANDARD, mine), ToyToolbox())
    script = Script("chest_classifier(flair)", 'say("There is an effusion.")\nstop()')
    outcome = converse(script, host, toy_volumes())
    assert outcome.steps[0].to_json() == {
        "specialist": "chest_classifier",
        "input": {"program": "chest_classifier(flair)", "flair": {"type": "Volume", "name": "flair"}},
        "output": "effusion: yes (0)",
        "seconds": outcome.steps[0].seconds,
    }
    assert script.heard[0].text == "effusion: yes (0)"
    assert script.heard[0].readings[0].payload == "flair"


def test_faults_of_our_own_are_not_hidden():
    mine = Library()

    @mine.function("nothing")
    def broken(call: CallContext) -> None:
        """Breaks."""
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        converse(Script("broken()"), Host(mine), {})


def test_eyes_are_needed_to_see():
    outcome = converse(script := Script("f = encode(flair)"), Host(STANDARD), {"flair": toy_image()})
    assert outcome.abstained
    assert "none is loaded" in script.heard[0].text


def test_a_ticket_opens_only_its_own_thing():
    host = Host(STANDARD)
    mask = toy_mask("brain")
    handle = host.hold(mask, "brain")
    assert host.thing(handle) is mask
    for forged in (
        Handle(handle.id, "Volume", "brain"),
        Handle(99, "Mask", "brain"),
        Handle(-1, "Mask", "brain"),
    ):
        with pytest.raises(ProgramError):
            host.thing(forged)
    host.release([])
    with pytest.raises(ProgramError):
        host.thing(handle)


def test_measurements_are_kept_once():
    assert len(ask('m = segment(encode(flair), "brain")\nv = volume(m)\nw = volume(m)')[0].measurements) == 2
    outcome, _ = ask('m = segment(encode(flair), "brain")\nv = volume(m) + volume(m)')
    assert [m.name for m in outcome.measurements] == ["volume"]
    assert isinstance(outcome.measurements[0], Measurement)


def test_types_of_annotations_cover_the_nouns():
    library = Library()

    @library.function("nothing")
    def everything(
        call: CallContext, a: Image, b: Mask, c: Features, d: Quantity, e: Text, f: object
    ) -> None:
        """Takes all."""

    assert [p.type for p in library["everything"].parameters] == [
        *("Volume", "Mask", "Features", "number", "text", "anything")
    ]
