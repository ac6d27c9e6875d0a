"""Conversations about specialists, made without end, as batches that one system prompt opens.

A specialist is called (:mod:`called`), none is needed (:mod:`not_needed`), no card suits (:mod:`declining`),
or none may be called (:mod:`alone`): VILA-M3 §3.3, supplement 6.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from sagittal.builders.consultation_bank import CaseRecord
from sagittal.builders.specialist_qa.alone import known_of
from sagittal.builders.specialist_qa.called import READ, Called
from sagittal.builders.specialist_qa.declining import Declining
from sagittal.builders.specialist_qa.not_needed import not_needed
from sagittal.builders.specialist_qa.offers import Offer, Offers
from sagittal.builders.specialist_qa.questions import Questions
from sagittal.builders.specialist_qa.shown import AnyStudy, OneStudy, Shown, Subject, picked
from sagittal.builders.specialist_qa.talks import Batch, Talk, Turn
from sagittal.language.grammar import Pool
from sagittal.language.specialist_intents import Intent
from sagittal.language.specialist_wordings import SpecialistWordings
from sagittal.language.voxel_everyday import TypingConfig
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.prompting import ALONE, system_prompt

#: Shares of conversations: a specialist is called, none is needed; none suits takes the rest.
CALLED, NOT_NEEDED = 0.54, 0.27
#: Share of batches without pictures, twice as large: they teach calling and reading, at half the price.
UNSEEN = 0.6
# What the picture alone is asked.
_ALONE_INTENTS: tuple[Intent, ...] = ("presence", "side", "size", "describe")


class TalkMaker:
    """Makes batches by number alone.

    Args:
        shown: pictures and calls.
        cards: that ship, by name.
        seed: of all draws.
        batch: conversations of a batch; of one without pictures, twice as many.
        pool: which wordings.
        typing: what is done to them; nothing when ``None``.
        alone: share of batches in which no specialist may be called.
        subject: what conversations are about; any of the studies when ``None``.
    """

    def __init__(
        self, shown: Shown, cards: Mapping[str, SpecialistCard], seed: int, batch: int = 16,
        pool: Pool = "train", typing: TypingConfig | None = None, alone: float = 0.0,
        subject: Subject | None = None,
    ) -> None:  # fmt: skip
        wordings = SpecialistWordings.load()
        self._offers = Offers(cards, wordings)
        self._questions = Questions(wordings, pool, typing)
        self._subject: Subject = AnyStudy(shown) if subject is None else subject
        self._called = Called(self._subject, shown, cards, self._questions)
        self._declining = Declining(self._subject, self._questions)
        self._seed, self._batch, self._alone = seed, batch, alone
        self._found = known_of(shown.cases)

    @classmethod
    def of_study(
        cls, case: CaseRecord, cards: Mapping[str, SpecialistCard], seed: int, alone: float = 0.0
    ) -> Self:
        """Conversations about one study, one by one: picture 0 is its first, 1, 2, … those of its calls.

        Of specialists that were not run over it, nothing is asked.
        """
        places = tuple(n if call.picture else None for n, call in enumerate(case.calls, start=1))
        return cls(Shown([(case, 0, places)], {}), cards, seed, batch=1, alone=alone, subject=OneStudy(case))

    def __call__(self, number: int) -> Batch:
        """The batch of a number."""
        return self.with_offers(number)[0]

    def with_offers(self, number: int) -> tuple[Batch, list[Offer]]:
        """The batch of a number, and the cards that it shows."""
        rng = np.random.default_rng([self._seed, number])
        if rng.random() < self._alone:
            return Batch(ALONE, tuple(self._by_itself(rng) for _ in range(self._batch))), []
        imaged = self._subject.of_batch(rng)
        offers = self._offers.draw(rng, imaged)
        unseen = self._questions.typing is not None and rng.random() < UNSEEN
        talks = tuple(self._talk(offers, imaged, rng) for _ in range(self._batch * (2 if unseen else 1)))
        if unseen:
            talks = tuple(_words_alone(talk) for talk in talks)
        return Batch(system_prompt([offer.card for offer in offers]), talks), offers

    def _talk(self, offers: Sequence[Offer], imaged: str | None, rng: np.random.Generator) -> Talk:
        chance = rng.random()
        found = None
        if chance < CALLED:
            found = self._called(offers, rng)
        elif chance >= CALLED + NOT_NEEDED:
            found = self._declining(offers, imaged, rng)
        return found or self._not_needed(imaged or self._subject.imaged(rng), rng)

    def _not_needed(self, imaged: str, rng: np.random.Generator) -> Talk:
        return not_needed(self._subject, self._questions, imaged, rng)

    def _by_itself(self, rng: np.random.Generator) -> Talk:
        """No specialist may be called."""
        if rng.random() < NOT_NEEDED or not self._found:
            return self._not_needed(self._subject.imaged(rng), rng)
        known = picked(self._found, rng)
        wordings = self._questions.wordings
        table = wordings.things()
        thing = picked([name for name in known.things() if name in table], rng)
        intents = [intent for intent in _ALONE_INTENTS if intent in wordings.intents(thing)]
        intent = picked([i for i in intents if i in READ or not known.call.classes], rng)
        words = self._questions.ask(intent, thing, known.case.kinds, known.case.looks_at, rng)
        answer = known.answer(intent, table[thing].name)
        return Talk((Turn(words, answer, known.first),), f"alone/{known.call.specialist}")


def _words_alone(talk: Talk) -> Talk:
    """A conversation without its pictures."""
    return replace(talk, turns=tuple(replace(turn, picture=None) for turn in talk.turns))
