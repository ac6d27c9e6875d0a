"""Conversations in which a specialist is called: the question, the trigger, what it gave, the answer.

The results are those of specialists that were really run; of cards whose specialist was not run, and of
made-up ones, the trigger is learnt, and how to read a result that is imagined (:mod:`imagined`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from sagittal.builders.consultation_bank import CallRecord
from sagittal.builders.specialist_qa.imagined import imagined
from sagittal.builders.specialist_qa.offers import Offer
from sagittal.builders.specialist_qa.questions import Questions
from sagittal.builders.specialist_qa.shown import Shown, Subject, picked
from sagittal.builders.specialist_qa.talks import Talk, Turn
from sagittal.language.specialist_answers import DECLINED, Drawn, class_answer, film_answer, mask_answer
from sagittal.language.specialist_intents import Intent
from sagittal.language.specialist_things import IMAGED
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.feedback import colour_name
from sagittal.specialists.prompting import told_again
from sagittal.specialists.suiting import suits
from sagittal.specialists.triggers import Trigger

#: Share of conversations for which a specialist is chosen among those that were run, where there is one.
RAN = 0.4
#: Share of calls of specialists that were not run to which a result is imagined.
IMAGINED = 0.85
#: What a classifier of findings can be asked.
READ = ("presence", "describe", "classify")
#: Share of questions to a classifier of findings that are of the film as a whole; of the others, those of
#: findings that it tells.
WHOLE_FILM, TOLD = 0.45, 0.7
#: Share of descriptions that end with the trigger, though the specialist was run.
_UNDESCRIBED = 0.5


class Called:
    """Makes such conversations.

    Args:
        subject: what they are about.
        shown: calls that were made, with their pictures.
        cards: that ship, by name.
        questions: the user's words.
    """

    def __init__(
        self, subject: Subject, shown: Shown, cards: Mapping[str, SpecialistCard], questions: Questions
    ) -> None:
        self._subject, self._shown, self._cards, self._questions = subject, shown, cards, questions
        self._things = questions.wordings.things()
        self._findings = list(questions.wordings.things("finding"))
        self._ran = {call.specialist for case, _, _ in shown.cases for call in case.calls}
        self._calls: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for place, (case, _, _) in enumerate(shown.cases):
            for number, call in enumerate(case.calls):
                if call.specialist not in cards:
                    continue
                # What cannot look at a study is not offered to who asks about it, either.
                if suits(cards[call.specialist], case.kinds, case.looks_at == "picture"):
                    self._calls[call.specialist, call.argument].append((place, number))

    def __call__(self, offers: Sequence[Offer], rng: np.random.Generator) -> Talk | None:
        """A conversation about one of the cards' things; ``None`` where nothing can be asked of it."""
        ran = [offer for offer in offers if offer.base in self._ran]
        offer = picked(ran if ran and rng.random() < RAN else offers, rng)
        argument = picked(list(offer.arguments), rng)
        thing = self._of_film(offer, rng) if offer.is_reader else offer.things[argument]
        intents = self._questions.wordings.intents(thing)
        if offer.is_reader:
            intents = tuple(i for i in intents if i in READ)
        if not intents:
            return None
        intent = picked(intents, rng)
        known = self._calls.get((offer.base, offer.arguments[argument])) if offer.base else None
        if known and (offer.is_reader or intent != "describe" or rng.random() < _UNDESCRIBED):
            return self._answered(offer, argument, thing, intent, picked(known, rng), rng)
        return self._not_run(offer, argument, thing, intent, rng) if self._subject.imagined else None

    def _answered(
        self, offer: Offer, argument: str, thing: str, intent: Intent, call: tuple[int, int],
        rng: np.random.Generator,
    ) -> Talk:  # fmt: skip
        place, number = call
        case, first, pictures = self._shown.cases[place]
        words = self._questions.ask(intent, thing, case.kinds, case.looks_at, rng)
        told, shown_as = case.calls[number], offer.card.name
        text = told.text.replace(f"{told.specialist}(", f"{shown_as}(")
        text = text.replace(f"{told.specialist}:", f"{shown_as}:")
        answer = self._answer(offer, told, intent, thing)
        second = Turn(told_again([text], words), answer, pictures[number])
        return Talk((Turn(words, _call(offer, argument), first), second), f"call/{offer.base}")

    def _not_run(
        self, offer: Offer, argument: str, thing: str, intent: Intent, rng: np.random.Generator
    ) -> Talk | None:
        kinds = tuple(picked(slot, rng) for slot in offer.card.images)
        instead = argument if offer.strange else ""
        words = self._questions.ask(intent, thing, kinds, offer.card.looks_at, rng, instead)
        if offer.strange and instead not in words:
            return None
        picture = self._subject.picture(IMAGED[offer.region], rng)
        first = Turn(words, _call(offer, argument), picture)
        found = imagined(offer, argument, rng) if rng.random() < IMAGINED else None
        if found is None:
            return Talk((first,), "call/trigger")
        text, drawn = found
        name = argument if offer.strange else self._things[thing].name
        second = Turn(told_again([text], words), mask_answer(intent, name, drawn, ()))
        return Talk((first, second), "call/imagined")

    def _of_film(self, offer: Offer, rng: np.random.Generator) -> str:
        """The film as a whole, or a finding, mostly one that the card's specialist tells."""
        if rng.random() < WHOLE_FILM:
            return "film/findings"
        told = [name for name in self._findings if name.partition("/")[2] in offer.card.classes]
        return picked(told if told and rng.random() < TOLD else self._findings, rng)

    def _answer(self, offer: Offer, told: CallRecord, intent: str, thing: str) -> str:
        if told.failed:
            return f"{DECLINED} {told.text.partition(': ')[2].removesuffix('.')}."
        name = self._things[thing].name
        if told.classes:
            # In the order in which they are told.
            labels = sorted(told.classes, key=told.text.index)
            positive = {label: told.classes[label][1] for label in labels}
            if self._cards[offer.base].exclusive:
                return class_answer(positive)
            return film_answer(positive, name)
        return mask_answer(intent, name, _drawn(told, self._cards[offer.base]), told.whole)


def _call(offer: Offer, argument: str) -> str:
    """What is meant is said first; the card then tells how to go on."""
    return f"{argument}: {Trigger(offer.card.name, argument)}"


def _drawn(told: CallRecord, card: SpecialistCard) -> list[Drawn]:
    return [
        Drawn.of(region.label, colour_name(card.labels.index(region.label) + 1), region.facts)
        for region in told.regions
    ]
