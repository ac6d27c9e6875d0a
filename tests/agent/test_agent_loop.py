"""Plan, run, read: what the agent hears, when the loop ends, and what becomes of the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_agent import GROWTH, Script, ToyToolbox, ask, toy_host, toy_image, toy_volumes

from sagittal.agent.budget import Budget
from sagittal.agent.host import Host
from sagittal.agent.loop import Limits, converse, feedback_text
from sagittal.agent.standard import STANDARD
from sagittal.agent.toolbox import CallSite
from sagittal.answer import Answer
from sagittal.errors import ConfigError


def test_how_much_did_the_tumour_grow():
    outcome, script = ask(*GROWTH)
    assert outcome.text == "The whole tumour has grown from 0.576 mL to 0.72 mL, by 0.144 mL (25%)."
    assert not outcome.abstained
    assert [f.text for f in script.heard] == [
        "1 volumes\n1 volumes",
        "va = 0.576 mL\nvb = 0.72 mL\ng = 25%",
    ]
    assert list(outcome.masks) == ["ta", "tb"]
    assert outcome.masks["tb"].data.sum() == 120
    assert outcome.programs == GROWTH
    assert outcome.warnings == ()


def test_every_number_that_is_said_has_a_measurement_and_its_step():
    outcome, _ = ask(*GROWTH)
    found = {m.name: (round(m.value, 6), m.unit, outcome.steps[m.step].name) for m in outcome.measurements}
    assert found["vb - va"] == (0.144, "mL", "d = vb - va")
    assert found["relative change of volume"] == (25, "%", "g = percentage_change(va, vb)")
    assert [outcome.steps[m.step].name for m in outcome.measurements if m.name == "volume"] == [
        "va = volume(ta)",
        "vb = volume(tb)",
    ]


def test_the_pieces_make_an_answer():
    outcome, _ = ask(*GROWTH)
    answer = Answer(
        "How much did it grow?", outcome.text, measurements=outcome.measurements, steps=outcome.steps
    )
    assert Answer.from_json(answer.to_json()) == answer
    assert answer.to_json()["steps"][4]["program"] == 'ta = segment(fa, "whole tumour")'


def test_readings_carry_what_a_model_takes_in():
    toolbox = ToyToolbox()
    script = Script("f = encode(flair, t1)\nread(f)")
    converse(script, Host(STANDARD, toolbox), toy_volumes())
    (reading,) = script.heard[0].readings
    assert [v.name for v in reading.payload] == ["flair", "t1"]
    assert toolbox.sites == [("encode", CallSite(0, 1, 0)), ("read", CallSite(1, 2, 1))]


def test_call_sites_find_what_a_model_attaches_to_its_calls():
    toolbox = ToyToolbox()
    script = Script("f = encode(flair)", 'v = volume(segment(encode(t1), "brain"))\nm = segment(f, "brain")')
    converse(script, Host(STANDARD, toolbox), toy_volumes())
    assert toolbox.sites[1:] == [
        ("encode", CallSite(1, 1, 2)),
        ("segment", CallSite(1, 1, 1)),
        ("segment", CallSite(2, 2, 3)),
    ]


@pytest.mark.parametrize(
    ("program", "heard"),
    [
        ("read(1 > 2)", "1 > 2 = no"),
        ('x = "a"\nread(x)', "x = a"),
        ("read(flair)", "flair = Volume flair"),
        ('read(segment(encode(flair), "brain"))', 'segment(encode(flair), "brain") = Mask brain'),
        ("x = 1", "done"),
        (
            "x = volum(flair)",
            "error: line 1: There is no function volum; remedy: did you mean volume?",
        ),
        ("\nx = flair.data", "error: line 2: Attributes are not part of the language; got '.'."),
        ("read(2)\nx = 1 / 0", "2 = 2\nerror: line 2: Division by zero; got 1 / 0; remedy: use ratio(a, b), "
         "which may be undefined."),
    ],
)  # fmt: skip
def test_what_the_agent_hears(program, heard):
    _, script = ask(program)
    assert script.heard[0].text == heard
    error = script.heard[0].error
    assert feedback_text(script.heard[0].readings, error) == heard


def test_an_error_is_feedback_and_the_agent_may_mend_it():
    outcome, script = ask(
        'm = segment(encode(flair), "whole tumor")',
        'm = segment(encode(flair), "whole tumour")\nv = volume(m)\nsay(f"It has {v}.")\nstop()',
    )
    assert "expected whole tumour" in script.heard[0].text
    assert outcome.text == "It has 0.576 mL."
    assert "error" in outcome.steps[0].output
    assert outcome.steps[0].name == 'm = segment(encode(flair), "whole tumor")'


def test_a_program_that_cannot_be_read_is_a_step_too():
    outcome, _ = ask("x = 1\ny = flair.data", 'say("No.")\nstop()')
    assert outcome.steps[0].name == "y = flair.data"
    assert "Attributes" in outcome.steps[0].output["error"]
    assert outcome.steps[1].name == 'say("No.")'


def test_words_of_a_failed_program_are_not_said_twice():
    outcome, _ = ask('say("One.")\nx = nix', 'say("One.")\nstop()')
    assert outcome.text == "One."


def test_words_of_several_programs_are_joined():
    outcome, _ = ask('say("One.")\nsay("Two.")', 'say("Three.")\nstop()')
    assert outcome.text == "One. Two. Three."


def test_abstention():
    outcome, script = ask('say("Hm.")\nabstain("There is no contrast image.")\nx = 1')
    assert outcome.abstained
    assert outcome.text == outcome.reason == "There is no contrast image."
    assert len(outcome.steps) == 2
    assert script.heard == []
    assert outcome.steps[1].output == "There is no contrast image."


def test_stop_without_an_answer_is_an_abstention():
    outcome, _ = ask("stop()")
    assert outcome.abstained
    assert outcome.reason == "the agent stopped without an answer"
    outcome, _ = ask("x = 1")
    assert outcome.reason == "the agent found no way to answer"
    outcome, _ = ask('say("Yes.")')
    assert (outcome.text, outcome.abstained) == ("Yes.", False)


def test_an_abstention_needs_a_reason():
    _, script = ask('abstain("")')
    assert script.heard[0].error.code == "call"


@pytest.mark.parametrize(("programs", "ended"), [(3, False), (2, True)])
def test_the_limit_of_programs_on_both_sides(programs, ended):
    script = Script("x = 1", "x = 2", 'say("Done.")\nstop()')
    outcome = converse(script, toy_host(), {}, limits=Limits(programs=programs))
    assert outcome.abstained is ended
    assert bool(outcome.warnings) is ended


@pytest.mark.parametrize(("errors", "ended"), [(3, False), (2, True)])
def test_the_limit_of_errors_on_both_sides(errors, ended):
    script = Script("x = a", "x = b", 'say("Done.")\nstop()')
    outcome = converse(script, toy_host(), {}, limits=Limits(errors=errors))
    assert outcome.abstained is ended
    assert (outcome.reason == "the agent's programs failed") is ended


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ('say("It has 42 mL.")', "unsupported-number"),
        ('x = 42\nsay(f"It has {x} mL.")', "unsupported-number"),
        ('x = 6 * 7\nt = f"{x} mL"\nsay(f"It has {t}.")', "unsupported-number"),
        ('abstain("42")', "unsupported-number"),
        ('x = ratio(42, 1)\nsay(f"{x}")', "call"),
        ("x = difference(43, 1)", "call"),
        ("x = percentage_change(43, 1)", "call"),
        ('say("T1 and T2 show nothing.")', None),
        ('m = segment(encode(flair), "brain")\nv = volume(m)\nx = v * 2\nsay(f"{x}")', None),
        ('m = segment(encode(flair), "brain")\ns = side(m, m)\nb = box(m)\nsay(f"{s}, {b}")', None),
    ],
)
def test_words_state_only_numbers_that_a_step_computed(program, code):
    _, script = ask(program)
    error = script.heard[0].error
    assert (error.code if error else None) == code


def test_said_and_undefined():
    outcome, _ = ask('w = width(segment(encode(flair), "nothing"))\nsay(f"Width: {w}.")\nstop()')
    assert outcome.text == "Width: undefined (the mask is empty)."
    assert outcome.measurements[0].undefined == "the mask is empty"


def test_the_answer_keeps_what_variables_keep():
    outcome, _ = ask(
        'f = encode(flair)\nm = segment(f, "whole tumour")\nsame = m\nm2 = segment(f, "brain")\n'
        'm2 = segment(f, "nothing")\nc = crop(flair, m)\nagain = flair\nvolume(segment(f, "brain"))'
    )
    assert list(outcome.masks) == ["m", "m2"]
    assert outcome.masks["m2"].labels == {1: "nothing"}
    assert list(outcome.volumes) == ["c"]


def test_what_no_variable_keeps_is_released():
    budget = Budget(handles=7)
    host = toy_host(budget)
    program = 'm = segment(encode(flair), "brain")'
    _, script = ask(*[program] * 5, host=host)
    assert all(f.error is None for f in script.heard)
    _, script = ask(program + "\n" + program.replace("m", "n", 1), host=toy_host(budget))
    assert script.heard[0].error.code == "budget"


def test_bytes_of_what_is_kept_are_limited():
    one = toy_image().data.nbytes
    # Four volumes are given (each counted once), then a copy of one is made.
    program = 'm = segment(encode(flair), "whole tumour")\ne = extract(flair, m)'
    for room, fits in ((6 * one, True), (5 * one, False)):
        _, script = ask(program, host=toy_host(Budget(handle_bytes=room)))
        assert (script.heard[0].error is None) is fits


def test_output_is_limited_over_the_conversation():
    host = toy_host(Budget(output=10))
    _, script = ask('say("aaaaaaaaaa")', 'say("a")', host=host)
    assert script.heard[0].error is None
    assert script.heard[1].error.code == "budget"


@pytest.mark.parametrize("name", ["volume", "_x", "for", "a.b", "1a", "é", "", "a" * 41])
def test_names_of_volumes_must_be_names_of_variables(name):
    with pytest.raises(ConfigError):
        converse(Script(), toy_host(), {name: toy_image()})


def test_names_from_files_lose_their_markup():
    image = toy_image("\x1b[31m<b>scan</b>\u202e")
    script = Script("f = encode(flair)\nread(flair)\nm = flair.x")
    outcome = converse(script, toy_host(), {"flair": image})
    for text in (str(outcome.steps), script.heard[0].text):
        assert not set(text) & set("\x1b\u202e")


def test_the_example_of_the_public_page_runs():
    page = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    program = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    outcome, _ = ask(program)
    assert outcome.text == "The whole tumour has grown from 0.576 mL to 0.72 mL (25%)."
