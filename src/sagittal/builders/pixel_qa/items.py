"""Steps II and III by the grammar: questions of a picture and their answers, all said from step I's record.

Of each picture: one complex question (the whole picture; every class named), one RegionQA-I and one
RegionQA-II (a region pointed at), a request for the mask of each of up to four classes and of two or three
together where there are several, and one request for something that is not there. Which instances and classes
are taken, and every wording, follows from seed, case and picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sagittal.builders.pixel_qa.records import UNKNOWN, CaseRecord, Instance, Picture
from sagittal.builders.pixel_qa.rules import Kind, Names, faults, key_of
from sagittal.builders.tumour_questions import generator_for
from sagittal.errors import LabelError
from sagittal.language.pixel_wordings import the_listed, worded
from sagittal.language.wording import listed

#: Classes of one picture whose masks are asked for one by one.
MAX_GROUNDED = 4
#: Neighbours that the description of a region names.
_MAX_NEIGHBOURS = 3
# A wording may hold a word that is a class of this set; another is drawn then.
_TRIES = 40


@dataclass(frozen=True)
class Item:
    """A question of a picture.

    Attributes:
        kind: which of the paper's.
        question: its words.
        region: number of the instance that is pointed at, or ``None``.
        answer: words, and numbers of classes whose masks stand there.
        asked: the classes that it is about; a complex question is about all.
        absent: asked for something that is not there.
    """

    kind: Kind
    question: str
    answer: tuple[str | int, ...]
    asked: tuple[str, ...]
    region: int | None = None
    absent: bool = False

    @property
    def words(self) -> str:
        """The answer without its masks."""
        return "".join(piece for piece in self.answer if isinstance(piece, str))


@dataclass(frozen=True)
class Situation:
    """A picture with what its case knows, and the classes of the whole set.

    Attributes:
        names: finds classes in words.
        others: classes of its data set, all of which are marked where they are in sight.
    """

    case: CaseRecord
    picture: Picture
    names: Names
    others: tuple[str, ...]
    seed: int

    def rng(self, what: str) -> np.random.Generator:
        """The draws of one question, whoever makes it and when."""
        return generator_for(self.seed, self.case.name, f"{self.picture.name}/{what}")

    def faults(self, item: Item) -> list[str]:
        """See :func:`sagittal.builders.pixel_qa.rules.faults`."""
        return list(
            faults(
                item.kind,
                item.question,
                item.words,
                asked=item.asked,
                present=self.picture.names,
                region=self.case.region,
                names=self.names,
            )
        )


def description(at: Situation) -> str:
    """Step II: what the picture is and what it shows."""
    return worded("describe", at.rng("describe"), modality=at.case.modality, **_meta(at))


def spoken_items(at: Situation) -> Iterator[Item]:
    """The complex question and those about regions."""
    yield complex_item(at)
    able = [n for n, one in enumerate(at.picture.instances) if not one.has_twin]
    for kind, make in (("region-category", category_item), ("region-description", region_item)):
        if able:
            yield make(at, able[int(at.rng(f"{kind}/which").integers(len(able)))])


def complex_item(at: Situation) -> Item:
    """What the whole picture shows; every class is named."""
    return _sound(at, "complex", _complex)


def category_item(at: Situation, number: int) -> Item:
    """RegionQA-I: what an instance is, told by its name alone."""
    return _sound(at, "region-category", _category, number)


def region_item(at: Situation, number: int) -> Item:
    """RegionQA-II: an instance described."""
    return _sound(at, "region-description", _region, number)


def grounding_items(at: Situation) -> Iterator[Item]:
    """Requests for masks: one class, several, and one that is not there (none where that is not known)."""
    names, rng = at.picture.names, at.rng("grounding/which")
    order = [int(n) for n in rng.permutation(len(names))]
    wanted: list[tuple[int, ...]] = [(n,) for n in order[:MAX_GROUNDED]]
    if len(names) > 1:
        several = min(len(names), int(rng.integers(2, 4)))
        wanted.append(tuple(sorted(int(n) for n in rng.permutation(len(names))[:several])))
    for classes in wanted:
        yield grounding_item(at, classes)
    missing = absent_names(names, at.others)
    if missing:
        yield refusal_item(at, missing[int(rng.integers(len(missing)))])


def grounding_item(at: Situation, classes: tuple[int, ...]) -> Item:
    """A request for the masks of some of the picture's classes, by their numbers."""
    return _sound(at, f"grounding/{classes}", _grounding, classes)


