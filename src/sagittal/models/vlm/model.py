"""One composition for all vision-language models: encoder → projector → causal language model, and heads.

A conversation is a row of pieces: tokens, images, vectors. They are appended to one growing context
(:mod:`sagittal.models.decoding`), in training and in inference alike, so that no token is ever seen twice. A
projector that is steered by the question (mpLLM's) is given the state after the pieces before its images:
with the question first and the images after it, the router's pass costs nothing extra, since its cache goes
on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sagittal.models.decoding import GrowingContext
from sagittal.models.vlm.config import VLMConfig
from sagittal.models.vlm.language import make_language, with_lora
from sagittal.nn.projector import HierarchicalProjector, Projected, Routing
from sagittal.nn.shared_projector import SharedProjector
from sagittal.nn.task_heads import TaskHeads
from sagittal.nn.vit import ViT


@dataclass(frozen=True, eq=False)
class Features:
    """What the encoder makes of the images of some studies.

    Attributes:
        tokens: (B, M, N, d_I).
        cls: (B, M, d_I).
        present: (B, M) False where a study lacks an image.
    """

    tokens: Tensor
    cls: Tensor
    present: Tensor


@dataclass(frozen=True, eq=False)
class Tokens:
    """A piece of text: (B, n) ids, and (B, n) which of them are real."""

    ids: Tensor
    real: Tensor


@dataclass(frozen=True, eq=False)
class Vectors:
    """A piece that is given as embeddings: (B, n, d_T), all real."""

    embeddings: Tensor


Piece = Tokens | Features | Vectors


@dataclass(frozen=True, eq=False)
class Turn:
    """A batch of questions about images, with their answers.

    Attributes:
        question: what comes before the images.
        features: of the images.
        header: what comes after them and before the answer; the same in every row, so that it has no padding.
        answer: the words, with what ends them.
        chosen: (B, classes of all heads) that the words are told; ``None`` where they are not.
    """

    question: Tokens
    features: Features
    header: Tokens
    answer: Tokens
    chosen: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Output:
    """What a model makes of a turn.

    Attributes:
        logits: (B, n, vocabulary) of the answer's tokens, each from the position before it.
        heads: logits of each task.
        routing: what the projector's routers chose, where it has any.
        positions: that the language model ran over, a row.
    """

    logits: Tensor
    heads: dict[str, Tensor]
    routing: Routing | None
    positions: int


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


class VLM(nn.Module):
    """The model.

    Args:
        config: what it is made of.
        language: a causal language model with weights; a new one by the config when ``None``.
    """

    def __init__(self, config: VLMConfig, language: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = ViT(config.encoder)
        self.language = language if language is not None else make_language(config.language)
        if config.lora is not None:
            self.language = with_lora(self.language, config.lora)
        width = int(self._embed.weight.shape[1])
        self.projector = _projector(config, width)
        self.heads = TaskHeads(width, config.heads) if config.heads else None
        classes = sum(len(head.classes) for head in config.heads)
        self.tell = nn.Linear(classes, width, bias=False) if config.told else None

    # -- looking -----------------------------------------------------------------------------

    def look(self, volumes: Tensor, present: Tensor) -> Features:
        """Encode the images of some studies.

        Args:
            volumes: (B, M, *size) intensities in [0, 1].
            present: (B, M); what stands in the place of a missing image is not looked at.
        """
        there = present.bool()
        seen = self.encoder(volumes[there][:, None])
        pooled = seen.pooled(self.config.pooling)
        tokens = pooled.new_zeros(*there.shape, *pooled.shape[1:])
        cls = pooled.new_zeros(*there.shape, seen.cls.shape[-1])
        tokens[there], cls[there] = pooled, seen.cls.to(pooled.dtype)
        return Features(tokens, cls, there)

    # -- reading -----------------------------------------------------------------------------

    def forward(self, turn: Turn) -> Output:
        """Read questions, images and answers: for training."""
        context = GrowingContext(self.language)
        pieces: list[Piece] = [turn.question, turn.features, turn.header]
        if turn.chosen is not None:
            pieces.append(Vectors(self._told(turn.chosen)))
        states, routing = self._read(context, [*pieces, turn.answer])
        # The token before the answer, and those of the answer but its last.
        before = torch.cat([states[-2][:, -1:], states[-1][:, :-1]], dim=1)
        heads = self.heads(states[2][:, -1]) if self.heads is not None else {}
        return Output(context.logits(before), heads, routing, context.mask.shape[1])

    def prompt(self, question: Tokens, features: Features, header: Tokens) -> Prompt:
        """Read questions and images, and let the heads choose."""
        context = GrowingContext(self.language)
        _, routing = self._read(context, [question, features, header])
        heads = self.heads(context.last_state) if self.heads is not None else {}
        return Prompt(context, heads, routing)

    def choose(self, prompt: Prompt) -> dict[str, Tensor]:
        """(B, classes) of each head, 0 or 1: what it chooses. Nothing without heads."""
        return {} if self.heads is None else self.heads.chosen(prompt.heads)

    def probabilities(self, prompt: Prompt) -> list[dict[str, dict[str, float]]]:
        """Of each row: head → class → probability. Nothing without heads."""
        rows: list[dict[str, dict[str, float]]] = [{} for _ in range(len(prompt.context.mask))]
        found = {} if self.heads is None else self.heads.probabilities(prompt.heads)
        for head in self.config.heads:
            for row, values in zip(rows, found[head.name].tolist(), strict=True):
                row[head.name] = {name: round(p, 5) for name, p in zip(head.classes, values, strict=True)}
        return rows

    def hear(self, prompt: Prompt) -> None:
        """Tell the words what the heads chose, where the config says so."""
        if self.tell is not None:
            chosen = torch.cat(list(self.choose(prompt).values()), dim=-1)
            prompt.context.append_embeddings(self._told(chosen))

    def _read(self, context: GrowingContext, pieces: Sequence[Piece]) -> tuple[list[Tensor], Routing | None]:
        """Append pieces; the states of each, and what the routers chose."""
        waiting: list[tuple[Tensor, Tensor]] = []
        states: list[Tensor] = []
        routing = None
        for piece in pieces:
            if isinstance(piece, Features):
                if isinstance(self.projector, HierarchicalProjector):
                    # Its routers ask for the state after what stands before.
                    states += _append(context, waiting)
                    waiting = []
                projected = self._project(context, piece)
                routing = projected.routing or routing
                waiting.append((projected.embeddings, projected.real))
            elif isinstance(piece, Vectors):
                real = piece.embeddings.new_ones(piece.embeddings.shape[:2], dtype=torch.bool)
                waiting.append((piece.embeddings, real))
            else:
                waiting.append((self._embed(piece.ids), piece.real))
        return states + _append(context, waiting), routing

    def _project(self, context: GrowingContext, features: Features) -> Projected:
        steered = isinstance(self.projector, HierarchicalProjector)
        question = context.last_state if steered else features.cls[:, 0]
        found: Projected = self.projector(features.tokens, features.cls, question, features.present)
        return found

    def _told(self, chosen: Tensor) -> Tensor:
        """(B, 1, d_T)."""
        if self.tell is None:
            raise TypeError("this model's words are not told what its heads choose")
        told: Tensor = self.tell(chosen)
        return told[:, None]

    @property
    def _embed(self) -> Any:
        return self.language.get_input_embeddings()  # type: ignore[operator]


def _append(context: GrowingContext, waiting: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Append embeddings in one step; the states of each part."""
    if not waiting:
        return []
    kind = waiting[0][0].dtype
    embeddings = torch.cat([part.to(kind) for part, _ in waiting], dim=1)
    states = context.append_embeddings(embeddings, torch.cat([real for _, real in waiting], dim=1))
    return list(states.split([part.shape[1] for part, _ in waiting], dim=1))


def _projector(config: VLMConfig, width: int) -> HierarchicalProjector | SharedProjector:
    own, modalities, seen = config.projector, len(config.images), config.encoder.width
    if own.kind == "shared":
        return SharedProjector(modalities, seen, width, own.fusion, own.layers)
    return HierarchicalProjector(
        modalities, seen, width, width, own.blocks, own.gate, hidden=own.hidden,
        flattened=own.flattened,
    )  # fmt: skip
