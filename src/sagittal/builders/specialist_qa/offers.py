"""Cards as training shows them: those that ship, under other names, with fewer arguments, and made-up ones.

A model that was only ever shown the same cards would learn their names by heart; one that meets new names
and arguments all the time has to read them. Some made-up cards outline what has no meaning at all: nothing
but the card tells who is called for a "kalomi".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from sagittal.language.specialist_things import IMAGED, Region
from sagittal.language.specialist_wordings import SpecialistWordings
from sagittal.specialists.card import SpecialistCard

T = TypeVar("T")

#: Card → region of the things that it is asked for.
REGION_OF: Mapping[str, Region] = {
    "DeepBET": "brain", "BRATS": "brain", "Eyes": "brain", "MeshNet": "brain", "TumourType": "brain",
    "ChestOrgans": "film", "ChestFindings": "finding", "TorchXRayVision": "finding", "VISTA3D": "ct",
}  # fmt: skip
#: Chances: of another name, of fewer arguments, of a made-up card in the place of one that ships.
RENAMED, FEWER, MADE_UP = 0.5, 0.4, 0.4
#: Share of made-up cards whose arguments are words without a meaning.
STRANGE = 0.5
_MADE_UP_IMAGES: Mapping[Region, tuple[tuple[tuple[str, ...], ...], ...]] = {
    "brain": ((("t1",),), (("flair",),), (("t1c",), ("flair",)), (("t1", "t1c", "t2", "flair"),)),
    "film": ((("cxr",),),), "finding": ((("cxr",),),), "ct": ((("ct",),),),
}  # fmt: skip
# As often as they know different things.
_MADE_UP_REGIONS: tuple[Region, ...] = ("brain", "brain", "ct", "ct", "ct", "film", "finding")
_STEMS: Mapping[Region, tuple[str, ...]] = {
    "brain": ("Neuro", "Brain", "Head", "Cere", "Lesion", "Cortex", "MR", "Vol"),
    "film": ("Chest", "Thorax", "CXR", "Film", "Cardio", "Lung"),
    "finding": ("Chest", "Find", "CXR", "Film", "Patho", "Rad"),
    "ct": ("CT", "Body", "Organ", "Trunk", "Abdo", "Onco", "Total", "Bone"),
}
_TAILS = (
    "Seg", "Net", "Finder", "Mask", "Former", "Scout", "AI", "Lab", "Vision", "Map", "Scan", "Guide", "Pro"
)  # fmt: skip
_SYLLABLES = (
    "ka", "lo", "mi", "ru", "ta", "ve", "zo", "ne", "pi", "sa", "or", "ix", "um", "el", "dra", "qui"
)  # fmt: skip
_DOES = ("outlines", "segments", "marks", "delineates", "draws")
_TELLS = (
    "tells which findings a chest film shows",
    "lists findings on chest radiographs",
    "reads chest films: findings, yes or no",
    "classifies chest X-rays",
)


@dataclass(frozen=True)
class Offer:
    """A card as it is shown.

    Attributes:
        card: what is shown.
        base: the card that ships, whose results stand in; empty of a made-up one.
        region: of its things.
        arguments: argument shown → argument of the base; itself of a made-up one.
        things: argument shown → id of the thing.
        strange: whether the arguments have no meaning; questions take their form from the things then.
    """

    card: SpecialistCard
    base: str
    region: Region
    arguments: Mapping[str, str]
    things: Mapping[str, str]
    strange: bool = False

    @property
    def is_reader(self) -> bool:
        """Whether it tells findings: any of them is asked of its one argument."""
        return self.region == "finding"


class Offers:
    """Makes sets of cards.

    Args:
        cards: those that ship, by name.
        wordings: of the things.
    """

    def __init__(self, cards: Mapping[str, SpecialistCard], wordings: SpecialistWordings) -> None:
        self._wordings = wordings
        self._cards = {name: card for name, card in cards.items() if name in REGION_OF}
        self._known = wordings.things()

    def draw(self, rng: np.random.Generator, imaged: str | None = None) -> list[Offer]:
        """One to six cards; no two of them know one thing of one kind of image.

        Args:
            rng: of the draws.
            imaged: what all of them look at, volumes or pictures, as where they suit a study; anything when
                ``None``.
        """
        wanted = int(rng.integers(1 if imaged else 2, 7))
        made: list[Offer] = []
        taken: set[str] = set()
        names: set[str] = set()
        for _ in range(4 * wanted):
            offer = self._made_up(rng, imaged) if rng.random() < MADE_UP else self._shipped(rng, imaged)
            own = set() if offer.strange else {_shared(thing) for thing in offer.things.values()}
            if offer.is_reader:
                own.add("film/every finding")
            if own & taken or offer.card.name in names:
                continue
            if imaged and made and offer.card.looks_at != made[0].card.looks_at:
                continue
            made.append(offer)
            taken |= own
            names.add(offer.card.name)
            if len(made) == wanted:
                break
        return made

    def _shipped(self, rng: np.random.Generator, imaged: str | None) -> Offer:
        base = _pick([name for name in sorted(self._cards) if imaged in (None, IMAGED[REGION_OF[name]])], rng)
        card, region = self._cards[base], REGION_OF[base]
        arguments = [a for a in card.arguments if f"{region}/{a}" in self._known or region == "finding"]
        if len(arguments) > 3 and rng.random() < FEWER:
            arguments = sorted(rng.choice(arguments, int(rng.integers(1, len(arguments))), replace=False))
        name = self._name(region, rng) if rng.random() < RENAMED else base
        masks = {a: card.masks[a] for a in arguments} if card.masks else {}
        shown = card.model_copy(
            update={"name": name, "arguments": {a: card.arguments[a] for a in arguments}, "masks": masks}
        )
        things = {a: "finding/findings" if region == "finding" else f"{region}/{a}" for a in arguments}
        return Offer(shown, base, region, {a: a for a in arguments}, things)

    def _made_up(self, rng: np.random.Generator, imaged: str | None) -> Offer:
        region = _pick([r for r in _MADE_UP_REGIONS if imaged in (None, IMAGED[r])], rng)
        name = self._name(region, rng)
        images = _MADE_UP_IMAGES[region][int(rng.integers(len(_MADE_UP_IMAGES[region])))]
        if region == "finding":
            return self._card(name, region, images, {"findings": "finding/findings"}, _pick(_TELLS, rng), rng)
        known = [t for t in self._wordings.things(region).values() if t.kind != "whole"]
        count = min(len(known), int(rng.integers(1, 9)))
        things = [known[n] for n in rng.choice(len(known), count, replace=False)]
        strange = rng.random() < STRANGE
        arguments = {
            (strange_words(rng) if strange else thing.name): thing.id
            for thing in things
            if thing.name.isascii()
        }
        what = ", ".join(list(arguments)[:3]) + (" and more" if len(arguments) > 3 else "")
        where = {"brain": "brain MR", "ct": "CT", "film": "chest films"}[IMAGED[region]]
        offer = self._card(name, region, images, arguments, f"{_pick(_DOES, rng)} {what} on {where}", rng)
        return replace(offer, strange=strange)

    def _card(
        self, name: str, region: Region, images: tuple[tuple[str, ...], ...], things: Mapping[str, str],
        summary: str, rng: np.random.Generator,
    ) -> Offer:  # fmt: skip
        reader = region == "finding"
        card = SpecialistCard.model_validate(
            {
                "schema": "sagittal.specialist/1", "name": name, "summary": summary, "images": images,
                "looks_at": "picture" if IMAGED[region] == "film" else "volume",
                "arguments": {a: a for a in things}, "masks": {} if reader else {a: (a,) for a in things},
                "classes": {"finding": 0.5} if reader else {}, "licence": "none", "source": "made up",
                "cost": {"seconds": 1, "memory_mb": 1},
            }
        )  # fmt: skip
        return Offer(card, "", region, {a: a for a in things}, things)

    def _name(self, region: Region, rng: np.random.Generator) -> str:
        if rng.random() < 0.4:
            made = _strange_word(rng).capitalize()
        else:
            made = _pick(_STEMS[region], rng) + _pick(_TAILS, rng)
        ending = ("", "", "", str(int(rng.integers(2, 10))), "3D", "_v2")[int(rng.integers(6))]
        return made + ending


def strange_words(rng: np.random.Generator) -> str:
    """One word or two that mean nothing."""
    return " ".join(_strange_word(rng) for _ in range(1 if rng.random() < 0.6 else 2))


def _strange_word(rng: np.random.Generator) -> str:
    return "".join(_pick(_SYLLABLES, rng) for _ in range(int(rng.integers(2, 5))))


def _shared(thing: str) -> str:
    """A thing of the image it is seen on."""
    region, _, name = thing.partition("/")
    return f"{IMAGED[region]}/{name}"


def _pick(among: Sequence[T], rng: np.random.Generator) -> T:
    return among[int(rng.integers(len(among)))]