def refusal_item(at: Situation, name: str) -> Item:
    """A request for the mask of something that is not there."""
    return _sound(at, "grounding/absent", _refusal, name)


def absent_names(present: Sequence[str], others: Sequence[str]) -> list[str]:
    """Classes that are surely not there: none is a part of a present one's name, or holds one ("kidney")."""
    there = [set(key_of(name)) for name in present]
    return [
        name for name in others if not any(set(key_of(name)) <= t or t <= set(key_of(name)) for t in there)
    ]


def _sound(at: Situation, what: str, make: Callable[..., Item], *arguments: object) -> Item:
    """The first drawing of an item that keeps the rules.

    Raises:
        LabelError: none does, for a class has the name of something else.
    """
    rng = at.rng(what)
    found: list[str] = []
    for _ in range(_TRIES):
        item = make(at, rng, *arguments)
        found = at.faults(item)
        if not found:
            return item
    raise LabelError(
        "No wording of a question keeps the rules with these names of classes.",
        expected="names that mean nothing else: 'lung mass', not 'mass'",
        got=f"{at.picture.name}, {what}: {', '.join(found)}; {', '.join(at.picture.names)}",
        remedy="give the classes fuller names in the table of labels",
    )


def _complex(at: Situation, rng: np.random.Generator) -> Item:
    modality = at.case.modality
    question = worded("complex_question", rng, modality=modality)
    parts = [_placed(at.picture, number) for number in range(len(at.picture.classes))]
    answer = worded("complex_answer", rng, modality=modality, **_meta(at), found=listed(parts))
    return Item("complex", question, (answer,), at.picture.names)


def _category(at: Situation, rng: np.random.Generator, number: int) -> Item:
    name = at.picture.instances[number].name
    return Item("region-category", worded("category_question", rng), (name,), (name,), number)


def _region(at: Situation, rng: np.random.Generator, number: int) -> Item:
    one = at.picture.instances[number]
    near = list(dict.fromkeys(at.picture.instances[n].name for n in one.touches))
    near = [name for name in near if name != one.name]
    more = " among others" if len(near) > _MAX_NEIGHBOURS else ""
    touching = f", and it touches {the_listed(near[:_MAX_NEIGHBOURS])}{more}" if near else ""
    answer = worded(
        "region_answer",
        rng,
        modality=at.case.modality,
        name=one.name,
        place=place_words(one),
        size=f"{share_words(one.share)} of the image",
        next=touching,
    )
    return Item("region-description", worded("region_question", rng), (answer,), (one.name,), number)


def _grounding(at: Situation, rng: np.random.Generator, classes: tuple[int, ...]) -> Item:
    names = [at.picture.names[n] for n in classes]
    question = worded("grounding_question", rng, names=the_listed(names))
    # The masks' places in the sentence are marked by a letter that no name may hold.
    marked = ", ".join(f"the {name} |" for name in names)
    pieces = worded("grounding_answer", rng, found=marked).split("|")
    answer: list[str | int] = [pieces[0]]
    for number, after in zip(classes, pieces[1:], strict=True):
        answer += [number, after]
    return Item("grounding", question, tuple(answer), tuple(names))


def _refusal(at: Situation, rng: np.random.Generator, name: str) -> Item:
    question = worded("grounding_question", rng, names=the_listed([name]))
    return Item("grounding", question, (worded("absent_answer", rng, name=name),), (name,), absent=True)


def _meta(at: Situation) -> dict[str, str]:
    """What the record says of the whole picture; nothing for what is unknown."""
    view, region = at.picture.orientation, at.case.region
    return {
        "view": "" if view == UNKNOWN else f"{view} ",
        "of": "" if region == UNKNOWN else f" of the {region}",
        "names": the_listed(at.picture.names),
    }


def _placed(picture: Picture, number: int) -> str:
    """``the liver in the left part (about 12%)``; several instances of a class one after the other."""
    one = picture.classes[number]
    places = [
        f"in the {place_words(i)} ({share_words(i.share)} of the image)"
        for i in (picture.instances[n] for n in one.instances)
    ]
    return f"the {one.name} " + " as well as ".join(places)


def place_words(one: Instance) -> str:
    """``centre``; ``left part``; ``upper left part``."""
    return one.place if one.place == "centre" else f"{one.place} part"


def share_words(share: float) -> str:
    """``less than 1%``; ``about 12%``, to the nearest."""
    return "less than 1%" if share < 0.01 else f"about {int(100 * share + 0.5)}%"
