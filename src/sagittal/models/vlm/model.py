"""One composition for all vision-language models: encoder → projector → causal language model, and heads.

A conversation is a row of pieces: tokens, images, vectors. They are appended to one growing context
(:mod:`sagittal.models.decoding`), in training and in inference alike, so that no token is ever seen twice. A
projector that is steered by the question (mpLLM's) is given the state after the pieces before its images:
with the question first and the images after it, the router's pass costs nothing extra, since its cache goes
on.

A region that a question points at stands in it as one vector; a mask that an answer holds is drawn from the
state that predicts its ``<SEG>`` (MedPLIB). Both places are found by their tokens' ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sagittal.errors import InputError
from sagittal.models.decoding import GrowingContext
from sagittal.models.vlm.config import VLMConfig
from sagittal.models.vlm.experts import with_experts
from sagittal.models.vlm.language import make_language, with_lora
from sagittal.models.vlm.pieces import (
    Features,
    Masks,
    Output,
    Piece,
    Prompt,
    Regions,
    Round,
    Said,
    Tokens,
    Turn,
    Vectors,
)
from sagittal.nn.expert_feed_forward import Router
from sagittal.nn.pixels import Pixels
from sagittal.nn.projector import HierarchicalProjector, Projected, Routing
from sagittal.nn.region_prompt import RegionPrompt
from sagittal.nn.shared_projector import SharedProjector
from sagittal.nn.task_heads import TaskHeads
from sagittal.nn.vit import ViT


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
        if config.experts is not None:
            with_experts(self.language, config.experts)
        if config.lora is not None:
            self.language = with_lora(self.language, config.lora)
            # Adapters freeze everything else; routers have no adapter.
            for module in self.language.modules():
                if isinstance(module, Router):
                    module.requires_grad_(True)
        width = int(self._embed.weight.shape[1])
        self.projector = _projector(config, width)
        self.heads = TaskHeads(width, config.heads) if config.heads else None
        classes = sum(len(head.classes) for head in config.heads)
        self.tell = nn.Linear(classes, width, bias=False) if config.told else None
        self.point = RegionPrompt(config.encoder.width, width) if config.pointing is not None else None
        self.pixels, self.to_mask = None, None
        if config.drawing is not None:
            self.pixels = Pixels(config.drawing.pixels)
            channels = config.drawing.pixels.channels
            self.to_mask = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, channels))

    # -- looking -----------------------------------------------------------------------------

    def look(self, volumes: Tensor, present: Tensor) -> Features:
        """Encode the images of some studies.

        Args:
            volumes: (B, M, *size) intensities in [0, 1]; (B, M, channels, *size) for an encoder of several.
            present: (B, M); what stands in the place of a missing image is not looked at.
        """
        there = present.bool()
        images = volumes[there]
        seen = self.encoder(images[:, None] if self.config.encoder.channels == 1 else images)
        pooled = seen.pooled(self.config.pooling)
        tokens = pooled.new_zeros(*there.shape, *pooled.shape[1:])
        cls = pooled.new_zeros(*there.shape, seen.cls.shape[-1])
        tokens[there], cls[there] = pooled, seen.cls.to(pooled.dtype)
        return Features(tokens, cls, there, seen.tokens.movedim(-1, 1) if self.point is not None else None)

    # -- reading -----------------------------------------------------------------------------

    def forward(self, turn: Turn) -> Output:
        """Read questions, images and answers: for training."""
        context = GrowingContext(self.language)
        pieces = self._opened(turn.question, turn.features, turn.header, turn.regions)
        if turn.chosen is not None:
            pieces.append(self._told(turn.chosen))
        states, routing = self._read(context, [*pieces, turn.answer])
        # The token before the answer, and those of the answer but its last.
        before = torch.cat([states[-2][:, -1:], states[-1][:, :-1]], dim=1)
        heads = self.heads(states[2][:, -1]) if self.heads is not None else {}
        masks = None
        if turn.pixels is not None:
            here = (turn.answer.ids == self._segment) & turn.answer.real
            rows, places = here.nonzero(as_tuple=True)
            masks = self._drawn(before[rows, places], rows, turn.pixels)
        return Output(context.logits(before), heads, routing, context.mask.shape[1], masks)

    def follow(self, rounds: Sequence[Round], briefed: Tensor | None = None) -> list[Tensor]:
        """Read conversations of several rounds: for training.

        Args:
            rounds: in order.
            briefed: (1, n) tokens that all conversations begin with, read once for all of them; without, the
                first round's opening holds them.

        Returns:
            Of each round (B, n, vocabulary) logits of the reply's tokens.
        """
        context = GrowingContext(self.language)
        if briefed is not None:
            context.append_tokens(briefed)
            context = context.fork(len(rounds[0].words.ids))
        pieces = [piece for r in rounds for piece in (r.opening, r.features, r.words, r.header, r.reply)]
        states, _ = self._read(context, pieces)
        whole = (states[n : n + 5] for n in range(0, len(states), 5))
        return [
            context.logits(torch.cat([header[:, -1:], reply[:, :-1]], dim=1))
            for _, _, _, header, reply in whole
        ]

    def hear_round(self, context: GrowingContext, features: Features | None, *words: Tokens) -> None:
        """Go on with a conversation: a picture, if there is one, and what follows it."""
        self._read(context, [*([features] if features is not None else []), *words])

    def prompt(
        self, question: Tokens, features: Features, header: Tokens, regions: Regions | None = None
    ) -> Prompt:
        """Read questions and images, and let the heads choose."""
        context = GrowingContext(self.language)
        _, routing = self._read(context, self._opened(question, features, header, regions))
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
            prompt.context.append_embeddings(self._told(chosen).embeddings)

    @torch.no_grad()
    def say(self, prompt: Prompt, *, end: int, most: int, pixels: Tensor | None = None) -> Said:
        """Generate answers, and draw their masks.

        Args:
            prompt: read; nothing else is put into it before.
            end: token that ends an answer.
            most: tokens of an answer.
            pixels: of the pixel encoder; without, no mask is drawn.
        """
        found: list[tuple[int, Tensor]] = []
        segment = None if pixels is None else self._segment

        def watch(row: int, token: int, state: Tensor) -> None:
            if token == segment:
                found.append((row, state))

        tokens = prompt.context.generate(max_tokens=most, stop={end}, watch=watch)
        if pixels is None:
            return Said(tokens)
        # Rows speak at the same time: a stable sort keeps each one's own order.
        found.sort(key=lambda one: one[0])
        rows = torch.tensor([row for row, _ in found], dtype=torch.long, device=pixels.device)
        width = prompt.context.last_state.shape[-1]
        states = torch.stack([s for _, s in found]) if found else pixels.new_zeros(0, width)
        return Said(tokens, self._drawn(states, rows, pixels))

    def _opened(
        self, question: Tokens, features: Features, header: Tokens, regions: Regions | None
    ) -> list[Piece]:
        """What stands before an answer, in its order."""
        asked = self._pointed(question, features, regions)
        return [features, asked, header] if self.config.images_first else [asked, features, header]

    def _pointed(self, question: Tokens, features: Features, regions: Regions | None) -> Tokens | Vectors:
        """A question with its regions' vectors in their slots."""
        if self.config.pointing is None:
            if regions is not None:
                raise InputError("This model cannot be pointed at a place.")
            return question
        slots = (question.ids == self.config.pointing.slot) & question.real
        rows, places = slots.nonzero(as_tuple=True)
        given = rows.new_zeros(0) if regions is None else regions.rows.to(rows)
        if not torch.equal(rows, given):
            raise InputError(
                "Each slot of a question takes a region of its own.",
                expected=f"{len(rows)} regions, row after row",
                got=given.tolist(),
            )
        if regions is None:
            return question
        assert self.point is not None and features.map is not None, "what can be pointed at has a map"
        vectors = self.point(features.map, regions.masks, regions.rows)
        embeddings = self._embed(question.ids)
        return Vectors(embeddings.index_put((rows, places), vectors.to(embeddings.dtype)), question.real)

    @property
    def _segment(self) -> int:
        """Id of ``<SEG>``."""
        if self.config.drawing is None:
            raise InputError("This model draws no masks.")
        return self.config.drawing.segment

    def _drawn(self, states: Tensor, rows: Tensor, pixels: Tensor) -> Masks:
        assert self.pixels is not None and self.to_mask is not None, "there is a <SEG> to draw"
        return Masks(self.pixels.draw(pixels, self.to_mask(states), rows), rows)

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
                waiting.append((piece.embeddings, piece.real))
            else:
                waiting.append((self._embed(piece.ids), piece.real))
        return states + _append(context, waiting), routing

    def _project(self, context: GrowingContext, features: Features) -> Projected:
        steered = isinstance(self.projector, HierarchicalProjector)
        question = context.last_state if steered else features.cls[:, 0]
        seen = features.present.any(dim=1)
        if steered or bool(seen.all()):
            found: Projected = self.projector(features.tokens, features.cls, question, features.present)
            return found
        return self._project_some(features, seen)

    def _project_some(self, features: Features, seen: Tensor) -> Projected:
        """Rows of a round without a picture have nothing in its place."""
        rows, width = len(seen), self._embed.weight.shape[1]
        if not bool(seen.any()):
            none = features.tokens.new_zeros(rows, 0, width)
            return Projected(none, torch.zeros(rows, 0, dtype=torch.bool, device=none.device))
        part: Projected = self.projector(
            features.tokens[seen], features.cls[seen], features.cls[seen, 0], features.present[seen]
        )
        embeddings = part.embeddings.new_zeros(rows, *part.embeddings.shape[1:])
        real = part.real.new_zeros(rows, part.real.shape[1])
        where = seen.nonzero()[:, 0]
        return Projected(embeddings.index_put((where,), part.embeddings), real.index_put((where,), part.real))

    def _told(self, chosen: Tensor) -> Vectors:
        """One vector a row."""
        if self.tell is None:
            raise TypeError("this model's words are not told what its heads choose")
        told: Tensor = self.tell(chosen)
        return Vectors(told[:, None], torch.ones(len(told), 1, dtype=torch.bool, device=told.device))

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
