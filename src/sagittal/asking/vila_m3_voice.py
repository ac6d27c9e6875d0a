"""VILA-M3's language model as the voice of a conversation with specialists."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.models.decoding import GrowingContext
from sagittal.models.medplib.pictures import squared_pixels
from sagittal.models.vlm.chat import Chat, padded
from sagittal.models.vlm.model import VLM
from sagittal.runtime import Runtime, one_thread
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.consulting import Told
from sagittal.specialists.prompting import ALONE, system_prompt, told_again
from sagittal.specialists.supported import OneOf, supported_answers
from sagittal.specialists.triggers import Trigger, TriggerConstraint, find_triggers

#: (rows, columns, 3) in 8 bits, as it is shown.
Pixels = NDArray[np.uint8]

# Tokens of a reply in free words.
_LONGEST = 400
# System prompts whose keys and values are kept: those of a few kinds of image.
_KEPT = 4


@dataclass(eq=False)
class VilaM3:
    """A loaded model, and what it has read of system prompts.

    Attributes:
        model: in evaluation mode, on the runtime's device.
        chat: the one that it was trained with.
        runtime: device and precision.
    """

    model: VLM
    chat: Chat
    runtime: Runtime
    _prefixes: OrderedDict[str, GrowingContext] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.vocabulary = self.chat.vocabulary()

    def briefed(self, text: str) -> GrowingContext:
        """A context that holds a system prompt; it is read once, however many questions follow."""
        if text not in self._prefixes:
            while len(self._prefixes) >= _KEPT:
                self._prefixes.popitem(last=False)
            prefix = GrowingContext(self.model.language)
            with self.runtime.autocast():
                prefix.append_tokens(torch.tensor([self.chat.briefed(text)], device=self.runtime.device))
            self._prefixes[text] = prefix
        self._prefixes.move_to_end(text)
        return self._prefixes[text].fork()

    def converse(
        self, question: str, picture: Pixels, cards: Sequence[SpecialistCard], *, alone: bool = False
    ) -> VilaM3Voice:
        """A conversation that begins with a picture and a question.

        Args:
            question: of the user.
            picture: what is looked at, (rows, columns, 3) in 8 bits.
            cards: specialists that may be called.
            alone: whether the user wants none, so that the picture alone is to answer.
        """
        return VilaM3Voice(self, question, picture, cards, ALONE if alone else system_prompt(cards))


class VilaM3Voice:
    """One conversation (:class:`sagittal.specialists.consulting.Voice`).

    Args:
        loaded: the model.
        question: of the user.
        picture: what is looked at, (rows, columns, 3) in 8 bits.
        cards: specialists that may be called.
        system: the prompt before all turns.

    Of several calls of one reply, the first mask is shown, and the words of all are told.
    """

    def __init__(
        self, loaded: VilaM3, question: str, picture: Pixels, cards: Sequence[SpecialistCard], system: str
    ) -> None:
        self._loaded, self._cards = loaded, tuple(cards)
        self._question, self._picture = question, picture
        self.context = loaded.briefed(system)
        self._numbers: set[str] = set()
        self._called: set[str] = set()
        self._calls: list[Trigger] = []

    @torch.no_grad()
    def reply(self, told: Sequence[Told], *, last: bool) -> str:
        """See :class:`sagittal.specialists.consulting.Voice`."""
        chat = self._loaded.chat
        words = self._question
        picture: Pixels | None = self._picture
        with one_thread(), self._loaded.runtime.autocast():
            if told:
                words = told_again((one.text for one in told), self._question)
                picture = next((one.picture for one in told if one.picture is not None), None)
                self._numbers.update(number for one in told for number in one.numbers)
                self.context.append_tokens(self._ids(chat.again))
            self._hear(picture, words)
            constraint = self._constraint(told, last=last)
            longest = constraint.longest if isinstance(constraint, OneOf) else _LONGEST
            [said] = self.context.generate(max_tokens=longest, stop={chat.end}, constraint=constraint)
        words = " ".join(chat.decode(said).split())
        self._calls = list(dict.fromkeys(find_triggers(words)))
        self._called.update(map(str, self._calls))
        return words if said and said[-1] == chat.end else _whole_sentences(words)

    def _constraint(self, told: Sequence[Told], *, last: bool) -> OneOf | TriggerConstraint:
        """What may be said: of one result, answers that it supports; else words, and calls of the cards."""
        vocabulary, end = self._loaded.vocabulary, self._loaded.chat.end
        if len(told) == len(self._calls) == 1:
            [call] = self._calls
            texts = supported_answers(told[0], call, next(c for c in self._cards if c.name == call.name))
            if texts:
                return OneOf(vocabulary, end, texts)
        return TriggerConstraint(vocabulary, end, () if last else self._cards, self._numbers, self._called)

    def _hear(self, picture: Pixels | None, words: str) -> None:
        loaded, features = self._loaded, None
        device = loaded.runtime.device
        if picture is not None:
            square = squared_pixels(picture, loaded.model.config.encoder.size[0]).to(device) / 255
            features = loaded.model.look(
                square[None, None], torch.ones(1, 1, dtype=torch.bool, device=device)
            )
        asked = padded([loaded.chat.encode(words)]).to(device)
        loaded.model.hear_round(self.context, features, asked, padded([loaded.chat.header]).to(device))

    def _ids(self, ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor([list(ids)], device=self._loaded.runtime.device)


def _whole_sentences(words: str) -> str:
    """What was cut off, up to its last sentence's end; a trigger is whole, too."""
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s|$)|>", words)]
    return words[: ends[-1]] if ends else ""
