"""Questions about marked pictures, drawn anew each time: MeCoVQA's from its builder, and what people type.

Kinds are those of the stages' table: captions (stage I); closed, open, choice (presence, modality, plane,
and a published set's own), region, complex (stage II); grounding (stages III and IV).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.pixel_qa.items import (
    Item,
    Situation,
    absent_names,
    category_item,
    complex_item,
    description,
    grounding_item,
    refusal_item,
    region_item,
)
from sagittal.builders.pixel_qa.pointing import POINTING, pointed_at
from sagittal.builders.pixel_qa.records import UNKNOWN, Instance
from sagittal.builders.pixel_qa.rules import Names
from sagittal.builders.vqa_sets.choices import LETTERS, choice_answer, choice_question
from sagittal.train.packaged import packaged_table
from sagittal.train.picture_bank import MarkedPicture

Kind = Literal["captions", "closed", "open", "choice", "category", "region", "complex", "grounding"]
Part = Literal["train", "test"]
Plane = NDArray[np.bool_]
_BRAIN = "brain"
_SPOKEN = {"CT": "CT", "MRI": "MRI", "X-Ray": "X-ray", "Fundus": "fundus photograph"}


@dataclass(frozen=True, eq=False)
class Question:
    """A question of a picture.

    Attributes:
        picture: its number.
        kind: which.
        question: the words.
        answer: words, and names of classes whose masks stand there.
        region: (W, H) that it points at, and how.
        pointed: how: ``mask``, ``points``, ``box``.
        instance: number of the instance that it points at.
        asked: the classes that it is about.
        absent: asked for something that is not there.
    """

    picture: int
    kind: Kind
    question: str
    answer: tuple[str | Mask, ...]
    region: Plane | None = None
    pointed: str | None = None
    instance: int | None = None
    asked: tuple[str, ...] = ()
    absent: bool = False

    @property
    def masks(self) -> tuple[str, ...]:
        """The classes whose masks it is answered with."""
        return tuple(piece.name for piece in self.answer if isinstance(piece, Mask))


def _elsewhere(pictures: Sequence[MarkedPicture]) -> dict[str, list[str]]:
    """Scanned region → classes that it cannot hold: the brain's for all others, and theirs for the brain."""
    inside: dict[bool, set[str]] = {True: set(), False: set()}
    for picture in pictures:
        inside[picture.facts.region == _BRAIN].update(picture.facts.classes)
    regions = {picture.facts.region for picture in pictures} - {UNKNOWN}
    return {region: sorted(inside[region != _BRAIN] - inside[region == _BRAIN]) for region in regions}


@dataclass(frozen=True)
class Mask:
    """The place of a class's mask in an answer."""

    name: str


