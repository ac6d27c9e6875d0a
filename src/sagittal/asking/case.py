"""A patient's images and the models that may answer: what is settled before a question is asked."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sagittal.asking.finding import Found, LeftOut, find_images
from sagittal.asking.models import Choice, Offer, accepted, choose, offers
from sagittal.asking.pointing import View, view_of
from sagittal.asking.visits import Grouping, group_visits
from sagittal.builders.voxel.acquisition import Acquisition, acquisition
from sagittal.errors import InputError, SagittalWarning, SpacingUnknownError
from sagittal.io.volume_file import suffix_of
from sagittal.study import KINDS, Image, Region, Study

# Fewer pixels, either way, show nothing.
_FEWEST_PIXELS = 8
#: Told of what is being done, in a few words.
Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Case:
    """What questions are asked of.

    Attributes:
        study: the images, on their own grids.
        volumes: the same by visit, each with the name of the variable that holds it.
        offers: the models that may answer.
        view: the slice that is looked at, and the places on it; ``None`` for whole volumes.
        reservations: image → why models of whole volumes cannot be asked about it.
        left_out: what was found and is not asked about.
        remarks: what the reader should know of how the images were read.
        seconds: that finding and reading took.
    """

    study: Study
    volumes: Acquisition
    offers: tuple[Offer, ...]
    view: View | None
    reservations: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]
    seconds: float

    @property
    def choice(self) -> Choice:
        """The model that answers about what is looked at, and why it.

        Raises:
            InputError: none can; each says why, and what would help.
        """
        return choose(self.offers, self.study, self.view, self.reservations)

    def pointed(self, regions: Sequence[str | Region] = (), slice: str | None = None) -> Case:
        """The same case, looked at in one slice.

        Args:
            regions: places in it, see :mod:`sagittal.asking.regions`.
            slice: its name, see :mod:`sagittal.asking.slices`; where it is not said it follows from the
                regions.

        Raises:
            InputError: there is no such place; children of it where a mask's file is at fault.
        """
        return replace(self, view=view_of(self.volumes.volumes, regions, slice))


def open_case(
    study: Study | str | Path | Sequence[str | Path],
    *,
    model: str | Path | Offer = "auto",
    session: Grouping = "auto",
    report: Report | None = None,
) -> Case:
    """Recognise and read images, and find the models for them. No weights are loaded yet.

    Args:
        study: a study in memory; or paths, each ``PATH`` or ``KIND=PATH``: volumes, DICOM files, folders, and
            pictures where a model takes them.
        model: ``auto``, a model's name, a checkpoint's folder, or an offer.
        session: how visits are told apart, see :func:`sagittal.asking.visits.group_visits`.
        report: told of each stage.

    Raises:
        InputError: nothing to ask about, or nothing that can answer; children of it where a file is at fault.
    """
    begun = time.perf_counter()
    report = report or _silent
    left_out: list[LeftOut] = []
    remarks: list[str] = []
    reservations: dict[str, str] = {}
    report("looking for models")
    found = offers(model)
    pictures = any(offer.card.accepts.pictures for offer in found)
    if not isinstance(study, Study):
        report("looking for images")
        paths = [study] if isinstance(study, str | Path) else list(study)
        images, left_out = find_images(paths, pictures=pictures)
        images, unfit = _fit(images, found)
        left_out += unfit
        images, remarks = group_visits(images, session)
        report("reading images")
        study, more = _read(images, paths)
        remarks += more
        read = zip(images, study.images, strict=True)
        reservations = {image.name: one.reservation for one, image in read if one.reservation}
    reservations = {**_checked(study.images, pictures), **reservations}
    if not pictures:
        # Where slices can be looked at, the choice depends on whether one is named.
        choose(found, study)
    volumes = acquisition(study.images)
    return Case(
        study,
        volumes,
        tuple(found),
        view_of(volumes.volumes),
        reservations,
        tuple(left_out),
        tuple(remarks),
        time.perf_counter() - begun,
    )


def _silent(what: str) -> None:
    pass


def _fit(images: Sequence[Found], found: Sequence[Offer]) -> tuple[list[Found], list[LeftOut]]:
    """Images of a folder of which no model knows the kind are left out; those named by the user never.

    A model of slices may know every kind, and is asked about one image at a time: a folder is what models of
    whole volumes know of it, where that is anything.
    """
    wide = {kind for offer in found for kind in offer.card.accepts.kinds}
    narrow = {k for offer in found if not offer.card.accepts.pictures for k in offer.card.accepts.kinds}
    known = narrow if any(image.kind in narrow for image in images) else wide
    kept = [image for image in images if image.explicit or image.kind in known]
    left = [
        LeftOut(image.name, f"no model here knows {KINDS[image.kind]}")
        for image in images
        if not image.explicit and image.kind not in known
    ]
    if not kept:
        raise InputError(
            "No model here can be asked about these images.",
            expected="; ".join(f"{offer.name} takes {accepted(offer.card)}" for offer in found),
            got=", ".join(sorted({KINDS[image.kind] for image in images})),
            remedy="give other images, or another model (--model)",
        )
    return kept, left


def _read(images: Sequence[Found], paths: Sequence[str | Path]) -> tuple[Study, list[str]]:
    """The study, and what the readers warned of."""
    read: list[Image] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SagittalWarning)
        for found in images:
            read.append(found.read())
    remarks = []
    for warning in caught:
        if issubclass(warning.category, SagittalWarning):
            remarks.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    patient = next((found.patient for found in images if found.patient), "")
    name = _name(paths[0])
    return Study(name, patient or name, _named_apart(read)), remarks


def _name(given: str | Path) -> str:
    text = str(given)
    kind, _, path = text.partition("=")
    named = Path(path if kind in KINDS and path else text).resolve()
    return named.name.removesuffix(suffix_of(named) or "")


def _named_apart(images: Sequence[Image]) -> tuple[Image, ...]:
    """Names that repeat get a number."""
    names = [image.name for image in images]
    seen: dict[str, int] = {}
    made = []
    for image in images:
        seen[image.name] = seen.get(image.name, 0) + 1
        several = names.count(image.name) > 1
        made.append(replace(image, name=f"{image.name} ({seen[image.name]})") if several else image)
    return tuple(made)


def _checked(images: Sequence[Image], pictures: bool) -> dict[str, str]:
    """Refuse what no network can take: emptiness, and whatever is no volume where none takes pictures.

    Args:
        images: as they were read.
        pictures: whether a model is at hand that looks at pictures.

    Returns:
        Image → why models of whole volumes cannot be asked about it.
    """
    reservations = {}
    for image in images:
        fault = _not_a_volume(image)
        if fault is not None and not pictures:
            raise fault
        if fault is not None:
            reservations[image.name] = fault.message.rstrip(".")
        _require_content(image)
    return reservations


def _not_a_volume(image: Image) -> InputError | None:
    """What keeps volume networks from an image: one slice, colour, an unknown spacing."""
    if min(image.shape) == 1:
        return InputError(
            "One slice alone is not asked about.",
            expected="a volume of several slices",
            got=f"{image.name}: {image.geometry.describe()}",
            remedy="give the whole series, or the volume that the slice was taken from",
        )
    if image.channels != 1:
        return InputError("A volume has one channel.", got=f"{image.channels} in {image.name}")
    if not image.geometry.spacing_known:
        return SpacingUnknownError(
            "A scan does not say how large its voxels are, and nothing in it could be measured.",
            got=image.name,
            remedy="give the original file, or write it again with its voxel size",
        )
    return None


def _require_content(image: Image) -> None:
    low, high = (end(image.data, axis=(0, 1, 2)) for end in (np.min, np.max))
    if np.array_equal(low, high):
        raise InputError(
            "A scan is empty: all its voxels are equal.",
            got=f"{image.name}: {float(image.data.flat[0]):g} everywhere",
            remedy="check that it is the right file",
        )
    shortest, shorter, _ = sorted(image.shape)
    if shortest == 1 and shorter < _FEWEST_PIXELS:
        raise InputError(
            "A picture is too small for anything to be seen in it.",
            expected=f"at least {_FEWEST_PIXELS}×{_FEWEST_PIXELS} pixels",
            got=f"{image.name}: {image.geometry.describe()}",
            remedy="give the picture at its full size",
        )
