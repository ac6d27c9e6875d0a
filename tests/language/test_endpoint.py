"""The endpoint client and the paraphrase protocol against a local server that misbehaves on request."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sagittal.errors import ConfigError, EndpointError, FileFormatError, MissingExtraError
from sagittal.language import TYPES, Kind, Wording, WordingBank
from sagittal.language.bank import is_withheld
from sagittal.language.endpoint import MAX_REPLY_BYTES, CachedEndpoint, ChatEndpoint
from sagittal.language.paraphrase import Tally, clean, paraphrase, reword
from sagittal.language.prompts import PARTLY_OUT_OF_SCOPE, cleaning_prompt, rewording_prompt

Answer = tuple[int, bytes, dict[str, str]]


def chat(text: str) -> Answer:
    return 200, json.dumps({"choices": [{"message": {"content": text}}]}).encode(), {}


class Stub:
    """A chat server: ``script`` answers request after request; the last answer is repeated."""

    def __init__(self) -> None:
        self.script: list[Answer | Callable[[dict[str, Any]], Answer]] = [chat("hello")]
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def answer(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        self.requests.append(body)
        self.headers.append(headers)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return step(body) if callable(step) else step


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/chat/completions"
            status, data, headers = stub.answer(body, dict(self.headers))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield stub
    server.shutdown()
    server.server_close()
    thread.join()


def endpoint(stub: Stub, sleeps: list[float] | None = None, **options: Any) -> ChatEndpoint:
    record = sleeps if sleeps is not None else []
    options = {"attempts": 3, "timeout": 5.0, **options}
    return ChatEndpoint(stub.url, "some-model", sleep=record.append, **options)


def test_the_request_is_the_papers(stub: Stub) -> None:
    assert endpoint(stub).complete("say hello") == "hello"
    assert stub.requests == [
        {
            "model": "some-model",
            "messages": [{"role": "user", "content": "say hello"}],
            "temperature": 1.0,
            "top_p": 1.0,
        }
    ]


def test_nothing_is_sent_before_it_is_asked_for(stub: Stub, tmp_path: Path) -> None:
    CachedEndpoint(endpoint(stub), tmp_path / "cache.jsonl")
    assert stub.requests == []


def test_the_key_comes_from_the_environment_and_stays_in_its_header(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "secret-123")
    CachedEndpoint(endpoint(stub, key_variable="SOME_KEY"), tmp_path / "cache.jsonl").complete("x")
    assert stub.headers[0]["Authorization"] == "Bearer secret-123"
    assert "secret" not in (tmp_path / "cache.jsonl").read_text()
    stub.script = [(401, b'{"error": "bad key secret-123"}', {})]
    with pytest.raises(EndpointError) as caught:
        endpoint(stub, key_variable="SOME_KEY").complete("x")
    assert "secret" not in str(caught.value) and "$SOME_KEY" in str(caught.value)
    monkeypatch.delenv("SOME_KEY")
    stub.script = [chat("hello")]
    endpoint(stub, key_variable="SOME_KEY").complete("x")
    assert "Authorization" not in stub.headers[-1]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_servers_are_tried_again_a_bounded_number_of_times(stub: Stub, status: int) -> None:
    sleeps: list[float] = []
    stub.script = [(status, b"", {"Retry-After": "7"}), (status, b"", {"Retry-After": "soon"}), chat("done")]
    assert endpoint(stub, sleeps).complete("x") == "done"
    assert sleeps == [7.0, 2.0]
    stub.script = [(status, b"", {"Retry-After": "99999"})]
    sleeps.clear()
    with pytest.raises(EndpointError, match=f"3 attempts(.|\n)*HTTP {status}"):
        endpoint(stub, sleeps).complete("x")
    assert sleeps == [60.0, 60.0]


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_refusals_are_not_tried_again(stub: Stub, status: int) -> None:
    stub.script = [(status, b"no", {"Location": "http://127.0.0.1:1/"})]
    with pytest.raises(EndpointError, match=f"HTTP {status}"):
        endpoint(stub).complete("x")
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html>gateway</html>",
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": "  "}}]}',
        b'{"choices": [{"message": {"content": ["x"]}}]}',
        b"[" * 100_000,
    ],
)
def test_replies_that_are_not_completions(stub: Stub, body: bytes) -> None:
    stub.script = [(200, body, {})]
    with pytest.raises(EndpointError, match=r"not a chat completion|holds no text"):
        endpoint(stub).complete("x")


def test_a_huge_reply_is_refused(stub: Stub) -> None:
    stub.script = [(200, b"x" * (MAX_REPLY_BYTES + 1), {})]
    with pytest.raises(EndpointError, match="far too large"):
        endpoint(stub).complete("x")


def test_silence_and_broken_lines(stub: Stub) -> None:
    gate = threading.Event()

    def silent(body: dict[str, Any]) -> Answer:
        gate.wait(5)
        return chat("late")

    stub.script = [silent]
    with pytest.raises(EndpointError, match="ReadTimeout"):
        endpoint(stub, timeout=0.1, attempts=2).complete("x")
    gate.set()
    nobody = ChatEndpoint("http://127.0.0.1:9/v1", "m", attempts=2, sleep=lambda seconds: None)
    with pytest.raises(EndpointError, match="ConnectError"):
        nobody.complete("x")
    stub.script = [(200, b"short", {"Content-Length": "999"})]
    with pytest.raises(EndpointError, match="attempts"):
        endpoint(stub, timeout=0.2, attempts=1).complete("x")
    for url in ("not an address", "ftp://host/v1", "http://[::1"):
        with pytest.raises(EndpointError, match="address is not one"), ChatEndpoint(url, "m") as wrong:
            wrong.complete("x")


def test_the_transport_can_be_swapped() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=chat("swapped")[1]))
    assert ChatEndpoint("http://nowhere/v1", "m", transport=transport).complete("x") == "swapped"


def test_without_httpx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"sagittal\[paraphrase\]"):
        ChatEndpoint("http://nowhere/v1", "m").complete("x")


# --- the cache ---


def test_nothing_is_asked_twice_even_after_a_kill(stub: Stub, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cache.jsonl"
    first = CachedEndpoint(endpoint(stub), path)
    assert [first.complete("x", 0), first.complete("x", 1), first.complete("x", 0)] == ["hello"] * 3
    assert len(stub.requests) == 2
    with path.open("ab") as handle:
        handle.write(b'{"key": "cut sh')
    again = CachedEndpoint(endpoint(stub), path)
    again.complete("x", 0)
    again.complete("x", 1)
    assert len(stub.requests) == 2
    again.complete("y")
    assert len(stub.requests) == 3
    assert [json.loads(line)["reply"] for line in path.read_text().splitlines()] == ["hello"] * 3


def test_a_different_request_is_asked_anew(stub: Stub, tmp_path: Path) -> None:
    CachedEndpoint(endpoint(stub), tmp_path / "c").complete("x")
    CachedEndpoint(endpoint(stub, temperature=0.5), tmp_path / "c").complete("x")
    assert len(stub.requests) == 2


def test_a_failure_keeps_what_was_answered(stub: Stub, tmp_path: Path) -> None:
    stub.script = [chat("one"), (500, b"", {})]
    asked = CachedEndpoint(endpoint(stub), tmp_path / "c")
    asked.complete("x", 0)
    with pytest.raises(EndpointError, match="kept"):
        asked.complete("x", 1)
    assert CachedEndpoint(endpoint(stub), tmp_path / "c").complete("x", 0) == "one"


@pytest.mark.parametrize("line", ["not json", "[]", "{}", "7"])
def test_a_damaged_cache_line_is_named(stub: Stub, tmp_path: Path, line: str) -> None:
    (tmp_path / "c").write_text(f"{line}\n")
    with pytest.raises(EndpointError, match="c:1"):
        CachedEndpoint(endpoint(stub), tmp_path / "c")


# --- the protocol ---


def test_prompts_carry_the_canonical_pair() -> None:
    prompt = rewording_prompt("partly_out_of_scope", ("volume", "shape"))
    assert prompt.startswith(PARTLY_OUT_OF_SCOPE)
    assert prompt.endswith("and its shape is described as {shape}.")
    assert "{label}" in rewording_prompt("out_of_scope", ()) and "hundred questions" in rewording_prompt(
        "out_of_scope", ()
    )
    cleaning = cleaning_prompt(Wording("in_scope", ("shape",), "Form of {label}?", "…"))
    assert cleaning.endswith("Original Q: What is the shape of label? Reworded Q: Form of label?")


def test_only_sound_pairs_are_kept_and_the_rest_is_counted(stub: Stub, tmp_path: Path) -> None:
    reply = "\n".join(
        [
            "Please produce hundred alternative wordings that a radiologist may use",
            "Q: What is the volume of {label}? A: The volume of {label} is {volume}.",
            "Q: What is the volume of {lesion}? A: The volume of {label} is {volume}.",
            "Q: Was ist das Volumen von {label}? A: Das Volumen von {label} ist {volume}.",
            "Q: Give alternative wordings for {label}. A: The volume of {label} is {volume}.",
            "Q: Left alone {label}?",
        ]
    )
    stub.script = [chat(reply)]
    tally = Tally()
    asked = CachedEndpoint(endpoint(stub), tmp_path / "c")
    kept = list(reword(asked, "in_scope", ("volume",), 2, tally))
    assert [each.question for each in kept] == ["What is the volume of {label}?"] * 2
    assert (tally.pairs, tally.unpaired) == (8, 2)
    assert tally.faults == {"question_slots": 2, "not_english": 2, "prompt_echo": 2}


def test_cleaning_keeps_valid_only(stub: Stub, tmp_path: Path) -> None:
    verdicts = ["VALID", "INVALID", " valid.\n", "**VALID**", "It is VALID"]
    stub.script = [chat(verdict) for verdict in verdicts]
    wordings = [Wording("out_of_scope", (), f"Question {i} about {{label}}?", "No.") for i in range(5)]
    tally = Tally()
    kept = list(clean(CachedEndpoint(endpoint(stub), tmp_path / "c"), wordings, tally))
    assert [each.question[9] for each in kept] == ["0", "2", "3"]
    assert tally.invalid == 2


def scripted(body: dict[str, Any]) -> Answer:
    """A server that follows the prompts: ten wordings a request, and INVALID for one question in nine."""
    prompt = body["messages"][0]["content"]
    if prompt.startswith("Determine"):
        return chat("INVALID" if "variant 1" in prompt else "VALID")
    if "hundred questions" in prompt:
        pairs = [f"Q: What is the prognosis, variant {i}, of {{label}}?\nA: I cannot say." for i in range(60)]
    else:
        question, answer = prompt.rsplit("Q: ", 1)[1].split(" A: ")
        pairs = [f"Q: Please tell me, variant {i}: {question}\nA: {answer}" for i in range(60)]
    return chat("\n".join(pairs))


def test_the_whole_protocol_builds_a_bank_and_resumes(stub: Stub, tmp_path: Path) -> None:
    stub.script = [scripted]
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, content=stub.answer(json.loads(request.content), {})[1])
    )
    few: dict[Kind, int] = {"in_scope": 2, "partly_out_of_scope": 1, "out_of_scope": 1}

    def run() -> tuple[WordingBank, Tally]:
        asked = endpoint(stub, transport=transport)
        first, second = (CachedEndpoint(asked, tmp_path / name) for name in ("wordings", "cleaning"))
        return paraphrase(first, second, few)

    bank, tally = run()
    assert tally.pairs == 60 * (2 * 15 + 15 + 1)
    assert 0 < tally.invalid < 150 and tally.kept == len(list(bank))
    for tasks in TYPES:
        assert 40 < bank.count("in_scope", tasks) <= 60
    withheld = [each for each in bank if each.withheld]
    assert withheld and not any("variant 1" in each.question for each in withheld)
    asked = len(stub.requests)
    again, _ = run()
    assert len(stub.requests) == asked and list(again) == list(bank)


# --- the bank ---


def some_bank() -> WordingBank:
    questions = [f"How large is {{label}}, variant {i}?" for i in range(200)]
    return WordingBank(
        Wording("in_scope", ("volume",), each, "{label} has {volume}.", withheld=is_withheld(each))
        for each in questions + questions
    )


def test_bank_has_the_grammars_face() -> None:
    bank, rng = some_bank(), np.random.default_rng(0)
    assert bank.count("in_scope") == bank.count("in_scope", ("volume",)) == 200
    withheld = bank.count("in_scope", ("volume",), "withheld")
    assert 5 < withheld < 40
    assert bank.count("in_scope", None, "train") == 200 - withheld
    assert bank.count("in_scope", ("shape",)) == bank.count("out_of_scope") == 0
    drawn = bank.draw("in_scope", ("volume",), 100, rng, "train")
    assert len({each.question for each in drawn}) == 100 and not any(each.withheld for each in drawn)
    assert bank.sample("in_scope", ("volume",), rng, "withheld").withheld
    with pytest.raises(ConfigError, match="enough wordings"):
        bank.draw("in_scope", ("volume",), withheld + 1, rng, "withheld")
    with pytest.raises(ConfigError, match="no such pool"):
        bank.count("in_scope", ("volume",), "test")  # type: ignore[arg-type]


def test_bank_survives_the_disk(tmp_path: Path) -> None:
    bank = some_bank()
    bank.save(tmp_path / "bank.jsonl")
    assert list(WordingBank.load(tmp_path / "bank.jsonl")) == list(bank)


@pytest.mark.parametrize("line", ["not json", "[]", "{}", '{"tasks": [], "out_of_scope": [], "odd": 1}', "7"])
def test_a_damaged_bank_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "b").write_text(f"{line}\n")
    with pytest.raises(FileFormatError):
        WordingBank.load(tmp_path / "b")
