"""Things that users ask specialists for: organs, pathologies, findings, and people's words for each.

The tables lie in ``grammars/specialist_questions/things``; ``brain.yaml`` says what their fields are. A
thing's id is its region and its name, such as ``ct/liver``: regions that are looked at on one image share no
phrase, others may ("heart" of a film and of a CT), and the image then tells which one is meant. A phrase is
withheld from training everywhere or nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sagittal.errors import ConfigError
from sagittal.language.voxel_wordings import Phrase, held_back

FOLDER = Path(__file__).parent / "grammars" / "specialist_questions" / "things"
Region = Literal["brain", "film", "finding", "ct"]
REGIONS: tuple[Region, ...] = get_args(Region)
Kind = Literal["organ", "shadow", "pathology", "finding", "whole"]
SIDES = ("left", "right")
#: What a finding is seen on, and so shares its phrases with.
IMAGED: Mapping[str, str] = {"brain": "brain", "film": "film", "finding": "film", "ct": "ct"}
#: Ways to name one of a pair; {} is the thing. Those marked True are withheld from training.
_SIDED = (
    ("{side} {}", False),
    ("{side} {}", False),
    ("{} on the {side}", False),
    ("{side}-sided {}", False),
    ("{letter} {}", False),
    ("{short} {}", False),
    ("{} ({side})", False),
    ("{side} side {}", True),
)
_SIDE_IS_SAID = re.compile(r"\b(left|right|both|bilateral|two|multiple)\b")
_SHORT = {"left": "lt", "right": "rt"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def imaged_of(kind: str) -> str:
    """What an image of a kind shows (:data:`sagittal.study.KINDS`): film, CT or brain."""
    return {"cxr": "film", "ct": "ct"}.get(kind, "brain")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    change: str | None = None
    paired: bool = False
    removable: bool = False
    without: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    own: float = Field(default=0.5, gt=0, le=1)
    one: tuple[str, ...] = ()
    many: tuple[str, ...] = ()
    mass: tuple[str, ...] = ()
    fits: tuple[str, ...] = ()
    part: tuple[str, ...] = ()
    sides: dict[Literal["left", "right"], str] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.one, *self.many, *self.mass)


class _Words(NamedTuple):
    """Words that things of many kinds share: for changes of size, and for places, by imaged region."""

    changes: Mapping[str, Mapping[str, tuple[Phrase, ...]]]
    parts: Mapping[str, Sequence[str]]
    halves: Mapping[str, tuple[Phrase, ...]]


@dataclass(frozen=True)
class Thing:
    """One thing.

    Attributes:
        id: ``region/name``.
        region: what it is part of; findings of a chest film are a region of their own.
        name: as a card's argument or class calls it.
        kind: anatomy of a volume or of a film, pathology, finding of a film, or only in questions of its own.
        phrases: words for it, without an article; those for it and its like alike.
        paired: whether there is a left and a right one, or it may be on either side.
        removable: whether surgery may have taken it out.
        without: intents and styles whose common questions do not fit it.
        styles: its own styles of question, and ``own``, the share of them.
        fits: other things that answer the same question where nobody knows this one.
        sides: side → what a card calls that one, where it has an argument of its own.
        change: words for what its size may have become: ``big`` adjectives and ``growth`` nouns.
        part: words for where in the body it may lie.
        half: words for what has a left and a right one there; none in the trunk.
    """

    id: str
    region: Region
    name: str
    kind: Kind
    phrases: tuple[Phrase, ...]
    paired: bool
    removable: bool
    without: tuple[str, ...]
    styles: tuple[str, ...]
    own: float
    fits: tuple[str, ...]
    sides: Mapping[str, str]
    change: Mapping[str, tuple[Phrase, ...]]
    part: tuple[Phrase, ...]
    half: tuple[Phrase, ...]

    def sided(self, side: str) -> tuple[Phrase, ...]:
        """Words for the left or the right one.

        Raises:
            ConfigError: it is no pair, or that is no side.
        """
        if not self.paired or side not in SIDES:
            raise ConfigError("This has no such side.", expected=f"a pair, and {SIDES}", got=(self.id, side))
        free = [p for p in self.phrases if not _SIDE_IS_SAID.search(p.text)]
        single = [p for p in free if not p.plural] or free
        return tuple(
            Phrase(
                pattern.format(phrase.text, side=side, letter=side[0].upper(), short=_SHORT[side]),
                plural=phrase.plural,
                withheld=withheld or phrase.withheld,
                mass=phrase.mass,
            )
            for pattern, withheld in _SIDED
            for phrase in single
        )


@dataclass(frozen=True)
class ThingTable:
    """All things, and how people speak of an image of each region.

    Attributes:
        things: by id, in the tables' order.
        images: imaged region → kind of image (``any`` always) → words for it, with an article.
    """

    things: Mapping[str, Thing]
    images: Mapping[str, Mapping[str, tuple[Phrase, ...]]]

    def __getitem__(self, thing: str) -> Thing:
        """The thing of an id.

        Raises:
            ConfigError: there is none.
        """
        if thing not in self.things:
            raise ConfigError("There is no such thing to ask for.", expected="an id of the table", got=thing)
        return self.things[thing]

    def image_words(self, region: str, image: str = "any") -> dict[str, tuple[Phrase, ...]]:
        """What fills ``{img}`` and ``{scan}``; a kind of image without words of its own counts as any."""
        known = self.images[IMAGED[region]]
        words = known.get(image, known["any"])
        places = [Phrase(f"{where} {w.text}", withheld=w.withheld) for where in ("on", "in") for w in words]
        single = tuple(w for w in words if not w.plural)
        return {"img": single, "scan": (*places, Phrase("here"))}


@cache
def thing_table() -> ThingTable:
    """The shipped tables, read once a process.

    Raises:
        ConfigError: an entry is not in the format, or a name occurs twice.
    """
    shared = _read(FOLDER / "regions.yaml")
    entries = _entries()
    kept = _withheld(entries, shared["everyday"])
    words = _Words(
        {
            name: {slot: _phrases(texts, f"{name} {slot}") for slot, texts in own.items()}
            for name, own in shared["changes"].items()
        },
        {name: own["part"] for name, own in shared["regions"].items()},
        _halves(shared["regions"]),
    )
    things = {name: _thing(name, entry, kept, words) for name, entry in entries.items()}
    return ThingTable(things, _images(shared["regions"]))


def _entries() -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        table = _read(path)
        for name, fields in table.get("things", {}).items():
            owner = f"{table['region']}/{name}"
            if owner in found:
                raise ConfigError("A thing occurs twice in the tables.", got=owner)
            try:
                found[owner] = _Entry.model_validate(fields)
            except ValidationError as error:
                raise ConfigError(f"A thing is not in the format: {error}", got=owner) from error
            if bool(found[owner].texts) == (found[owner].kind == "whole"):
                raise ConfigError("A thing has words, unless it is only in questions of its own.", got=owner)
    return found


def _withheld(entries: Mapping[str, _Entry], everyday: Iterable[str]) -> frozenset[str]:
    """A tenth of each thing's words, in lower case, but never the first or one that most people say."""
    common = {texts[0].lower() for e in entries.values() for texts in (e.one, e.many, e.mass) if texts}
    common |= {text.lower() for text in everyday}
    kept = {
        text.lower()
        for owner, e in entries.items()
        for text in held_back([t for t in e.texts if t.lower() not in common], owner)
    }
    return frozenset(kept)


