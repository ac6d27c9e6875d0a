"""Every hostile program ends in a clean error, or harmlessly, within the budgets."""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from hostile import HOSTILE, Hostile
from test_program_transport import WORSE
from toy_agent import ask, toy_host

from sagittal.agent.budget import Budget
from sagittal.agent.text import MARKUP, strange_character
from sagittal.agent.transport import ChildProcess

SECONDS = 1.0
MEGABYTES = 8
#: What a program may cause to happen in the interpreter that runs it.
HARMLESS_EVENTS = {"compile", "builtins.id"}


class Watch:
    """Notes Python's audit events while it is on; a hook can never be removed."""

    on = False
    seen: set[str] = set()  # noqa: RUF012


def _note(event: str, args: tuple[object, ...]) -> None:
    # Python's parser looks for the source of a faulty text in the file that has no name.
    if Watch.on and not (event == "open" and args[0] == ""):
        Watch.seen.add(event)


@pytest.fixture(scope="module", autouse=True)
def watch():
    sys.addaudithook(_note)
    # What measures import lazily is imported before anything is watched.
    ask('m = segment(encode(flair), "whole tumour")\na = width(m)\nb = components(m)\nc = extract(flair, m)')


def test_their_number():
    assert len(HOSTILE) >= 60
    assert len({h.name for h in HOSTILE}) == len(HOSTILE)
    published = [h for h in HOSTILE if h.origin.startswith(("RestrictedPython", "asteval", "smolagents"))]
    assert len(published) >= 50


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda h: h.name)
def test_hostile_program(hostile: Hostile):
    Watch.seen = set()
    tracemalloc.start()
    started = time.process_time()
    Watch.on = True
    try:
        outcome, script = ask(*hostile.programs)
    finally:
        Watch.on = False
        seconds = time.process_time() - started
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seconds < SECONDS
    assert peak < MEGABYTES * 2**20
    assert Watch.seen <= HARMLESS_EVENTS
    check_end(hostile, outcome, script)


def check_end(hostile, outcome, script):
    ended = script.heard[len(hostile.programs) - 1] if len(script.heard) == len(hostile.programs) else None
    error = ended.error if ended is not None else None
    assert (error.code if error is not None else None) == hostile.code
    if error is not None:
        assert error.line is not None or error.code == "budget"
        assert "Traceback" not in error.words()
    shown = [outcome.text, *outcome.warnings, *(f.text.replace("\n", " ") for f in script.heard)]
    for text in shown:
        assert strange_character(text) is None
    assert not set(outcome.text) & MARKUP
    assert len(outcome.text) <= Budget().output
    assert len(str([s.to_json() for s in outcome.steps])) < 200_000


def test_harmless_ends_are_harmless():
    ends = {h.name: ask(*h.programs)[0] for h in HOSTILE if h.code is None}
    assert ends["two answers"].text == "Yes."
    assert ends["words after the reason"].text == "No."
    assert max(len(m.name) + len(m.of) for m in ends["growing names of numbers"].measurements) < 500


@pytest.mark.parametrize("hostile", HOSTILE[::7], ids=lambda h: h.name)
def test_hostile_program_in_a_child(hostile: Hostile):
    outcome, script = ask(*hostile.programs, transport=ChildProcess())
    check_end(hostile, outcome, script)
    same, heard = ask(*hostile.programs)
    assert [f.text for f in script.heard] == [f.text for f in heard.heard]
    assert (outcome.text, outcome.reason) == (same.text, same.reason)


def test_budgets_can_be_tighter():
    _, script = ask("x = 1\ny = 2", host=toy_host(Budget(nodes=1)))
    assert script.heard[0].error.code == "budget"


def test_the_watch_sees_what_it_should():
    Watch.seen, Watch.on = set(), True
    try:
        with pytest.raises(OSError, match="nothing"):
            open("nothing")  # noqa: PTH123, SIM115
        exec("1")  # noqa: S102
    finally:
        Watch.on = False
    assert {"open", "exec"} <= Watch.seen


def test_the_public_page_gives_their_number():
    page = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    assert f"lists {len(HOSTILE)} hostile programs" in " ".join(page.split())
    assert f"{len(WORSE)} false children" in " ".join(page.split())
