"""One set of a pool (IMAX, DMAX, test) for the engine: films → :class:`~sagittal.example.Example`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sagittal.builders.chest.entries import Entry, EntryConfig, entries_of
from sagittal.builders.chest.facts import FilmFacts
from sagittal.builders.chest.surveying import read_facts
from sagittal.example import Example, ImagePart, ImageRef, Message, TextPart
from sagittal.score.chest_tasks import Task
from sagittal.splits import Split

KIND = "chest-tasks"
#: Parts of the survey that a worker keeps in memory; films come in nearly the same order.
_PARTS = 4


class FilmCase(NamedTuple):
    """A film on its way to a worker.

    Attributes:
        name: of the film.
        part: file of the survey that holds it.
        entries: task → how many of its entries are used.
    """

    name: str
    part: str
    entries: Mapping[Task, int]


@dataclass(frozen=True)
class ChestBuilder:
    """The entries of films.

    Attributes:
        facts: folder of the survey.
        arm: ``imax``, ``dmax`` or ``test``.
        entries: how many entries a film gives.
        seed: of every draw.
        terms: layout → source and licence.
        plan: what the survey and the choice were made from, for the manifest.
    """

    facts: Path
    arm: str
    entries: EntryConfig
    seed: int
    terms: Mapping[str, tuple[str, str]]
    plan: Mapping[str, Any]
    kind: str = KIND
    libraries: tuple[str, ...] = ("numpy",)

    def config(self) -> dict[str, Any]:
        """Every setting that shapes the result."""
        return {
            "arm": self.arm,
            "entries": self.entries.model_dump(),
            "terms": {name: list(terms) for name, terms in self.terms.items()},
            **self.plan,
        }

    def name(self, case: FilmCase) -> str:
        """The film's."""
        return case.name

    def files(self, case: FilmCase) -> dict[str, Path]:
        """The part of the survey; it knows the picture by its hash."""
        return {f"facts/{case.part}": self.facts / case.part}

    def build(self, case: FilmCase, hashes: Mapping[str, str]) -> list[Example]:
        """The film's entries, as many of each task as are wanted of it."""
        film = _part(self.facts / case.part, hashes[f"facts/{case.part}"])[case.name]
        left = Counter(case.entries)
        examples = []
        for number, entry in enumerate(entries_of(film, self.entries, self.seed)):
            if left[entry.task]:
                left[entry.task] -= 1
                examples.append(self._example(film, number, entry))
        return examples

    def _example(self, film: FilmFacts, number: int, entry: Entry) -> Example:
        collection = film.name.split("/", 1)[0]
        terms = [self.terms[name] for name in film.sources]
        split: Split = "test" if self.arm == "test" else "train"
        return Example(
            id=f"{film.name}/{number}-{entry.task}",
            patient=film.patient,
            study=film.name,
            images=(ImageRef(path=f"{collection}/{film.file}", sha256=film.sha256, kind="cxr"),),
            source="; ".join(dict.fromkeys(source for source, _ in terms)),
            licence="; ".join(dict.fromkeys(licence for _, licence in terms)),
            split=split,
            task=entry.task,
            messages=(
                Message(role="user", parts=(ImagePart(image=0), TextPart(text=entry.prompt))),
                Message(role="assistant", parts=(TextPart(text=entry.answer),)),
            ),
            targets={"answer": entry.answer, **entry.targets},
        )


@lru_cache(maxsize=_PARTS)
def _part(path: Path, sha256: str) -> dict[str, FilmFacts]:
    # The hash is part of the key: a part that changed is read anew.
    return {film.name: film for film in read_facts([path])}