def _images(regions: Mapping[str, Any]) -> dict[str, dict[str, tuple[Phrase, ...]]]:
    # One choice for all regions: "the scan" is withheld of each or of none.
    every = {
        t for own in regions.values() for table in ("images", "many") for k in own[table].values() for t in k
    }
    kept = held_back(sorted(every), "images")
    return {
        region: {
            kind: (
                *(Phrase(text, withheld=text in kept) for text in texts),
                *(Phrase(text, True, text in kept) for text in own["many"].get(kind, ())),
            )
            for kind, texts in own["images"].items()
        }
        for region, own in regions.items()
    }


def _halves(regions: Mapping[str, Any]) -> dict[str, tuple[Phrase, ...]]:
    kept = held_back(sorted({text for own in regions.values() for text in own["half"]}), "half")
    return {
        region: tuple(Phrase(text, withheld=text in kept) for text in own["half"])
        for region, own in regions.items()
    }


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    return read


def _thing(owner: str, entry: _Entry, kept: frozenset[str], words: _Words) -> Thing:
    region, name = owner.split("/")
    if region not in REGIONS or (entry.change is not None and entry.change not in words.changes):
        raise ConfigError("A thing speaks of a region or a change that there is not.", got=owner)
    return Thing(
        id=owner,
        region=region,
        name=name,
        kind=entry.kind,
        phrases=(
            *(Phrase(text, False, text.lower() in kept) for text in entry.one),
            *(Phrase(text, True, text.lower() in kept) for text in entry.many),
            *(Phrase(text, False, text.lower() in kept, mass=True) for text in entry.mass),
        ),
        paired=entry.paired,
        removable=entry.removable,
        without=entry.without,
        styles=entry.styles,
        own=entry.own,
        fits=entry.fits,
        sides={str(side): own for side, own in entry.sides.items()},
        change=words.changes[entry.change] if entry.change else {},
        half=words.halves[IMAGED[region]],
        part=_phrases(entry.part or words.parts[IMAGED[region]], f"{owner} part"),
    )


def _phrases(texts: Iterable[str], owner: str) -> tuple[Phrase, ...]:
    listed = list(texts)
    kept = held_back(listed, owner)
    return tuple(Phrase(text, withheld=text in kept) for text in listed)
