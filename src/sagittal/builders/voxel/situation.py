"""What a question may be about: the images given, the structures that are there, and the draws among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sagittal.builders.voxel.acquisition import Acquisition, Visit, acquisition
from sagittal.builders.voxel.config import VoxelTasksConfig
from sagittal.builders.voxel.programs import Thing
from sagittal.builders.voxel.structures import Structure, StructureTable
from sagittal.builders.voxel.truth import Truth
from sagittal.language.voxel_wordings import Phrase
from sagittal.study import Image

_Any = TypeVar("_Any")


@dataclass(frozen=True)
class Question:
    """What is asked, before it is put into words.

    Attributes:
        root: of the grammar.
        slots: slot → phrases that may fill it.
        programs: that answer it.
        structures: names that it is about.
    """

    root: str
    slots: dict[str, Sequence[Phrase]]
    programs: tuple[str, ...]
    structures: tuple[str, ...]


class Situation:
    """One study as a question finds it.

    Attributes:
        truth: where everything is.
        given: the images.
        config: chances.
        rng: decides every draw.
    """

    def __init__(
        self, truth: Truth, given: Acquisition, config: VoxelTasksConfig, rng: np.random.Generator
    ) -> None:
        self.truth, self.given, self.config, self.rng = truth, given, config, rng

    @property
    def table(self) -> StructureTable:
        """The table of structures."""
        return self.truth.table

    @property
    def several(self) -> bool:
        """Whether there is more than one visit."""
        return len(self.given.visits) > 1

    @property
    def last(self) -> Visit:
        """The latest visit, which a question is about when it names none."""
        return self.given.visits[-1]

    @property
    def absent_kinds(self) -> list[str]:
        """Nameable kinds of image that are not given."""
        return [k for k in self.table.sequences if k not in self.given.kinds]

    def named_kinds(self, visit: Visit) -> list[str]:
        """Nameable kinds of image of a visit."""
        kinds = dict.fromkeys(self.given.volumes[n].kind for n in visit.names)
        return [k for k in kinds if k in self.table.sequences]

    def choose(self, items: Sequence[_Any]) -> _Any:
        """One of some things, each equally likely."""
        return items[int(self.rng.integers(len(items)))]

    def chance(self, probability: float) -> bool:
        """Yes with a probability."""
        return bool(self.rng.random() < probability)

    # -- structures ------------------------------------------------------------------------------

    def seen(self, structure: Structure) -> bool:
        """Whether an image is given that shows it."""
        return not structure.needs or bool(self.given.kinds & set(structure.needs))

    def pathologies(self, visit: Visit, *, found: bool) -> list[Structure]:
        """Pathologies that the truth settles, that the images show, and that are there, or are not."""
        return [s for s in self.truth.settled(visit.session, found)[1] if self.seen(s)]

    def anatomy(self, visit: Visit, *, found: bool) -> list[Structure]:
        """Structures that are not pathological, likewise."""
        return list(self.truth.settled(visit.session, found)[0])

    def structure(self, visit: Visit, kinds: str = "both") -> Structure | None:
        """One structure, balanced: pathology or anatomy, then there or not, then name, then side.

        Args:
            visit: whose masks count.
            kinds: ``both``, ``anatomy`` or ``pathology``.
        """
        sick = kinds == "pathology" or (kinds == "both" and self.chance(self.config.pathology))
        found = not self.chance(self.config.absent if sick else self.config.absent_anatomy)
        listed = self.pathologies if sick else self.anatomy
        among = listed(visit, found=found) or listed(visit, found=not found)
        if not among:
            return self.structure(visit, "anatomy") if sick and kinds == "both" else None
        base = self.choose(list(dict.fromkeys(s.base for s in among)))
        return self.choose([s for s in among if s.base == base])

    def thing(self, structure: Structure, *visits: Visit) -> Thing:
        """A structure for a program, with what the truth says of it at some visits."""
        found = tuple(self.truth.found(structure, visit.session) for visit in visits or (self.last,))
        return Thing(structure.name, structure.many, found)

    # -- images ----------------------------------------------------------------------------------

    def where(self) -> tuple[Visit, Sequence[Phrase] | None, str]:
        """Which images a question is about: the visit, the words for it (``None``: unsaid), a named kind."""
        visit, words, kind = self.last, None, ""
        if not self.chance(self.config.scan_named):
            return visit, words, kind
        ways = ["any", "sequence", *(["first", "last"] if self.several else [])]
        way = self.choose(ways)
        if way == "first":
            visit = self.given.visits[0]
        kinds = self.named_kinds(visit)
        if way == "sequence" and kinds:
            kind = self.choose(kinds)
            return visit, self.table.scans_of(kind), kind
        return visit, self.table.scans["any" if way == "sequence" else way], kind

    def encoded(self, visit: Visit, kind: str = "") -> list[str]:
        """Variables to encode: all of a visit, the named kind first."""
        first = self.given.of_kind(kind, visit) if kind else None
        return [first, *(n for n in visit.names if n != first)] if first else list(visit.names)


def give_images(images: Sequence[Image], config: VoxelTasksConfig, rng: np.random.Generator) -> Acquisition:
    """Some of a study's images: now and then fewer sequences, or one session of several."""
    images = list(images)
    sessions = sorted({i.session for i in images})
    kinds = list(dict.fromkeys(i.kind for i in images))
    one, fewer = rng.random(2)
    if len(sessions) > 1 and one < config.one_session:
        kept = sessions[int(rng.integers(len(sessions)))]
        images = [i for i in images if i.session == kept]
    if len(kinds) > 1 and fewer < config.fewer_images:
        count = int(rng.integers(1, len(kinds)))
        chosen = {kinds[i] for i in rng.permutation(len(kinds))[:count]}
        images = [i for i in images if i.kind in chosen] or images
    return acquisition(images)
