"""What conversations are about: many studies with their pictures, or a single one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from sagittal.builders.consultation_bank import CaseRecord
from sagittal.language.specialist_things import imaged_of

T = TypeVar("T")

#: Share of batches whose cards all suit the images, as ``sagittal ask`` shows them.
SUITABLE = 0.6
#: What an image shows → kinds of image that are given together.
KINDS_GIVEN: Mapping[str, Sequence[Sequence[str]]] = {
    "brain": (("t1",), ("t1", "t1c", "t2", "flair"), ("flair",), ("t1", "flair"), ("t1c", "flair"), ("t2",)),
    "film": (("cxr",),), "ct": (("ct",),),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures by number, and what they show.

    Attributes:
        cases: studies with calls: their first picture, and that of each call.
        plain: imaged region → first pictures of studies.
    """

    cases: Sequence[tuple[CaseRecord, int, tuple[int | None, ...]]]
    plain: Mapping[str, Sequence[int]]


class Subject(Protocol):
    """What a conversation is about."""

    @property
    def imagined(self) -> bool:
        """Whether a call may be asked for whose specialist was not run."""

    def of_batch(self, rng: np.random.Generator) -> str | None:
        """What all cards of a batch look at: film, brain or CT; ``None`` where they may differ."""

    def imaged(self, rng: np.random.Generator) -> str:
        """What a conversation's images show."""

    def kinds(self, imaged: str, rng: np.random.Generator) -> Sequence[str]:
        """Kinds of image that are given."""

    def flat(self, imaged: str) -> bool:
        """Whether a picture is given, not a volume."""

    def picture(self, imaged: str, rng: np.random.Generator) -> int:
        """The number of the picture that is shown with a question."""


@dataclass(frozen=True, eq=False)
class AnyStudy:
    """Any study of many."""

    shown: Shown
    imagined: bool = True

    def of_batch(self, rng: np.random.Generator) -> str | None:
        """See :class:`Subject`."""
        return self.imaged(rng) if rng.random() < SUITABLE else None

    def imaged(self, rng: np.random.Generator) -> str:
        """See :class:`Subject`."""
        return picked(list(KINDS_GIVEN), rng)

    def kinds(self, imaged: str, rng: np.random.Generator) -> Sequence[str]:
        """See :class:`Subject`."""
        return picked(KINDS_GIVEN[imaged], rng)

    def flat(self, imaged: str) -> bool:
        """See :class:`Subject`."""
        return imaged == "film"

    def picture(self, imaged: str, rng: np.random.Generator) -> int:
        """See :class:`Subject`."""
        return int(picked(self.shown.plain[imaged], rng))


@dataclass(frozen=True, eq=False, kw_only=True)
class OfRegion(AnyStudy):
    """Any study of one region: brain, film or CT."""

    region: str

    def of_batch(self, rng: np.random.Generator) -> str | None:
        """See :class:`Subject`."""
        return self.region

    def imaged(self, rng: np.random.Generator) -> str:
        """See :class:`Subject`."""
        return self.region


@dataclass(frozen=True, eq=False)
class OneStudy:
    """A single study, whose first picture has the number 0."""

    case: CaseRecord
    imagined: bool = False

    def of_batch(self, rng: np.random.Generator) -> str | None:
        """See :class:`Subject`."""
        return self.imaged(rng)

    def imaged(self, rng: np.random.Generator) -> str:
        """See :class:`Subject`."""
        return imaged_of(self.case.kinds[0])

    def kinds(self, imaged: str, rng: np.random.Generator) -> Sequence[str]:
        """See :class:`Subject`."""
        return self.case.kinds

    def flat(self, imaged: str) -> bool:
        """See :class:`Subject`."""
        return self.case.looks_at == "picture"

    def picture(self, imaged: str, rng: np.random.Generator) -> int:
        """See :class:`Subject`."""
        return 0


def picked(among: Sequence[T], rng: np.random.Generator) -> T:
    """One of them, each as likely as the next."""
    return among[int(rng.integers(len(among)))]
