"""Conversations about specialists, made without end: a question, the trigger, what it gave, the answer.

The results are those of specialists that were really run (:mod:`sagittal.builders.consultations`); of cards
whose specialist was not run, and of made-up ones, the trigger alone is learnt. Questions that need none, and
questions that no card suits, are among them (VILA-M3 §3.3, supplement 6.3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np

from sagittal.builders.consultations import CallRecord, CaseRecord
from sagittal.builders.specialist_qa.alone import known_of
from sagittal.builders.specialist_qa.offers import Offer, Offers, strange_words
from sagittal.builders.specialist_qa.talks import Batch, Talk, Turn
from sagittal.language.grammar import Pool
from sagittal.language.specialist_answers import (
    DECLINED,
    Drawn,
    class_answer,
    declined,
    film_answer,
    mask_answer,
)
from sagittal.language.specialist_things import IMAGED, Thing, imaged_of
from sagittal.language.specialist_wordings import PICTURE, SpecialistWordings
from sagittal.language.voxel_everyday import TypingConfig
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.feedback import colour_name
from sagittal.specialists.prompting import ALONE, asked, system_prompt, told_again
from sagittal.specialists.triggers import Trigger, numbers_of
from sagittal.study import KINDS

T = TypeVar("T")

#: Shares of conversations: a specialist is called, none is needed; none suits takes the rest.
CALLED, NOT_NEEDED = 0.54, 0.27
#: Share of batches whose cards all suit the images, as ``sagittal ask`` shows them.
SUITABLE = 0.6
#: Share of what no card knows that is a word without a meaning.
UNKNOWN_WORD = 0.25
#: Share of batches without pictures, twice as large: they teach who is called, at half the price.
UNSEEN = 0.3
#: Share of questions about no picture that come without one.
TEXT_ALONE = 0.25
#: Share of questions to a classifier of findings that are of the film as a whole; of the others, those of
#: findings that it tells.
WHOLE_FILM, TOLD = 0.45, 0.7
#: Share of what no card knows that the images might show.
NEAR = 0.7
_KINDS = {
    "brain": (("t1",), ("t1", "t1c", "t2", "flair"), ("flair",), ("t1", "flair"), ("t1c", "flair"), ("t2",)),
    "film": (("cxr",),), "ct": (("ct",),),
}  # fmt: skip
#: What a classifier of findings can be asked.
_READ = ("presence", "describe", "classify")
_ORGAN = {"brain": "the head", "film": "the chest", "ct": "the trunk"}


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures by number, and what they show.

    Attributes:
        cases: studies with calls: their first picture, and that of each call.
        plain: imaged region → first pictures of studies.
    """

    cases: Sequence[tuple[CaseRecord, int, tuple[int | None, ...]]]
    plain: Mapping[str, Sequence[int]]


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
    """

    def __init__(
        self, shown: Shown, cards: Mapping[str, SpecialistCard], seed: int, batch: int = 16,
        pool: Pool = "train", typing: TypingConfig | None = None, alone: float = 0.0,
    ) -> None:  # fmt: skip
        self._wordings = SpecialistWordings.load()
        self._offers = Offers(cards, self._wordings)
        self._shown, self._cards = shown, cards
        self._seed, self._batch, self._pool, self._typing = seed, batch, pool, typing
        self._alone = alone
        self._study: CaseRecord | None = None
        self._found = known_of(shown.cases)
        self._calls: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for place, (case, _, _) in enumerate(shown.cases):
            for number, call in enumerate(case.calls):
                self._calls[call.specialist, call.argument].append((place, number))
        things = self._wordings.things().values()
        self._asked_for = [thing for thing in things if self._wordings.intents(thing.id)]
        self._findings = [thing.id for thing in self._wordings.things("finding").values()]

    @classmethod
    def of_study(
        cls, case: CaseRecord, cards: Mapping[str, SpecialistCard], seed: int, alone: float = 0.0
    ) -> Self:
        """Conversations about one study, one by one: picture 0 is its first, 1, 2, … those of its calls.

        Of specialists that were not run over it, nothing is asked.
        """
        shown = [n for n, call in enumerate(case.calls, start=1) if call.picture]
        places = tuple(n if n in shown else None for n in range(1, len(case.calls) + 1))
        made = cls(Shown([(case, 0, places)], {}), cards, seed, batch=1, alone=alone)
        made._study = case
        return made

    def __call__(self, number: int) -> Batch:
        """The batch of a number."""
        return self.with_offers(number)[0]

    def with_offers(self, number: int) -> tuple[Batch, list[Offer]]:
        """The batch of a number, and the cards that it shows."""
        rng = np.random.default_rng([self._seed, number])
        if rng.random() < self._alone:
            return Batch(ALONE, tuple(self._by_itself(rng) for _ in range(self._batch))), []
        imaged = self._imaged(rng) if self._study or rng.random() < SUITABLE else None
        offers = self._offers.draw(rng, imaged)
        unseen = self._typing is not None and rng.random() < UNSEEN
        talks = tuple(self._talk(offers, imaged, rng) for _ in range(self._batch * (2 if unseen else 1)))
        if unseen:
            talks = tuple(_first_words(talk) for talk in talks)
        return Batch(system_prompt([offer.card for offer in offers]), talks), offers

    def _talk(self, offers: Sequence[Offer], imaged: str | None, rng: np.random.Generator) -> Talk:
        chance = rng.random()
        found = None
        if chance < CALLED:
            found = self._called(offers, rng)
        elif chance >= CALLED + NOT_NEEDED:
            found = self._declined(offers, imaged, rng)
        return found or self._not_needed(imaged or self._imaged(rng), rng)

    # -- a specialist is called ----------------------------------------------------------------

    def _called(self, offers: Sequence[Offer], rng: np.random.Generator) -> Talk | None:
        offer = offers[int(rng.integers(len(offers)))]
        argument = _pick(list(offer.arguments), rng)
        thing = self._of_film(offer, rng) if offer.is_reader else offer.things[argument]
        intents = self._wordings.intents(thing)
        if offer.is_reader:
            intents = tuple(i for i in intents if i in _READ)
        if not intents:
            return None
        intent = _pick(intents, rng)
        # What is meant is said first; the card then tells how to go on.
        trigger = f"{argument}: {Trigger(offer.card.name, argument)}"
        known = self._calls.get((offer.base, offer.arguments[argument])) if offer.base else None
        if known and (offer.is_reader or intent != "describe" or rng.random() < 0.5):
            place, number = known[int(rng.integers(len(known)))]
            case, first, pictures = self._shown.cases[place]
            words = self._question(intent, thing, case.kinds, case.looks_at, rng)
            told = case.calls[number]
            text = told.text.replace(f"{told.specialist}(", f"{offer.card.name}(").replace(
                f"{told.specialist}:", f"{offer.card.name}:"
            )
            answer = self._answer(offer, told, intent, thing, rng)
            again = told_again([text], words)
            turns = (Turn(words, trigger, first), Turn(again, answer, pictures[number]))
            return Talk(turns, f"call/{offer.base}")
        if self._study:
            return None
        kinds = tuple(_pick(slot, rng) for slot in offer.card.images)
        instead = argument if offer.strange else ""
        words = self._question(intent, thing, kinds, offer.card.looks_at, rng, instead)
        if offer.strange and instead not in words:
            return None
        return Talk((Turn(words, trigger, self._picture(IMAGED[offer.region], rng)),), "call/trigger")

    def _of_film(self, offer: Offer, rng: np.random.Generator) -> str:
        """The film as a whole, or a finding, mostly one that the card's specialist tells."""
        if rng.random() < WHOLE_FILM:
            return "film/findings"
        told = [name for name in self._findings if name.partition("/")[2] in offer.card.classes]
        return _pick(told if told and rng.random() < TOLD else self._findings, rng)

    def _answer(
        self, offer: Offer, told: CallRecord, intent: str, thing: str, rng: np.random.Generator
    ) -> str:
        if told.failed:
            return f"{DECLINED} {told.text.partition(': ')[2].removesuffix('.')}."
        name = self._wordings.things()[thing].name
        if told.classes:
            # In the order in which they are told.
            labels = sorted(told.classes, key=told.text.index)
            positive = {label: told.classes[label][1] for label in labels}
            if self._cards[offer.base].exclusive:
                return class_answer(positive)
            return film_answer(positive, intent, name, rng)
        return mask_answer(intent, name, _drawn(told, self._cards[offer.base]), told.whole, rng)

    # -- none is called ------------------------------------------------------------------------

    def _not_needed(self, imaged: str, rng: np.random.Generator) -> Talk:
        kinds = self._given(imaged, rng)
        found = self._wordings.no_call(rng, self._pool, region=imaged, image=kinds[0])
        while numbers_of(found.answer or ""):
            # What no step computed cannot be said.
            found = self._wordings.no_call(rng, self._pool, region=imaged, image=kinds[0])
        answer = found.answer or _of_picture(found.kind, imaged, kinds)
        if self._typing is not None and found.answer and rng.random() < TEXT_ALONE:
            return Talk((Turn(found.question, answer),), f"none/{found.kind}")
        # Choices stand on lines of their own; of a patient, only questions about a picture say something.
        question = (
            found.question
            if found.kind == "exam"
            else self._typed(found.question, imaged if found.kind in PICTURE else None, rng)
        )
        words = asked(question, kinds, pictures=self._flat(imaged))
        return Talk((Turn(words, answer, self._picture(imaged, rng)),), f"none/{found.kind}")

    def _declined(self, offers: Sequence[Offer], shown: str | None, rng: np.random.Generator) -> Talk | None:
        """Something that no card knows, or that the one which knows it cannot see in these images."""
        found = self._beyond(offers, shown, rng) if shown else self._unseen(offers, rng)
        if found is None:
            return None
        thing, given = found
        kinds = self._given(given, rng)
        intent = _pick(self._wordings.intents(thing.id), rng)
        asked_for = self._wordings.ask(intent, thing.id, rng, self._pool)
        question, name = self._typed(asked_for.question, thing.region, rng), thing.name
        if asked_for.phrase and rng.random() < UNKNOWN_WORD:
            name = strange_words(rng)
            question = asked_for.question.replace(asked_for.phrase, name)
        words = asked(question, kinds, pictures=self._flat(given))
        return Talk((Turn(words, declined(name), self._picture(given, rng)),), "declined")

    def _beyond(
        self, offers: Sequence[Offer], shown: str, rng: np.random.Generator
    ) -> tuple[Thing, str] | None:
        """Something that no card knows, mostly of what the images show."""
        beyond = [t for t in self._asked_for if not any(self._might_know(o, t) for o in offers)]
        near = [thing for thing in beyond if IMAGED[thing.region] == shown]
        among = near if near and rng.random() < NEAR else beyond
        return (_pick(among, rng), shown) if among else None

    def _unseen(self, offers: Sequence[Offer], rng: np.random.Generator) -> tuple[Thing, str] | None:
        """Something of other images than those that are given, or something that no card knows."""
        thing = _pick(self._asked_for, rng)
        given = IMAGED[thing.region]
        if any(self._might_know(offer, thing) for offer in offers) or rng.random() < 0.3:
            given = _pick([other for other in _KINDS if other != given], rng)
        known = any(self._might_know(o, thing) for o in offers if IMAGED[o.region] == given)
        return None if known else (thing, given)

    def _might_know(self, offer: Offer, thing: Thing) -> bool:
        """Whether a card has the thing, or one that answers in its place."""
        if offer.strange:
            return False
        # General arguments draw more than they are called: everything has the liver in it.
        if _single(thing.name) in {_single(label) for label in offer.card.labels}:
            return True
        names = {known.partition("/")[2] for known in offer.things.values()}
        fits = bool(names & {thing.name, *thing.fits})
        return fits or (offer.is_reader and thing.region in ("finding", "film"))

    # -- no specialist may be called -------------------------------------------------------------

    def _by_itself(self, rng: np.random.Generator) -> Talk:
        if rng.random() < NOT_NEEDED or not self._found:
            return self._not_needed(self._imaged(rng), rng)
        known = _pick(self._found, rng)
        table = self._wordings.things()
        thing = _pick([name for name in known.things() if name in table], rng)
        intents = [i for i in ("presence", "side", "size", "describe") if i in self._wordings.intents(thing)]
        intent = _pick([i for i in intents if i in _READ or not known.call.classes], rng)
        words = self._question(intent, thing, known.case.kinds, known.case.looks_at, rng)
        answer = known.answer(intent, table[thing].name, rng)
        return Talk((Turn(words, answer, known.first),), f"alone/{known.call.specialist}")

    # -- words ---------------------------------------------------------------------------------

    def _question(
        self, intent: str, thing: str, kinds: Sequence[str], looks_at: str, rng: np.random.Generator,
        instead: str = "",
    ) -> str:  # fmt: skip
        """A question; ``instead`` takes the place of the thing's words where they stand as they are."""
        found = self._wordings.ask(intent, thing, rng, self._pool, image=kinds[0])  # type: ignore[arg-type]
        if instead:
            # As it is: what is typed badly may be the very word that is to be found in a card.
            stated = found.question.replace(found.phrase, instead) if found.phrase else ""
            return asked(stated, kinds, pictures=looks_at == "picture")
        typed = self._typed(found.question, thing.partition("/")[0], rng)
        return asked(typed, kinds, pictures=looks_at == "picture")

    def _typed(self, question: str, region: str | None, rng: np.random.Generator) -> str:
        if self._typing is None:
            return question
        return self._wordings.typed(question, rng, self._typing, region)

    def _imaged(self, rng: np.random.Generator) -> str:
        """What a conversation's images show: film, brain or CT."""
        if self._study is None:
            return _pick(list(_KINDS), rng)
        return imaged_of(self._study.kinds[0])

    def _given(self, imaged: str, rng: np.random.Generator) -> Sequence[str]:
        return _pick(_KINDS[imaged], rng) if self._study is None else self._study.kinds

    def _flat(self, imaged: str) -> bool:
        return imaged == "film" if self._study is None else self._study.looks_at == "picture"

    def _picture(self, imaged: str, rng: np.random.Generator) -> int:
        if self._study:
            return 0
        plain = self._shown.plain[imaged]
        return int(plain[int(rng.integers(len(plain)))])