@dataclass
class Asker:
    """Draws questions.

    Attributes:
        pictures: that are asked about.
        pairs: number of a picture → (kind, question, answer) that its set has.
        part: of the wordings that people type.
        short: share of questions in such wordings, where the builder has others.
    """

    pictures: Sequence[MarkedPicture]
    pairs: Mapping[int, Sequence[tuple[Kind, str, str]]] = field(default_factory=dict)
    part: Part = "train"
    short: float = 0.5

    def __post_init__(self) -> None:
        every = {name for picture in self.pictures for name in picture.facts.classes}
        self._names = Names(every)
        self._of_set: dict[str, tuple[str, ...]] = {}
        for picture in self.pictures:
            own, facts = picture.facts.dataset or "", picture.facts
            self._of_set[own] = tuple(sorted({*self._of_set.get(own, ()), *facts.classes}))
        self._table = packaged_table("picture_questions")
        self._elsewhere = _elsewhere(self.pictures)
        counts = Counter(name for picture in self.pictures for name in picture.facts.classes)
        self._rare = {name: count**-0.5 for name, count in counts.items()}

    def able(self, number: int, kind: Kind) -> bool:
        """Whether a picture can be asked a kind of question."""
        facts = self.pictures[number].facts
        if not facts.classes:
            return any(own == kind for own, _, _ in self.pairs.get(number, ()))
        if kind == "choice":
            return bool(self._not_there(number))
        return kind not in ("category", "region") or any(not i.has_twin for i in self._instances(number))

    def ask(self, number: int, kind: Kind, rng: np.random.Generator) -> Question:
        """A question of a kind that the picture can be asked."""
        own = [pair for pair in self.pairs.get(number, ()) if pair[0] == kind]
        if own:
            _, question, answer = own[int(rng.integers(len(own)))]
            return Question(number, kind, question, (answer,))
        if kind in ("category", "region"):
            return self._region(number, kind, rng)
        if kind == "grounding":
            return self._grounding(number, rng)
        if kind in ("captions", "complex"):
            at = self._at(number, rng)
            item = complex_item(at)
            answer = description(at) if kind == "captions" else item.words
            return Question(number, kind, item.question, (answer,), asked=item.asked)
        return {"closed": self._presence, "open": self._general, "choice": self._choice}[kind](number, rng)

    def region_question(
        self, number: int, instance: int, rng: np.random.Generator, way: str | None = None
    ) -> Question:
        """What is it, of one instance.

        Args:
            number: of the picture.
            instance: its number.
            rng: draws wording, way and place.
            way: of pointing; drawn when ``None``.
        """
        item = category_item(self._at(number, rng), instance)
        return self._pointed(number, "category", item, rng, way)

    # -- kinds ---------------------------------------------------------------------------------

    def _region(self, number: int, kind: Kind, rng: np.random.Generator) -> Question:
        instances = self._instances(number)
        able = [n for n, one in enumerate(instances) if not one.has_twin]
        # Rare classes are pointed at more often than they come.
        weights = np.array([self._rare[instances[n].name] for n in able])
        instance = able[int(rng.choice(len(able), p=weights / weights.sum()))]
        at = self._at(number, rng)
        item = category_item(at, instance) if kind == "category" else region_item(at, instance)
        return self._pointed(number, kind, item, rng, None)

    def _pointed(
        self, number: int, kind: Kind, item: Item, rng: np.random.Generator, way: str | None
    ) -> Question:
        picture, instance = self.pictures[number], item.region
        assert instance is not None, "these questions point at something"
        way = way or POINTING[int(rng.integers(len(POINTING)))]
        own = picture.instance(instance)
        region, way = pointed_at(picture.record.pictures[0].instances, instance, own, way, rng)
        short = kind == "category" and rng.random() < self.short
        question = self._typed(rng, "region", f"region-{way}") if short else item.question
        return Question(number, kind, question, (item.words,), region, way, instance, item.asked)

    def _grounding(self, number: int, rng: np.random.Generator) -> Question:
        at = self._at(number, rng)
        names, missing = at.picture.names, absent_names(at.picture.names, at.others)
        elsewhere = self._elsewhere.get(at.case.region, [])
        if (missing or elsewhere) and rng.random() < 0.2:
            pool = elsewhere if not missing or (elsewhere and rng.random() < 0.3) else missing
            name = pool[int(rng.integers(len(pool)))]
            return self._worded(number, refusal_item(at, name), rng)
        count = 1 if rng.random() < 0.75 else min(len(names), int(rng.integers(2, 4)))
        chosen = tuple(sorted(int(n) for n in rng.permutation(len(names))[:count]))
        return self._worded(number, grounding_item(at, chosen), rng)

    def _worded(self, number: int, item: Item, rng: np.random.Generator) -> Question:
        """A request for masks, often in a few words and by another name."""
        question = item.question
        if rng.random() < self.short:
            named = [self._name(name, rng) for name in item.asked]
            question = self._typed(rng, "grounding").replace("{a}", " and the ".join(named))
        answer = tuple(
            piece if isinstance(piece, str) else Mask(item.asked[self._order(item, at)])
            for at, piece in enumerate(item.answer)
        )
        return Question(number, "grounding", question, answer, asked=item.asked, absent=item.absent)

    @staticmethod
    def _order(item: Item, at: int) -> int:
        """How many masks stand before a place: masks come in the order in which they are asked for."""
        return sum(not isinstance(piece, str) for piece in islice(item.answer, at))

    def _presence(self, number: int, rng: np.random.Generator) -> Question:
        names, missing = self.pictures[number].record.pictures[0].names, self._not_there(number)
        there = not missing or rng.random() < 0.5
        pool = names if there else missing
        name = pool[int(rng.integers(len(pool)))]
        question = self._typed(rng, "presence").replace("{a}", self._name(name, rng))
        return Question(number, "closed", question, ("Yes" if there else "No",), asked=(name,))

    def _general(self, number: int, rng: np.random.Generator) -> Question:
        facts = self.pictures[number].facts
        if facts.orientation == UNKNOWN or rng.random() < 0.5:
            return Question(number, "open", self._typed(rng, "modality"), (_SPOKEN[facts.modality],))
        return Question(number, "open", self._typed(rng, "plane"), (facts.orientation,))

    def _choice(self, number: int, rng: np.random.Generator) -> Question:
        names, wrong = self.pictures[number].record.pictures[0].names, self._not_there(number)
        right = names[int(rng.integers(len(names)))]
        drawn = [wrong[int(n)] for n in rng.permutation(len(wrong))[:3]]
        order = rng.permutation(len(drawn) + 1)
        options = {LETTERS[at]: [right, *drawn][int(n)] for at, n in enumerate(order)}
        label = next(letter for letter, name in options.items() if name == right)
        question = choice_question(self._typed(rng, "choice"), options)
        return Question(number, "choice", question, (choice_answer(options, label),), asked=(right,))

    # -- what they are drawn from ----------------------------------------------------------------

    def _at(self, number: int, rng: np.random.Generator) -> Situation:
        record = self.pictures[number].record
        others = self._of_set[record.dataset or ""] if record.dataset else ()
        others = tuple(name for name in others if name not in self._small(number))
        return Situation(record, record.pictures[0], self._names, others, int(rng.integers(1 << 31)))

    def _instances(self, number: int) -> Sequence[Instance]:
        return self.pictures[number].record.pictures[0].instances

    def _not_there(self, number: int) -> list[str]:
        """Classes that are surely not in a picture: of its own set, and of other parts of the body."""
        at = self._at(number, np.random.default_rng(0))
        own = absent_names(at.picture.names, at.others)
        return [*own, *(name for name in self._elsewhere.get(at.case.region, []) if name not in own)]

    def _small(self, number: int) -> tuple[str, ...]:
        return self.pictures[number].facts.small

    def _name(self, name: str, rng: np.random.Generator) -> str:
        """A class by one of its names, its own half of the time."""
        others = self._table["names"].get(name, [])
        return name if not others or rng.random() < 0.5 else str(others[int(rng.integers(len(others)))])

    def _typed(self, rng: np.random.Generator, *about: str) -> str:
        """A wording of one of the table's lists."""
        own = [wording for name in about for wording in self._table[name][self.part]]
        return str(own[int(rng.integers(len(own)))])
