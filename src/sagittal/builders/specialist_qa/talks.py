"""What a conversation about specialists is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """What the user says, with a picture or without, and the reply.

    Attributes:
        words: of the user.
        reply: of the model.
        picture: number of the picture; ``None`` where there is none.
    """

    words: str
    reply: str
    picture: int | None = None


@dataclass(frozen=True)
class Talk:
    """One conversation.

    Attributes:
        turns: at least one.
        kind: of the conversation, for statistics.
    """

    turns: tuple[Turn, ...]
    kind: str = ""


@dataclass(frozen=True)
class Batch:
    """Conversations that one system prompt opens: it is read once for all of them."""

    system: str
    talks: tuple[Talk, ...]
