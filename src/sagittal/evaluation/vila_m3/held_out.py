"""Triggers on questions made anew: of wordings that training never drew, about cards it may not have met."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence

import torch

from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.builders.specialist_qa.talks import Talk
from sagittal.evaluation.vila_m3.triggers import Triggered, TriggerItem
from sagittal.models.decoding import GrowingContext
from sagittal.models.vlm.chat import padded
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Tokens
from sagittal.specialists.suiting import suits
from sagittal.specialists.triggers import TriggerConstraint, find_triggers
from sagittal.train.talks import TalkStream

# Tokens of a first reply that may matter: a trigger is shorter.
_LONGEST = 48
_GIVEN = re.compile(r"Given: (.+) \((picture|volumes?)\)\.")


@torch.no_grad()
def held_out(
    model: VLM,
    stream: TalkStream,
    maker: TalkMaker,
    batches: int,
    say: Callable[[str], None] = lambda line: None,
) -> list[Triggered]:
    """First replies to the questions of some batches, each batch at once.

    All cards of a batch are shown; those that the images do not suit cannot be called.

    Args:
        model: in evaluation mode.
        stream: of the batches, with pictures of other patients than training's; those of CT show one scan.
        maker: that makes them: of withheld wordings.
        batches: how many.
        say: told now and then.
    """
    vocabulary = stream.chat.vocabulary()
    found: list[Triggered] = []
    for number in range(batches):
        batch, offers = maker.with_offers(number)
        briefed, [first, *_] = stream.rounds(batch)
        prefix = GrowingContext(model.language)
        prefix.append_tokens(briefed)
        context = prefix.fork(len(batch.talks))
        model.hear_round(context, first.features, first.words, _header(first.header))
        cards = [offer.card for offer in offers]
        allowed = [[card for card in cards if suits(card, *_given(talk))] for talk in batch.talks]
        each = [TriggerConstraint(vocabulary, stream.chat.end, own, ()) for own in allowed]

        def constraint(
            row: int, so_far: Sequence[int], each: Sequence[TriggerConstraint] = each
        ) -> Collection[int]:
            return each[row](row, so_far)

        said = context.generate(max_tokens=_LONGEST, stop={stream.chat.end}, constraint=constraint)
        replies = [stream.chat.decode(ids) for ids in said]
        names = tuple(offer.card.name for offer in offers)
        found += _compared(batch.talks, replies, names, number)
        if number % 10 == 9:
            say(f"withheld wordings: {number + 1} of {batches} batches")
    return found


def _given(talk: Talk) -> tuple[list[str], bool]:
    """Kinds of the images, and whether they are a picture, as the question begins."""
    found = _GIVEN.match(talk.turns[0].words)
    assert found is not None, "asked with a picture"
    return found[1].split(", "), found[2] == "picture"


def _header(header: Tokens) -> Tokens:
    return padded([ids[real].tolist() for ids, real in zip(header.ids, header.real, strict=True)])


def _compared(
    talks: Sequence[Talk], replies: Sequence[str], cards: tuple[str, ...], number: int
) -> Iterator[Triggered]:
    for row, (talk, reply) in enumerate(zip(talks, replies, strict=True)):
        calls = tuple(find_triggers(talk.turns[0].reply))
        kind = "one" if calls else "unsuitable" if talk.kind == "declined" else "none"
        item = TriggerItem(f"{number}-{row}", talk.turns[0].words, (), False, cards, calls, kind)
        yield Triggered(item, tuple(find_triggers(reply)), reply)
