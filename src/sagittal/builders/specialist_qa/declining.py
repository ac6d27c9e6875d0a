"""Conversations in which no card suits: nobody knows what is asked, or can see it in these images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sagittal.builders.specialist_qa.offers import Offer, strange_words
from sagittal.builders.specialist_qa.questions import Questions
from sagittal.builders.specialist_qa.shown import KINDS_GIVEN, Subject, picked
from sagittal.builders.specialist_qa.talks import Talk, Turn
from sagittal.language.specialist_answers import declined
from sagittal.language.specialist_things import IMAGED, Thing
from sagittal.specialists.prompting import asked

#: Share of what no card knows that is a word without a meaning.
UNKNOWN_WORD = 0.25
#: Share of what no card knows that the images might show.
NEAR = 0.7
#: Share of things that a card may know, and that are asked of images that do not show them.
_ELSEWHERE = 0.3


class Declining:
    """Makes such conversations.

    Args:
        subject: what they are about.
        questions: the user's words.
    """

    def __init__(self, subject: Subject, questions: Questions) -> None:
        self._subject, self._questions = subject, questions
        things = questions.wordings.things().values()
        self._asked_for = [thing for thing in things if questions.wordings.intents(thing.id)]

    def __call__(self, offers: Sequence[Offer], shown: str | None, rng: np.random.Generator) -> Talk | None:
        """A conversation; ``None`` where the cards know what was drawn.

        Args:
            offers: the cards.
            shown: what all images show; anything without.
            rng: of the draws.
        """
        found = self._beyond(offers, shown, rng) if shown else self._unseen(offers, rng)
        if found is None:
            return None
        thing, given = found
        kinds = self._subject.kinds(given, rng)
        wordings = self._questions.wordings
        intent = picked(wordings.intents(thing.id), rng)
        asked_for = wordings.ask(intent, thing.id, rng, self._questions.pool)
        question, name = self._questions.typed(asked_for.question, thing.region, rng), thing.name
        if asked_for.phrase and rng.random() < UNKNOWN_WORD:
            name = strange_words(rng)
            question = asked_for.question.replace(asked_for.phrase, name)
        words = asked(question, kinds, pictures=self._subject.flat(given))
        return Talk((Turn(words, declined(name), self._subject.picture(given, rng)),), "declined")

    def _beyond(
        self, offers: Sequence[Offer], shown: str, rng: np.random.Generator
    ) -> tuple[Thing, str] | None:
        """Something that no card knows, mostly of what the images show."""
        beyond = [t for t in self._asked_for if not any(might_know(offer, t) for offer in offers)]
        near = [thing for thing in beyond if IMAGED[thing.region] == shown]
        among = near if near and rng.random() < NEAR else beyond
        return (picked(among, rng), shown) if among else None

    def _unseen(self, offers: Sequence[Offer], rng: np.random.Generator) -> tuple[Thing, str] | None:
        """Something of other images than those that are given, or something that no card knows."""
        thing = picked(self._asked_for, rng)
        given = IMAGED[thing.region]
        if any(might_know(offer, thing) for offer in offers) or rng.random() < _ELSEWHERE:
            given = picked([other for other in KINDS_GIVEN if other != given], rng)
        known = any(might_know(o, thing) for o in offers if IMAGED[o.region] == given)
        return None if known else (thing, given)


def might_know(offer: Offer, thing: Thing) -> bool:
    """Whether a card has the thing, or one that answers in its place."""
    if offer.strange:
        return False
    # General arguments draw more than they are called: everything has the liver in it.
    if _single(thing.name) in {_single(label) for label in offer.card.labels}:
        return True
    names = {known.partition("/")[2] for known in offer.things.values()}
    fits = bool(names & {thing.name, *thing.fits})
    return fits or (offer.is_reader and thing.region in ("finding", "film"))


def _single(name: str) -> str:
    """A structure's name without its side and its plural."""
    return name.lower().removeprefix("left ").removeprefix("right ").removesuffix("s")
