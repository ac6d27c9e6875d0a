"""The committed table of structures: every name that ``segment`` takes, its source, and its words.

VoxelPrompt A.2 and §4.1 list what their maps hold; ``tables/structures.yaml`` says for each where it comes
from in ours, or that it is not known.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from sagittal.errors import ConfigError, LabelError
from sagittal.language.voxel_wordings import Phrase, held_back

Side = Literal["", "left", "right"]
#: Ways to name a side; {} is the structure. Those marked True are withheld from training.
_SIDED = (
    ("{side} {}", False),
    ("{side}-sided {}", False),
    ("{} on the {side}", False),
    ("{} on the {side} side", False),
    ("{side} side {}", False),
    ("{letter} {}", False),
    ("{} ({side})", False),
    ("{} of the {side} hemisphere", True),
)
_BOTH = (("left and right {}", False), ("{} on both sides", False), ("bilateral {}", True))


@dataclass(frozen=True)
class Structure:
    """One thing that can be asked for.

    Attributes:
        name: what ``segment(features, name)`` takes, and what answers call it.
        base: the name without its side.
        side: ``left``, ``right``, or empty for both together and for what lies in the middle.
        values: FreeSurfer values in an anatomy map; empty for pathologies and for what is not known.
        labels: short names in a lesion map; empty for anatomy.
        many: whether the name is a plural.
        paired: whether it has a left and a right part.
        needs: kinds of image, one of which must be given; empty when any will do.
        unsettled_by: lesion labels of maps that leave open whether it is there.
        only_in: label preset that a head's map must have; empty when any will do.
        whole_head: whether skull-stripped images leave open where it ends.
        paper: the paper's words for it.
        phrases: words that people use for it.
        plain: those of them that do not say "both sides" or one of them.
    """

    name: str
    base: str
    side: Side
    values: tuple[int, ...]
    labels: tuple[str, ...]
    many: bool
    paired: bool
    needs: tuple[str, ...]
    unsettled_by: tuple[str, ...]
    only_in: str
    whole_head: bool
    paper: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    plain: tuple[Phrase, ...]

    @property
    def is_pathology(self) -> bool:
        """Whether it stands in a lesion map."""
        return bool(self.labels)

    @property
    def has_source(self) -> bool:
        """Whether any label map of ours has it."""
        return bool(self.labels or self.values)

    def known_in(self, maps: Iterable[str]) -> bool:
        """Whether heads labelled with some of these presets have it."""
        return self.has_source and (not self.only_in or self.only_in in maps)


@dataclass(frozen=True)
class Sequence:
    """A kind of image: what an answer calls it, and the words that people use for it."""

    kind: str
    name: str
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True)
class StructureTable:
    """Structures and what else prompts speak of.

    Attributes:
        structures: by name, those without a source included.
        organs: what people ask a scan of the head for by mistake.
        sequences: by kind of image.
        scans: words for which images are meant: ``any``, ``first``, ``last`` visit.
        on_sequence: words around a sequence's, with {} for it.
    """

    structures: Mapping[str, Structure]
    organs: tuple[Phrase, ...]
    sequences: Mapping[str, Sequence]
    scans: Mapping[str, tuple[Phrase, ...]]
    on_sequence: tuple[Phrase, ...]

    def __getitem__(self, name: str) -> Structure:
        """The structure of a name.

        Raises:
            LabelError: there is none.
        """
        if name not in self.structures:
            raise LabelError("There is no such structure.", expected="a name of the table", got=name)
        return self.structures[name]

    def known(self, maps: Iterable[str] = ("freesurfer",)) -> tuple[Structure, ...]:
        """What heads labelled with these presets have, in the table's order."""
        maps = tuple(maps)
        return tuple(s for s in self.structures.values() if s.known_in(maps))

    def unknown(self, maps: Iterable[str] = ("freesurfer",)) -> tuple[Structure, ...]:
        """What they do not have: a program that is asked for it abstains."""
        maps = tuple(maps)
        return tuple(s for s in self.structures.values() if not s.known_in(maps))

    def scans_of(self, kind: str) -> tuple[Phrase, ...]:
        """Words for "on the images of this kind"."""
        return tuple(
            Phrase(around.text.format(word.text), withheld=around.withheld or word.withheld)
            for around in self.on_sequence
            for word in self.sequences[kind].phrases
        )


