"""A client for any OpenAI-compatible ``/v1/chat/completions`` endpoint, with a cache on disk.

Nothing is sent before :meth:`ChatEndpoint.complete` is called. The key comes from an environment
variable, goes into one header and nowhere else. Replies are distrusted: bounded in size, parsed
with care. What this does not protect from: an endpoint that answers well-formed nonsense.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagittal.errors import EndpointError, MissingExtraError
from sagittal.files import sha256_json, storage_errors

if TYPE_CHECKING:
    import httpx

MAX_REPLY_BYTES = 4_000_000
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_PAUSE = 60.0


class ChatEndpoint:
    """One endpoint and one model; as a context manager it closes its connection at the end.

    Args:
        base_url: the address up to and including ``/v1``.
        model: the model's name, as the endpoint knows it.
        key_variable: environment variable that holds the key; where it is unset no key is sent, as
            local servers need none.
        temperature, top_p: sampling settings; the paper's are 1 and 1.
        timeout: seconds for connecting and for each silence while reading.
        attempts: how often one request is tried before it fails.
        transport: an ``httpx`` transport in place of the network.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key_variable: str = "OPENAI_API_KEY",
        temperature: float = 1.0,
        top_p: float = 1.0,
        timeout: float = 120.0,
        attempts: int = 5,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = base_url.rstrip("/") + "/chat/completions"
        self.model, self.temperature, self.top_p = model, temperature, top_p
        self._key_variable, self._timeout, self._attempts = key_variable, timeout, attempts
        self._transport, self._sleep = transport, sleep
        self._client: httpx.Client | None = None

    def __enter__(self) -> ChatEndpoint:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if one was opened; the next request opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def request(self, prompt: str) -> dict[str, Any]:
        """The body that would be sent for ``prompt``."""
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self.temperature,
            "top_p": self.top_p,
        }

    def complete(self, prompt: str) -> str:
        """Ask once, and return the reply's text.

        Busy and failing servers (408, 429, 5xx), timeouts and broken connections are tried again with
        growing pauses; a ``Retry-After`` is honoured up to a minute.

        Raises:
            EndpointError: it cannot be reached, refuses, or answers something unusable.
            MissingExtraError: ``httpx`` is not installed.
        """
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("Paraphrasing through an endpoint", "paraphrase") from error
        if self._client is None:
            self._client = httpx.Client(transport=self._transport, timeout=self._timeout)
        problem = ""
        for attempt in range(self._attempts):
            pause = min(2.0**attempt, _LONGEST_PAUSE)
            try:
                status, wait, body = self._post(self._client, prompt)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise EndpointError("The endpoint's address is not one.", got=self.url) from error
            except (httpx.TransportError, httpx.DecodingError) as error:
                # The type alone: a message could carry what was sent.
                problem = f"{type(error).__name__} at {self.url}"
            else:
                if status not in _RETRIED:
                    return self._text(status, body)
                problem, pause = f"HTTP {status} from {self.url}", max(pause, wait)
            if attempt + 1 < self._attempts:
                self._sleep(pause)
        raise EndpointError(
            f"The endpoint did not answer in {self._attempts} attempts.",
            got=problem,
            remedy="run it again later: what it has answered so far is kept",
        )

    def _post(self, client: httpx.Client, prompt: str) -> tuple[int, float, bytes]:
        headers = {}
        if key := os.environ.get(self._key_variable):
            headers["Authorization"] = f"Bearer {key}"
        with client.stream("POST", self.url, json=self.request(prompt), headers=headers) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_REPLY_BYTES:
                    raise EndpointError(
                        "The reply is far too large.", expected=f"at most {MAX_REPLY_BYTES} bytes"
                    )
            wait = response.headers.get("retry-after", "")
            seconds = float(wait) if wait.isascii() and wait.isdigit() else 0.0
            return response.status_code, min(seconds, _LONGEST_PAUSE), bytes(body)

    def _text(self, status: int, body: bytes) -> str:
        if status != 200:
            remedy = (
                f"check the key in ${self._key_variable}"
                if status in (401, 403)
                else "check address and model"
            )
            raise EndpointError("The endpoint refused the request.", got=f"HTTP {status}", remedy=remedy)
        try:
            text = json.loads(body)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise EndpointError(
                "The reply is not a chat completion.",
                expected='JSON with "choices"[0]["message"]["content"]',
                got=type(error).__name__,
                remedy="check that the address ends in /v1 and belongs to a compatible server",
            ) from error
        if not isinstance(text, str) or not text.strip():
            raise EndpointError(
                "The reply holds no text.", expected="text in the first choice", got="nothing"
            )
        return text


class CachedEndpoint:
    """Asks an endpoint at most once for each request and repetition, also across runs.

    Args:
        endpoint: who is asked.
        path: JSON lines, one a reply, keyed by a hash of request and repetition. A line is on disk
            before the reply is used; a last line cut short by a killed run is dropped. One process
            at a time may write to it.

    Raises:
        EndpointError: the cache holds a line that is not ours.
        StorageError: it cannot be read or written.
    """

    def __init__(self, endpoint: ChatEndpoint, path: str | Path) -> None:
        self.endpoint, self.path = endpoint, Path(path)
        self._replies: dict[str, str] = {}
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._read()

    def _read(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with self.path.open("r+b") as handle:
                handle.truncate(whole)
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                entry = json.loads(line)
                self._replies[entry["key"]] = entry["reply"]
            except (ValueError, LookupError, TypeError) as error:
                remedy = "delete that line, or name another cache file"
                raise EndpointError(
                    "A cached line is damaged.", got=f"{self.path}:{number}", remedy=remedy
                ) from error

    def complete(self, prompt: str, repetition: int = 0) -> str:
        """The reply to ``prompt`` number ``repetition``, from the cache or the endpoint.

        Raises:
            EndpointError: see :meth:`ChatEndpoint.complete`.
        """
        key = sha256_json({"request": self.endpoint.request(prompt), "repetition": repetition})
        if key not in self._replies:
            reply = self.endpoint.complete(prompt)
            line = json.dumps({"key": key, "repetition": repetition, "reply": reply}) + "\n"
            with storage_errors(self.path), self.path.open("ab") as handle:
                handle.write(line.encode())
                handle.flush()
                os.fsync(handle.fileno())
            self._replies[key] = reply
        return self._replies[key]
