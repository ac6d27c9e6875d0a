"""The process transport: the same results as in process, and children that crash, hang or lie."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from toy_agent import GROWTH, ask, toy_host, toy_image

from sagittal.agent.budget import Budget
from sagittal.agent.faults import ProgramError
from sagittal.agent.interpreter import Line
from sagittal.agent.transport import ChildProcess, InProcess
from sagittal.agent.values import Quantity, Scope

CONVERSATIONS = [
    GROWTH,
    ('m = segment(encode(flair), "whole tumor")\nx = 1', 'say("Sorry.")\nstop()'),
    ('x = 2 * 21\nt = f"{x} mL"', 'say(f"{t}")', 'abstain("No.")'),
    ("x = nix", "x = flair.data", "y = (1"),
    ('m = segment(encode(flair), "nothing")\nw = width(m)\nsay(f"{w}, {w}")\nstop()',),
    (
        'b = 1 < 2\nc = f"{b}"\nn = segment(encode(t1), "brain")',
        "e = crop(flair, n)\nread(e)\nread(b)\nread(c)",
    ),
    ('say("Größe: ök, “quoted”")\nstop()\nx = 1',),
]


def trace(outcome):
    return [(s.kind, s.name, s.input, s.output) for s in outcome.steps]


@pytest.mark.parametrize("programs", CONVERSATIONS, ids=lambda p: p[0][:20])
def test_the_same_results_as_in_process(programs):
    here, heard = ask(*programs, transport=InProcess())
    there, echoed = ask(*programs, transport=ChildProcess())
    assert trace(there) == trace(here)
    assert (there.text, there.reason, there.warnings) == (here.text, here.reason, here.warnings)
    assert there.measurements == here.measurements
    assert list(there.masks) == list(here.masks)
    assert list(there.volumes) == list(here.volumes)
    assert [f.text for f in echoed.heard] == [f.text for f in heard.heard]
    for one, other in zip(heard.heard, echoed.heard, strict=True):
        assert (one.error and one.error.to_json()) == (other.error and other.error.to_json())


def child(code: str) -> ChildProcess:
    """A child that runs ``code`` instead of the interpreter; ``send`` and ``receive`` are there."""
    start = (
        "import json, os, sys, time\n"
        "def send(message): os.write(1, json.dumps(message).encode() + b'\\n')\n"
        "def receive(): return json.loads(sys.stdin.buffer.readline())\n"
    )
    return ChildProcess((sys.executable, "-I", "-S", "-c", start + code))


LINE = {"source": "x = 1", "line": 1, "target": "x", "functions": [], "inputs": {}, "output": 1,
        "seconds": 0.1, "error": None}  # fmt: skip
ONE = {"kind": "quantity", "value": 1, "unit": "", "name": "", "of": "", "method": "", "step": None,
       "undefined": None, "derived": False}  # fmt: skip
CALL = {"function": "volume", "arguments": [], "keywords": [], "sources": [], "line": 1, "index": 0}
TEXT = {"kind": "text", "value": "a", "stated": [], "unsupported": ""}


def line(value=ONE, composed=0, **changes) -> str:
    return f"receive()\nsend({ {'line': {**LINE, **changes}, 'composed': composed, 'value': value}!r})\n"


def call(**changes) -> str:
    return f"receive()\nsend({ {'call': {**CALL, **changes}}!r})\nreceive()\n"


DONE = "send({'done': None})\ntime.sleep(9)"
WORSE = {
    "exits at once": ("sys.exit(3)", "ended before"),
    "is killed": ("receive()\nos.kill(os.getpid(), 9)", "ended before"),
    "says nothing": ("receive()\ntime.sleep(60)", "took too long"),
    "does not even listen": ("time.sleep(60)", "took too long"),
    "works without end": ("receive()\nwhile True: pass", "took too long"),
    "drips": ("receive()\nwhile True:\n    os.write(1, b' ')\n    time.sleep(0.01)", "took too long"),
    "floods": ("receive()\nwhile True: os.write(1, b'a' * 65536)", "ended before"),
    "floods with lines": ("receive()\nwhile True: os.write(1, b'{}\\n' * 999)", "no known kind"),
    "nests deeply": ("receive()\nos.write(1, b'[' * 900000 + b'\\n')\ntime.sleep(9)", "not JSON"),
    "sends no JSON": ("receive()\nos.write(1, b'hello\\n')\ntime.sleep(9)", "not JSON"),
    "sends bytes": ("receive()\nos.write(1, bytes(range(128, 256)) + b'\\n')\ntime.sleep(9)", "not JSON"),
    "sends a pickle": ("receive()\nimport pickle\nos.write(1, pickle.dumps(print) + b'\\n')", "not JSON"),
    "sends NaN": (line({**ONE, "value": float("nan")}).replace("nan", "float('nan')") + DONE, "not JSON"),
    "sends infinity": ("receive()\nos.write(1, b'{\"done\": 1e999}\\n')\ntime.sleep(9)", "no message"),
    "sends a huge integer": ("receive()\nos.write(1, b'{\"done\": ' + b'9' * 5000 + b'}\\n')", "not JSON"),
    "sends a list": ("receive()\nsend([])\ntime.sleep(9)", "no message"),
    "knows other messages": ("receive()\nsend({'evil': 1})\ntime.sleep(9)", "no known kind"),
    "forges a ticket": (
        line({"kind": "handle", "id": 77, "type": "Mask", "name": "a"}) + DONE,
        "There is no such",
    ),
    "forges a type": (
        line({"kind": "handle", "id": 0, "type": "Mask", "name": "flair"}) + DONE,
        "There is no such",
    ),
    "forges a name": (
        line({"kind": "handle", "id": 0, "type": "Volume", "name": "other"}) + DONE,
        "There is no such",
    ),
    "sends no value": (line(None) + DONE, "not a value"),
    "sends half a value": (line({"kind": "quantity", "value": 1}) + DONE, "not a value"),
    "sends a value of no kind": (line({"kind": "module", "value": 1}) + DONE, "not a value"),
    "sends a kind of no kind": (line({"kind": [], "value": 1}) + DONE, "not a value"),
    "sends a text as a number": (line({**ONE, "value": "1"}) + DONE, "a wrong value"),
    "sends too great a number": (line({**ONE, "value": 10**16}) + DONE, "too great"),
    "sends a step to come": (line({**ONE, "step": 5}) + DONE, "a step that was not"),
    "sends a step that was never": (line({**ONE, "step": -1}) + DONE, "a step that was not"),
    "sends nothing measured": (line({**ONE, "value": None}) + DONE, "without a reason"),
    "sends too long a text": (line({**TEXT, "value": "a" * 1001}) + DONE, "too long"),
    "nests texts": (line({**TEXT, "stated": [{**TEXT, "stated": []}]}) + DONE, "states no quantities"),
    "turns the count back": (line(composed=-1) + DONE, "a wrong composed"),
    "sets a function": (line(target="volume") + DONE, "function's name"),
    "sets a private name": (line(target="__class__") + DONE, "start with a letter"),
    "sets what is no name": (line(target="a b\x1b") + DONE, "made of ASCII letters"),
    "takes no time": (line(seconds=-1) + DONE, "took no time"),
    "takes for ever": (line(seconds=1e300) + DONE, "took no time"),
    "counts no lines": (line(line="1") + DONE, "a wrong line"),
    "calls nothing": ("receive()\nsend({'call': None})\ntime.sleep(9)", "no message"),
    "calls without arguments": (call(arguments=None), "without arguments"),
    "calls by a number": (call(function=1), "a call that is none"),
    "calls with half a keyword": (call(keywords=[["a"]]), "a call that is none"),
    "calls without sources": (call(arguments=[ONE]), "a call that is none"),
    "calls without end": (
        f"receive()\nwhile True:\n    send({ {'call': {**CALL, 'function': 'stop'}}!r})\n    receive()",
        "more calls",
    ),
    "lines without end": (
        f"receive()\nwhile True: send({ {'line': {**LINE, 'target': None}, 'composed': 0, 'value': None}!r})",
        "no known kind",
    ),
    "variables without end": (
        "receive()\n"
        + "".join(
            f"send({ {'line': {**LINE, 'target': f'x{i}'}, 'composed': 0, 'value': ONE}!r})\n"
            for i in range(65)
        ),
        "more variables",
    ),
}


@pytest.mark.parametrize("name", WORSE)
def test_worse_children_give_a_clean_error(name):
    code, expected = WORSE[name]
    thinking = 0.4 if expected == "took too long" else 20.0
    host = toy_host(Budget(thinking=thinking, tokens=200))
    scope = Scope({"flair": host.hold(toy_image(), "flair")})
    lines: list[Line] = []
    started = time.monotonic()
    with pytest.raises(ProgramError) as caught:
        child(code).run("x = 1", scope, host, 0, lines.append)
    assert expected in caught.value.message
    assert time.monotonic() - started < 20
    assert len(scope.variables) <= host.budget.variables


def test_a_call_that_does_not_fit_is_an_error_for_the_child():
    host = toy_host()
    code = f"receive()\nsend({ {'call': CALL}!r})\nsend({{'done': receive()['error']}})\ntime.sleep(9)"
    with pytest.raises(ProgramError) as caught:
        child(code).run("x = 1", Scope(), host, 0, lambda line: None)
    assert caught.value.code == "argument"


def test_a_lying_trace_is_made_plain():
    lines: list[Line] = []
    changes = {"source": "x = 1\n\x1b[31m", "output": "a\u202eb", "inputs": {"a\nb": {"c": {"d": [1]}}}}
    with pytest.raises(ProgramError):
        child(line(**changes)).run("x = 1", Scope(), toy_host(), 0, lines.append)
    assert lines[0].source == "x = 1 �[31m"
    assert lines[0].output == "a�b"
    assert lines[0].inputs == {"a b": {"c": "{'d': [1]}"}}


def test_a_dead_child_is_a_step_and_feedback_and_the_agent_goes_on():
    transport = child("sys.exit(3)")
    outcome, script = ask("x = 1\ny = 2", transport=transport)
    assert script.heard[0].error.code == "transport"
    assert outcome.steps[0].name == "x = 1"
    assert "ended before" in outcome.steps[0].output["error"]


def test_a_measurement_made_before_the_child_died_has_a_step():
    code = (
        "job = receive()\n"
        "handle = job['variables']['m']\n"
        f"call = {CALL!r}\n"
        "call['arguments'] = [handle]\ncall['sources'] = ['m']\n"
        "send({'call': call})\nreceive()\nsys.exit(1)"
    )
    host = toy_host()
    (outcome_, _) = ask('m = segment(encode(flair), "brain")', host=host)
    assert outcome_.measurements == ()

    class First:
        """The first program in process, the second in a child that dies."""

        def __init__(self):
            self.transports = [InProcess(), child(code)]

        def run(self, *arguments):
            self.transports.pop(0).run(*arguments)

    outcome, _ = ask('m = segment(encode(flair), "brain")', "v = volume(m)", transport=First())
    assert [m.step for m in outcome.measurements] == [1]
    assert len(outcome.steps) == 2


def test_a_hanging_call_ends_at_the_deadline():
    host = toy_host(Budget(seconds=0.5))
    original = host.call

    def slow(request):
        time.sleep(0.6)
        return original(request)

    host.call = slow
    for transport in (InProcess(), ChildProcess()):
        with pytest.raises(ProgramError) as caught:
            transport.run("read(1)\ny = 1", Scope(), host, 0, lambda line: None)
        assert caught.value.code == "deadline"


PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
import sagittal.agent.child
print(*sorted(m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names))
"""