@cache
def structure_table() -> StructureTable:
    """The committed table ``structures.yaml``, read once a process.

    Raises:
        ConfigError: a name twice, or an entry without a source.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = resources.files("sagittal.builders").joinpath("tables", "structures.yaml").read_text("utf-8")
    table = yaml.load(text, Loader=loader)
    made: dict[str, Structure] = {}
    entries = [*table["structures"].items(), *table["pathologies"].items()]
    for name, entry in entries:
        for structure in _structures(name, entry):
            if structure.name in made:
                raise ConfigError("A structure stands in the table twice.", got=structure.name)
            made[structure.name] = structure
    organs = _phrases("organs", [Phrase(o) for o in table["organs"]])
    sequences = {
        kind: Sequence(kind, entry["name"], _phrases(kind, [Phrase(w) for w in entry["words"]]))
        for kind, entry in table["sequences"].items()
    }
    scans = {key: _phrases(key, [Phrase(w) for w in words]) for key, words in table["scans"].items()}
    return StructureTable(made, organs, sequences, scans, scans.pop("sequence"))


def _structures(name: str, entry: Mapping[str, Any]) -> list[Structure]:
    left, right, middle = (_values(entry.get(key, ())) for key in ("left", "right", "middle"))
    labels = tuple(entry.get("labels", ()))
    if not (left or right or middle or labels) and entry.get("source") != "not known":
        raise ConfigError("A structure has a source, or says that it is not known.", got=name)
    many = bool(entry.get("many", False))
    words = [Phrase(name, many), *(Phrase(w) for w in entry.get("synonyms", ()))]
    words += [Phrase(w, plural=True) for w in entry.get("plural", ())]
    words = list(_phrases(name, words, entry.get("everyday", ())))
    common: dict[str, Any] = {
        "base": name, "labels": labels, "many": many, "paired": bool(left),
        "needs": tuple(entry.get("needs", ())), "unsettled_by": tuple(entry.get("unsettled_by", ())),
        "only_in": entry.get("only_in", ""), "whole_head": bool(entry.get("whole_head", False)),
        "paper": tuple(entry.get("paper", ())), "plain": tuple(words),
    }  # fmt: skip
    both = [_with(shape, w, "") for w in words if w.plural and left for shape in _BOTH]
    made = [Structure(name=name, side="", values=(*left, *right, *middle),
                      phrases=(*words, *both), **common)]  # fmt: skip
    if left:
        singular = [w for w in words if not w.plural or many]
        sides: tuple[tuple[Side, tuple[int, ...]], ...] = (("left", left), ("right", right))
        for side, values in sides:
            sided = tuple(_with(shape, word, side) for word in singular for shape in _SIDED)
            made.append(Structure(name=f"{side} {name}", side=side, values=values, phrases=sided, **common))
    return made


def _with(shape: tuple[str, bool], word: Phrase, side: str) -> Phrase:
    template, kept_back = shape
    text = template.format(word.text, side=side, letter=side[:1].upper())
    return Phrase(text, word.plural or template in {b for b, _ in _BOTH}, word.withheld or kept_back)


def _phrases(owner: str, words: list[Phrase], everyday: Container[str] = ()) -> tuple[Phrase, ...]:
    """The words, about a tenth of them withheld; the first, the name itself, never, nor everyday ones.

    Nothing is withheld in an everyday word's place: what models were trained on stays what it was.
    """
    kept_back = {w for w in held_back([w.text for w in words[1:]], owner) if w not in everyday}
    return tuple(Phrase(w.text, w.plural, w.text in kept_back) for w in words)


def _values(items: Iterable[int | str]) -> tuple[int, ...]:
    """Whole numbers, and ranges such as "1000-1035" with both ends."""
    values: list[int] = []
    for item in items:
        first, _, last = str(item).partition("-")
        values += range(int(first), int(last or first) + 1)
    return tuple(values)
