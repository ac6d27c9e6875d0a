"""A patient's images and the model that answers about them: what is settled before a question is asked."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sagittal.asking.finding import Found, LeftOut, find_images
from sagittal.asking.models import Choice, Offer, accepted, choose, offers
from sagittal.asking.visits import Grouping, group_visits
from sagittal.builders.voxel.acquisition import Acquisition, acquisition
from sagittal.errors import InputError, SagittalWarning, SpacingUnknownError
from sagittal.io.volume_file import suffix_of
from sagittal.study import KINDS, Image, Study

#: Told of what is being done, in a few words.
Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Case:
    """What questions are asked of.

    Attributes:
        study: the images, on their own grids.
        volumes: the same by visit, each with the name of the variable that holds it.
        choice: the model, and why it.
        left_out: what was found and is not asked about.
        remarks: what the reader should know of how the images were read.
        seconds: that finding and reading took.
    """

    study: Study
    volumes: Acquisition
    choice: Choice
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]
    seconds: float


def open_case(
    study: Study | str | Path | Sequence[str | Path],
    *,
    model: str | Path | Offer = "auto",
    session: Grouping = "auto",
    report: Report | None = None,
) -> Case:
    """Recognise and read images, and choose a model for them. No weights are loaded yet.

    Args:
        study: a study in memory; or paths, each ``PATH`` or ``KIND=PATH``: volumes, DICOM files, folders.
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
    if isinstance(study, Study):
        found = offers(model)
    else:
        report("looking for images")
        paths = [study] if isinstance(study, str | Path) else list(study)
        images, left_out = find_images(paths)
        report("looking for models")
        found = offers(model)
        images, unfit = _fit(images, found)
        left_out += unfit
        images, remarks = group_visits(images, session)
        report("reading images")
        study, more = _read(images, paths)
        remarks += more
    _check(study.images)
    choice = choose(found, study)
    return Case(
        study,
        acquisition(study.images),
        choice,
        tuple(left_out),
        tuple(remarks),
        time.perf_counter() - begun,
    )


def _silent(what: str) -> None:
    pass


def _fit(images: Sequence[Found], found: Sequence[Offer]) -> tuple[list[Found], list[LeftOut]]:
    """Images of a folder of which no model knows the kind are left out; those named by the user never."""
    known = {kind for offer in found for kind in offer.card.accepts.kinds}
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


def _check(images: Sequence[Image]) -> None:
    """Refuse what no volume network can take: slices, colour, an unknown spacing, emptiness."""
    for image in images:
        if min(image.shape) == 1:
            raise InputError(
                "One slice alone is not asked about.",
                expected="a volume of several slices",
                got=f"{image.name}: {image.geometry.describe()}",
                remedy="give the whole series, or the volume that the slice was taken from",
            )
        if image.channels != 1:
            raise InputError("A volume has one channel.", got=f"{image.channels} in {image.name}")
        if not image.geometry.spacing_known:
            raise SpacingUnknownError(
                "A scan does not say how large its voxels are, and nothing in it could be measured.",
                got=image.name,
                remedy="give the original file, or write it again with its voxel size",
            )
        if image.data.min() == image.data.max():
            raise InputError(
                "A scan is empty: all its voxels are equal.",
                got=f"{image.name}: {float(image.data.flat[0]):g} everywhere",
                remedy="check that it is the right file",
            )
