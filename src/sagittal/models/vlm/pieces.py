"""What a conversation is made of: tokens, images, vectors, regions; and what a model makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sagittal.models.decoding import GrowingContext
from sagittal.nn.projector import Routing


@dataclass(frozen=True, eq=False)
class Features:
    """What the encoder makes of the images of some studies.

    Attributes:
        tokens: (B, M, N, d_I).
        cls: (B, M, d_I).
        present: (B, M) False where a study lacks an image.
        map: (B, d_I, h, w) of pictures, before pooling: where regions are read off. ``None`` of a model that
            cannot be pointed at a place.
    """

    tokens: Tensor
    cls: Tensor
    present: Tensor
    map: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Tokens:
    """A piece of text: (B, n) ids, and (B, n) which of them are real."""

    ids: Tensor
    real: Tensor

    def to(self, device: torch.device) -> Tokens:
        """The same on a device."""
        return Tokens(self.ids.to(device), self.real.to(device))


@dataclass(frozen=True, eq=False)
class Vectors:
    """A piece that is given as embeddings: (B, n, d_T), and (B, n) which of them are real."""

    embeddings: Tensor
    real: Tensor


Piece = Tokens | Features | Vectors


@dataclass(frozen=True, eq=False)
class Regions:
    """Places that questions point at, in the order of their slots, row after row.

    Attributes:
        masks: (R, H, W) bool, on the pixels that the encoder was given.
        rows: (R,) the question that each belongs to.
    """

    masks: Tensor
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Turn:
    """A batch of questions about images, with their answers.

    Attributes:
        question: what is asked.
        features: of the images.
        header: what comes before the answer; the same in every row, so that it has no padding.
        answer: the words, with what ends them.
        chosen: (B, classes of all heads) that the words are told; ``None`` where they are not.
        regions: that the questions point at.
        pixels: (B, channels, grid, grid) of the pixel encoder, for the masks of the answers.
    """

    question: Tokens
    features: Features
    header: Tokens
    answer: Tokens
    chosen: Tensor | None = None
    regions: Regions | None = None
    pixels: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Round:
    """One question, or one feedback, and the reply to it.

    Attributes:
        opening: what stands before the user's words, and their picture.
        features: of the picture; ``present`` tells which rows have one.
        words: the user's.
        header: what comes before the reply; the same in every row that has this round.
        reply: with what ends it; rows without this round have nothing real in any of these.
    """

    opening: Tokens
    features: Features
    words: Tokens
    header: Tokens
    reply: Tokens


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks that answers hold, in the order of their ``<SEG>``, row after row.

    Attributes:
        logits: (R, h, w).
        rows: (R,) the answer that each belongs to.
    """

    logits: Tensor
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Output:
    """What a model makes of a turn.

    Attributes:
        logits: (B, n, vocabulary) of the answer's tokens, each from the position before it.
        heads: logits of each task.
        routing: what the projector's routers chose, where it has any.
        positions: that the language model ran over, a row.
        masks: of the answers' ``<SEG>``; ``None`` of a model, or a turn, without pixels.
    """

    logits: Tensor
    heads: dict[str, Tensor]
    routing: Routing | None
    positions: int
    masks: Masks | None = None


@dataclass(frozen=True, eq=False)
class Prompt:
    """A read prompt, ready for an answer.

    Attributes:
        context: holds the prompt.
        heads: logits of each task.
        routing: what the projector's routers chose, where it has any.
    """

    context: GrowingContext
    heads: dict[str, Tensor]
    routing: Routing | None


@dataclass(frozen=True, eq=False)
class Said:
    """Generated answers.

    Attributes:
        tokens: of each row, with what ended it.
        masks: of their ``<SEG>``; ``None`` of a model without pixels.
    """

    tokens: list[list[int]]
    masks: Masks | None = None
