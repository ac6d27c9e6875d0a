"""What is wrong with a program: feedback to the agent, and a line in the user's trace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from sagittal.agent.text import plain
from sagittal.errors import SagittalError


class ProgramError(SagittalError):
    """A program cannot be read, or cannot go on. Never a Python traceback.

    Args:
        code: short name of the kind of fault: ``attribute``, ``loop``, ``budget``, ``unit``, …
        message, expected, got, remedy: as in every error of the house.
        line: line of the program, from 1, when it is known.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
        line: int | None = None,
    ) -> None:
        texts = [plain(t, 400) if t is not None else None for t in (message, expected, got, remedy)]
        super().__init__(texts[0] or "", expected=texts[1], got=texts[2], remedy=texts[3])
        self.code = code
        self.line = line

    def words(self) -> str:
        """One line, as the agent reads it."""
        place = f"line {self.line}: " if self.line is not None else ""
        parts = [f"error: {place}{self.message}"]
        parts += [f"expected {self.expected}"] if self.expected else []
        parts += [f"got {self.got}"] if self.got else []
        parts += [f"remedy: {self.remedy}"] if self.remedy else []
        text = "; ".join(part.rstrip(".") for part in parts)
        return text if text.endswith("?") else text + "."

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "code": self.code,
            "message": self.message,
            "expected": self.expected,
            "got": self.got,
            "remedy": self.remedy,
            "line": self.line,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ProgramError:
        """Inverse of :meth:`to_json`; what is not text is made text, so that a foreign sender cannot harm."""
        texts = {k: None if value.get(k) is None else str(value[k]) for k in ("expected", "got", "remedy")}
        line = value.get("line")
        return cls(
            plain(str(value.get("code", "")), 40),
            str(value.get("message", "")),
            **texts,
            line=line if isinstance(line, int) and not isinstance(line, bool) else None,
        )


def did_you_mean(name: str, known: Collection[str]) -> str | None:
    """A remedy that names the nearest of ``known``, when there is one."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else None
