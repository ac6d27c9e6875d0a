"""The variables of a conversation: one for each image that is given, by session (VoxelPrompt §3).

What the agent reads of them is :func:`sagittal.models.voxelprompt.words.acquisition_words`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sagittal.errors import InputError
from sagittal.study import Image


@dataclass(frozen=True)
class Visit:
    """One session: its identifier, date and variables, in the order given."""

    session: str
    acquired: date | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Acquisition:
    """The images that a question is asked of.

    Attributes:
        volumes: variable → image, by session and in the order given.
        visits: in time order.
    """

    volumes: Mapping[str, Image]
    visits: tuple[Visit, ...]

    def of_kind(self, kind: str, visit: Visit) -> str | None:
        """The variable of a visit's first image of a kind."""
        return next((n for n in visit.names if self.volumes[n].kind == kind), None)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of image that are there."""
        return frozenset(image.kind for image in self.volumes.values())


def acquisition(images: Sequence[Image]) -> Acquisition:
    """Name the images: by kind (``t1``), with the session's number where there are several (``t1_2``).

    A second image of one kind in one session becomes ``t1_b``, ``t1_2b``. Sessions go by date where all
    have one, else by identifier.

    Raises:
        InputError: no image, or more than 26 of one kind in a session.
    """
    if not images:
        raise InputError("A question is asked of at least one image.", got="none")
    dates: dict[str, date | None] = {}
    for image in images:
        known = dates.get(image.session)
        found = image.acquired if known is None or (image.acquired and image.acquired < known) else known
        dates[image.session] = found
    order = sorted(dates)
    if all(dates.values()):
        order.sort(key=lambda session: (dates[session] or date.min, session))
    volumes: dict[str, Image] = {}
    visits = []
    for number, session in enumerate(order, start=1):
        names = []
        for image in (i for i in images if i.session == session):
            name = _free_name(image.kind, number if len(order) > 1 else 0, volumes)
            volumes[name] = image
            names.append(name)
        visits.append(Visit(session, dates[session], tuple(names)))
    return Acquisition(volumes, tuple(visits))


def _free_name(kind: str, number: int, taken: Mapping[str, Image]) -> str:
    stem = f"{kind}_{number}" if number else kind
    if stem not in taken:
        return stem
    for letter in "bcdefghijklmnopqrstuvwxyz":
        name = f"{stem}{letter}" if number else f"{stem}_{letter}"
        if name not in taken:
            return name
    raise InputError("There are too many images of one kind in a session.", expected="at most 26", got=kind)