def _single(name: str) -> str:
    """A structure's name without its side and its plural."""
    return name.lower().removeprefix("left ").removeprefix("right ").removesuffix("s")


def _first_words(talk: Talk) -> Talk:
    """A conversation's first turn without its picture."""
    return replace(talk, turns=(replace(talk.turns[0], picture=None),))


def _drawn(told: CallRecord, card: SpecialistCard) -> list[Drawn]:
    found = []
    for region in told.regions:
        size = next((fact for fact in region.facts if fact[0].isdigit()), "")
        side = next((fact for fact in region.facts if not fact[0].isdigit()), "")
        colour = colour_name(card.labels.index(region.label) + 1)
        found.append(Drawn(region.label, colour, size, side, of_picture="%" in size))
    return found


def _of_picture(kind: str, imaged: str, kinds: Sequence[str]) -> str:
    """What follows from the kinds of image that are given."""
    if kind in ("modality", "sequence"):
        return f"The modality: {KINDS[kinds[0]]}."
    if kind == "contrast":
        return "Yes, contrast was given." if "t1c" in kinds else "Nothing says that contrast was given."
    if kind == "organ":
        return f"It shows {_ORGAN[imaged]}."
    if kind == "plane":
        return "It is a frontal film." if imaged == "film" else "An axial slice is shown."
    return f"{DECLINED} the file's header tells that, not the picture: sagittal info shows it."


def _pick(among: Sequence[T], rng: np.random.Generator) -> T:
    return among[int(rng.integers(len(among)))]
