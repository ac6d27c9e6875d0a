"""What a specialist is to its caller: ``run(study, argument)`` gives masks or class probabilities.

Nothing that comes back is believed: masks stand on the grid of an image that was given and hold the labels
of the card, probabilities are those of the card's classes. What does not fit is a fault of the specialist's,
named as such, and never an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from sagittal.agent.text import harmless
from sagittal.errors import InputError
from sagittal.specialists.card import SpecialistCard
from sagittal.study import Image, Mask, Study

#: What can be wrong with a call. ``unsuitable`` and ``refused`` are said of the study.
Fault = Literal[
    "missing", "disabled", "unknown", "unsuitable", "refused", "failed", "hung", "memory", "wrong", "nothing"
]  # fmt: skip


class SpecialistError(InputError):
    """A specialist gave no result that can be used.

    Args:
        fault: of which kind.
        name: the specialist's.
        message, expected, got, remedy: as for every error.
    """

    def __init__(
        self, fault: Fault, name: str, message: str, *, expected: object = None, got: object = None,
        remedy: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, expected=expected, got=got, remedy=remedy)
        self.fault = fault
        self.name = name


@dataclass(frozen=True, eq=False)
class Segmented:
    """Masks.

    Attributes:
        mask: a label map on the grid of an image of the study; values count the card's labels.
        image: name of that image.
    """

    mask: Mask
    image: str


@dataclass(frozen=True)
class Classified:
    """Class probabilities.

    Attributes:
        probabilities: class → probability, 0 to 1.
    """

    probabilities: Mapping[str, float]


Result = Segmented | Classified


class Specialist(Protocol):
    """A loaded specialist. Made by ``open_specialist(card, folder)``, in a process of its own."""

    def accepts(self, study: Study) -> str | None:
        """Why a study cannot be asked about, beyond what the card says; ``None`` when it can.

        Args:
            study: the images that the card takes, in its order.
        """

    def run(self, study: Study, argument: str) -> Mask | Mapping[str, float]:
        """Look at a study.

        Args:
            study: the images that the card takes, in its order; one visit.
            argument: one of the card's.

        Returns:
            A label map with names, on the grid of one of the images; or class → probability.

        Raises:
            InputError: these images cannot be looked at; its words are told to the user.
        """


class Opener(Protocol):
    """What an entry point of the group ``sagittal.specialists`` is."""

    def __call__(self, card: SpecialistCard, folder: Path) -> Specialist:
        """Load a specialist.

        Args:
            card: its card.
            folder: where the card lies; weights are below it.
        """


def narrowed(card: SpecialistCard, study: Study, argument: str) -> Study:
    """The study with the images that a specialist takes, in the order of its card.

    Raises:
        SpecialistError: the argument is not on the card, or the study does not have what the card wants.
    """
    if argument not in card.arguments:
        raise SpecialistError(
            "unknown", card.name, f"{card.name} has no such argument.",
            expected=", ".join(card.arguments), got=argument,
        )  # fmt: skip
    chosen = card.chosen(study)
    if isinstance(chosen, str):
        raise SpecialistError(
            "unsuitable", card.name, f"{card.name} cannot look at this: {chosen}.", got=study.name
        )
    return Study(study.name, study.patient, chosen)


def checked(card: SpecialistCard, study: Study, argument: str, result: object) -> Result:
    """What a specialist gave, once it was found to be what its card promises.

    Args:
        card: the specialist's.
        study: that was looked at, narrowed to its images.
        argument: that was asked for.
        result: what came back.

    Raises:
        SpecialistError: nothing came, or something else than the card says.
    """
    if result is None or (isinstance(result, Mapping) and not result):
        raise SpecialistError("nothing", card.name, f"{card.name} gave nothing back.")
    if card.classes:
        return _classified(card, result)
    if not isinstance(result, Mask):
        raise _wrong(card, "no mask", "a mask", type(result).__name__)
    image = _image_of(card, study, result)
    allowed = set(card.masks[argument])
    present = {result.labels.get(value) for value in result.values()}
    if not present <= allowed:
        strange = sorted(harmless(str(name), 80) for name in present - allowed)
        raise _wrong(card, "labels that its card does not name", ", ".join(sorted(allowed)), strange)
    return Segmented(_numbered(card, result, image), image.name)


def _numbered(card: SpecialistCard, mask: Mask, image: Image) -> Mask:
    """Its values the places of its labels on the card: a label has one colour in an overlay, always."""
    places = {label: place for place, label in enumerate(card.labels, start=1)}
    present = mask.values()
    if present and not 0 < min(present) <= max(present) <= np.iinfo(np.uint16).max:
        raise _wrong(
            card, "labels that are no small whole numbers", "1 to 65535", f"{min(present)} to {max(present)}"
        )
    table = np.zeros(max([0, *present]) + 1, np.uint16)
    for value in present:
        table[value] = places[mask.labels[value]]
    # Names that are not drawn could be anything.
    labels = {places[name]: name for name in sorted(places, key=lambda n: places[n]) if places[name] in table}
    return Mask(table[mask.data], mask.geometry, labels, f"by {card.name}", image.session)


def _image_of(card: SpecialistCard, study: Study, mask: Mask) -> Image:
    for image in study.images:
        if image.geometry.same_grid(mask.geometry):
            return image
    grids = " or ".join("×".join(map(str, image.shape)) for image in study.images)
    raise _wrong(
        card, "a mask on another grid", f"{grids}, as the images lie", "×".join(map(str, mask.shape))
    )


def _classified(card: SpecialistCard, result: object) -> Classified:
    if not isinstance(result, Mapping):
        raise _wrong(card, "no class probabilities", ", ".join(card.classes), type(result).__name__)
    if set(result) != set(card.classes):
        strange = sorted(harmless(name, 80) for name in set(map(str, result)) ^ set(card.classes))
        raise _wrong(card, "other classes than its card's", ", ".join(card.classes), strange)
    made = {}
    for name in card.classes:
        value = result[name]
        number = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not 0 <= value <= 1:
            raise _wrong(card, "something that is no probability", "0 to 1", f"{name}: {value}")
        made[name] = float(value)
    return Classified(made)


def _wrong(card: SpecialistCard, what: str, expected: object, got: object) -> SpecialistError:
    return SpecialistError(
        "wrong", card.name, f"{card.name} gave {what}; nothing of it is used.", expected=expected, got=got
    )
