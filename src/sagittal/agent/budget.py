"""How much a program may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Budget:
    """Limits of one program and of one conversation. All are reached by honest programs never, or far off.

    Attributes:
        characters, tokens: of one program's text.
        depth: parentheses inside parentheses.
        operators: in one statement. Together with ``depth`` it bounds every recursion.
        name: characters of a name.
        nodes: evaluations of one program.
        calls: of library functions in one program.
        number: greatest magnitude of a number.
        text: characters of one text.
        composed: characters of all texts composed in one conversation.
        output: characters said in one conversation.
        variables: alive in one conversation.
        handles: images, features and masks alive in one conversation.
        handle_bytes: that these hold.
        seconds: of one program, library calls included. A call that runs cannot be interrupted in
            process; the next one is refused.
        thinking: seconds that the child process may take between two messages (process transport).
    """

    characters: int = 4_000
    tokens: int = 1_000
    depth: int = 8
    operators: int = 24
    name: int = 40
    nodes: int = 2_000
    calls: int = 64
    number: float = 1e15
    text: int = 1_000
    composed: int = 20_000
    output: int = 2_000
    variables: int = 64
    handles: int = 64
    handle_bytes: int = 2 << 30
    seconds: float = 120.0
    thinking: float = 5.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
