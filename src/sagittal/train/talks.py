"""Conversations of several turns as batches: pictures and words of the user, replies of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sagittal.builders.specialist_qa.talks import Batch, Talk
from sagittal.language.specialist_answers import abstention
from sagittal.models.vlm.chat import Chat, padded, real_targets
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features, Round
from sagittal.runtime import autocast
from sagittal.specialists.triggers import find_triggers
from sagittal.train.decoder_texts import Pair, pairs_loss
from sagittal.train.loop import mean_terms

#: Texts of a step, and what their draws begin with.
TEXTS, TEXT_SEED = 12, 20266
#: Weights of how later replies begin, and of texts, beside that of conversations.
ANSWER_WEIGHT, TEXT_WEIGHT = 1.0, 0.2


@dataclass(frozen=True, eq=False)
class LivePictures:
    """Pictures that an encoder looks at each time, so that it learns.

    Attributes:
        model: with the encoder.
        pictures: (n, 3, edge, edge) uint8.
    """

    model: VLM
    pictures: NDArray[np.uint8]

    def __call__(self, shown: Sequence[int | None]) -> Features:
        """Features of a batch's pictures."""
        here = torch.tensor([[place is not None] for place in shown])
        stacked = np.stack([self.pictures[place or 0] for place in shown])[:, None]
        return self.model.look(torch.from_numpy(stacked).float() / 255, here)


@dataclass(frozen=True, eq=False)
class SeenPictures:
    """Pictures that a frozen encoder looked at once.

    Attributes:
        tokens: (n, N, width) pooled.
        cls: (n, width).
    """

    tokens: Tensor
    cls: Tensor

    @classmethod
    @torch.no_grad()
    def by(cls, model: VLM, pictures: NDArray[np.uint8], together: int = 16) -> SeenPictures:
        """What an encoder sees of (n, 3, edge, edge) uint8."""
        live = LivePictures(model, pictures)
        with autocast():
            seen = [
                live(range(first, min(first + together, len(pictures))))
                for first in range(0, len(pictures), together)
            ]
        kept = [
            torch.cat(parts).half()
            for parts in zip(*((s.tokens[:, 0], s.cls[:, 0]) for s in seen), strict=True)
        ]
        return SeenPictures(*kept)

    def __call__(self, shown: Sequence[int | None]) -> Features:
        """Features of a batch's pictures."""
        here = torch.tensor([[place is not None] for place in shown])
        places = torch.tensor([place or 0 for place in shown])
        tokens, cls = self.tokens[places].float(), self.cls[places].float()
        return Features((tokens * here[..., None])[:, None], (cls * here)[:, None], here)


@dataclass(frozen=True, eq=False)
class TalkStream:
    """Batches of conversations, each by its number alone.

    Attributes:
        make: the batch of a number; any number from 0.
        seen: features of pictures by their numbers, ``None`` where there is none.
        chat: words as tokens.
    """

    make: Callable[[int], Batch]
    seen: Callable[[Sequence[int | None]], Features]
    chat: Chat

    def rounds(self, batch: Batch) -> tuple[Tensor, list[Round]]:
        """The system prompt, and the rounds that follow it, as a model reads them."""
        most = max(len(talk.turns) for talk in batch.talks)
        briefed = torch.tensor([self.chat.briefed(batch.system)])
        return briefed, [self._round(batch.talks, number) for number in range(most)]

    def _round(self, talks: Sequence[Talk], number: int) -> Round:
        turns = [talk.turns[number] if number < len(talk.turns) else None for talk in talks]
        # The briefing ends where the first user's words begin.
        again = self.chat.again if number else []
        return Round(
            opening=padded([again if turn else [] for turn in turns]),
            features=self.seen([turn.picture if turn is not None else None for turn in turns]),
            words=padded([self.chat.encode(turn.words) if turn else [] for turn in turns]),
            header=padded([self.chat.header if turn else [] for turn in turns]),
            reply=padded([self.chat.answer(turn.reply) if turn else [] for turn in turns]),
        )


@dataclass(frozen=True)
class TalkTraining:
    """Loss and scores for the one loop: next-token prediction over all replies (VILA-M3 §3.1).

    A trigger has few tokens, and whether one is due shows in the first. So their own mean, ``choice``, is
    added to that of all tokens, ``words``: else long answers would decide what is learnt. Later replies begin
    with what they answer; these first tokens have a mean of their own, ``answer``.

    Attributes:
        model: what is trained, encoder and projector included.
        training, validation: conversations.
        texts: question and answer without any image, of which some are read in each step: a language model
            that only ever talks about specialists forgets the rest (supplement 6.3).
        checks: batches of the validation stream that scores are taken over.
    """

    model: VLM
    training: TalkStream
    validation: TalkStream
    texts: Sequence[Pair] = ()
    checks: int = 32

    def __post_init__(self) -> None:
        # Prompts with cards are long enough for the blockwise kernel.
        self.model.language.set_attn_implementation("sdpa")  # type: ignore[operator]

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        terms = talk_terms(self.model, self.training, number)
        if not self.texts:
            return terms
        drawn = np.random.default_rng([TEXT_SEED, number]).integers(len(self.texts), size=TEXTS)
        text = pairs_loss(self.model.language, self.training.chat, [self.texts[int(n)] for n in drawn])
        return {**terms, "loss": terms["loss"] + TEXT_WEIGHT * text, "text": text}

    def scores(self) -> dict[str, float]:
        """Mean loss over the checked batches."""
        with torch.no_grad():
            return mean_terms(
                talk_terms(self.model, self.validation, number) for number in range(self.checks)
            )


def talk_terms(model: VLM, stream: TalkStream, number: int) -> Mapping[str, Tensor]:
    """Loss of the batch of a number, and its parts: see :class:`TalkTraining`."""
    batch = stream.make(number)
    losses, chooses, opens = [], [], []
    for talks in _of_one_length(batch.talks):
        with autocast():
            briefed, rounds = stream.rounds(Batch(batch.system, talks))
            logits = model.follow(rounds, briefed)
        for place, (one, said) in enumerate(zip(logits, rounds, strict=True)):
            own = functional.cross_entropy(
                one.float().transpose(1, 2), real_targets(said.reply), reduction="none"
            )
            losses.append(own[said.reply.real])
            if place == 0:
                chooses.append(own[_choosing(talks, said.reply.real)])
            else:
                opens.append(own[:, 0][said.reply.real[:, 0]])
    words, choice = torch.cat(losses).mean(), torch.cat(chooses).mean()
    if not opens:
        # What was not asked has no mean.
        return {"loss": words + choice, "words": words, "choice": choice}
    answer = torch.cat(opens).mean()
    loss = words + choice + ANSWER_WEIGHT * answer
    return {"loss": loss, "words": words, "choice": choice, "answer": answer}


def _of_one_length(talks: Sequence[Talk]) -> Iterator[tuple[Talk, ...]]:
    """Conversations by their number of turns: few have a second, and no padding stands in its place."""
    lengths: dict[int, list[Talk]] = {}
    for talk in talks:
        lengths.setdefault(len(talk.turns), []).append(talk)
    yield from (tuple(lengths[length]) for length in sorted(lengths))


def _choosing(talks: Sequence[Talk], real: Tensor) -> Tensor:
    """(B, n) which tokens of first replies decide: how one begins, all of a call or a refusal."""
    chosen = torch.zeros_like(real)
    chosen[:, 0] = True
    replies = [talk.turns[0].reply for talk in talks]
    calls = [bool(find_triggers(reply)) or abstention(reply) is not None for reply in replies]
    chosen |= torch.tensor(calls, device=real.device)[:, None]
    return chosen & real