def test_the_child_loads_nothing_but_the_interpreter():
    from sagittal.agent.transport import _ROOT

    command = (sys.executable, "-I", "-S", "-c", PROBE, str(_ROOT))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split()) - {"__main__"}
    assert {m for m in loaded if not m.startswith("sagittal")} == set()
    assert loaded <= {
        "sagittal", "sagittal.answer", "sagittal.errors", "sagittal.agent",
        *(f"sagittal.agent.{m}" for m in ("arithmetic", "budget", "child", "faults", "interpreter", "scanner",
                                          "syntax", "text", "units", "values", "wire")),
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_limits_of_the_system_hold_in_the_child():
    code = (
        "sys.path.insert(0, sys.argv[1])\n"
        "from sagittal.agent.child import _limit\n"
        "_limit(256 << 20, 1)\n"
        "out = {}\n"
        "try: x = bytearray(1 << 30); out['memory'] = 'had'\n"
        "except MemoryError: out['memory'] = 'refused'\n"
        "try: open('/etc/hostname'); out['file'] = 'had'\n"
        "except OSError: out['file'] = 'refused'\n"
        "os.write(1, json.dumps(out).encode() + b'\\n')\n"
        "while True: pass\n"
    )
    from sagittal.agent.transport import _ROOT

    command = (sys.executable, "-I", "-S", "-c", "import json, os, sys\n" + code, str(_ROOT))
    done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    assert json.loads(done.stdout) == {"memory": "refused", "file": "refused"}
    assert done.returncode < 0  # ended by the system for the time that it used


def test_variables_of_the_first_lines_stay():
    scope = Scope()
    with pytest.raises(ProgramError):
        ChildProcess().run("x = 1\ny = nix", scope, toy_host(), 0, lambda line: None)
    assert scope.variables == {"x": Quantity(1)}


def test_the_count_of_characters_never_falls():
    for composed, fits in ((5, True), (4, False)):
        scope = Scope(composed=5)
        with pytest.raises(ProgramError) as caught:
            child(line(composed=composed)).run("x = 1", scope, toy_host(), 0, lambda line: None)
        assert ("wrong count" not in caught.value.message) is fits
        assert scope.composed == 5


def test_what_a_lying_child_says_is_made_harmless():
    host = toy_host()
    forged = {**TEXT, "value": "<b>\x1b[31m\u202eso"}
    code = call(function="say", arguments=[forged], sources=["x"]) + "send({'done': None})\ntime.sleep(9)"
    child(code).run("x = 1", Scope(), host, 0, lambda line: None)
    assert host.said.texts == ["�b���31m�so"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_the_child_takes_its_limits_on():
    """A budget far too wide, so that the system's limit is what ends the child."""
    budget = Budget(characters=10**6, tokens=10**6, nodes=10**6, thinking=20)
    source = "x = 1\n" * 20_000
    with pytest.raises(ProgramError) as caught:
        ChildProcess(memory=32 << 20).run(source, Scope(), toy_host(budget), 0, lambda line: None)
    assert "ended before" in caught.value.message
