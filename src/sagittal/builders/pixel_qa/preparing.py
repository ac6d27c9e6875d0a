"""Step I (MedPLIB, "MeCoVQA Dataset"): pictures and masks in files of one form, and what is known of them.

The folder ``pictures/`` of a set holds a folder a case: ``PICTURE.png`` in 8 bits, ``PICTURE.NNN.png`` a mask
an instance, ``PICTURE.class-NNN.png`` the union of a class's instances where there are several, and
``case.json`` (:class:`~sagittal.builders.pixel_qa.records.CaseRecord`). A case's folder appears when it is
whole; a preparation that was killed goes on with the cases that are missing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sagittal.builders.engine import Progress
from sagittal.builders.pixel_qa.found import FoundCase, FoundPicture, SourceCase, names_in_order
from sagittal.builders.pixel_qa.places import Plane, measured
from sagittal.builders.pixel_qa.records import (
    CASE_FILE,
    UNKNOWN,
    CaseRecord,
    CaseSummary,
    ClassMask,
    Instance,
    Picture,
    read_record,
)
from sagittal.builders.pools import EngineName, ordered_map
from sagittal.errors import IntegrityError, LayoutError, SagittalError
from sagittal.files import (
    TEMPORARY_SUFFIX,
    atomic_folder,
    sha256_file,
    sha256_json,
    storage_errors,
    write_json,
)
from sagittal.geometry import Geometry
from sagittal.io.raster import write_picture, write_picture_mask
from sagittal.study import Mask

#: Folder of the prepared pictures, in the folder of the set.
PICTURES = "pictures"
# Part of the settings' hash: a change of what is measured makes old records void.
_VERSION = 1


def prepare(
    cases: Sequence[SourceCase],
    out: Path,
    *,
    workers: int = 1,
    engine: EngineName = "local",
    progress: Progress | None = None,
) -> list[CaseSummary]:
    """Write the pictures of all cases below ``out``, and say in the order of the cases what they hold.

    Raises:
        LayoutError: two cases of one name, or a name that no folder should have.
        InputError: a case that cannot be used; it is named.
        IntegrityError: a case was prepared before, from other files or with other settings.
        StorageError: the folder cannot be written.
    """
    _check_names([case.name for case in cases])
    _remove_left_over(out)
    summaries = []
    with closing(ordered_map(_Work(out), cases, workers=workers, engine=engine)) as made:
        for done, summary in enumerate(made, start=1):
            summaries.append(summary)
            if progress is not None:
                progress(done, len(cases), summary.name)
    return summaries


def _check_names(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    odd = [name for name in names if name.startswith(".") or not name.isprintable()]
    if twice or odd:
        raise LayoutError(
            "A case cannot have this name.",
            expected="a name of its own that does not begin with a dot",
            got=", ".join((twice + odd)[:5]),
            remedy="rename the picture or the folder",
        )


def prepared(folder: Path) -> Iterator[CaseRecord]:
    """The records of a set's prepared cases, by name.

    Args:
        folder: of the set.

    Raises:
        StorageError: it holds no prepared pictures.
        FileFormatError: a record is damaged.
    """
    folder = folder / PICTURES
    with storage_errors(folder):
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    for name in names:
        yield read_record(folder / name / CASE_FILE)


@dataclass(frozen=True)
class _Work:
    """The function that runs in the workers."""

    out: Path

    def __call__(self, case: SourceCase) -> CaseSummary:
        try:
            return _prepared(case, self.out / case.name).summary()
        except SagittalError as error:
            error.message = f"{case.name}: {error.message}"
            raise


def _prepared(case: SourceCase, folder: Path) -> CaseRecord:
    made_from = {key: sha256_file(path) for key, path in sorted(case.files().items())}
    settings = sha256_json({"version": _VERSION, "stated": asdict(case.stated), **case.settings()})
    if (folder / CASE_FILE).exists():
        record = read_record(folder / CASE_FILE)
        missing = [name for name in record.files() if not (folder / name).is_file()]
        if record.made_from != made_from or record.settings != settings or missing:
            raise IntegrityError(
                "The case was prepared from other files or with other settings, or is no longer whole.",
                got=", ".join(missing[:3]) or folder,
                remedy="repeat the settings it was begun with, or name a new folder",
            )
        return record
    found = case.read()
    with atomic_folder(folder) as temporary:
        record = CaseRecord(
            schema="sagittal.pixel-case/1",
            name=case.name,
            patient=found.patient,
            dataset=case.dataset,
            modality=found.modality,
            region=case.stated.region or UNKNOWN,
            pictures=tuple(_picture(picture, temporary) for picture in found.pictures),
            made_from=made_from,
            settings=settings,
            left_out=_counts(found),
        )
        write_json(temporary / CASE_FILE, record.model_dump(mode="json", by_alias=True))
    return record


def _counts(found: FoundCase) -> dict[str, int]:
    return {reason: count for reason, count in sorted(found.left_out.items()) if count}


def _picture(found: FoundPicture, folder: Path) -> Picture:
    image = f"{found.name}.png"
    write_picture(folder / image, found.image)
    geometry = found.image.geometry
    names = [name for name, _ in found.instances]
    planes = [plane for _, plane in found.instances]
    instances = []
    for number, (name, plane, facts) in enumerate(zip(names, planes, measured(planes, names), strict=True)):
        mask = f"{found.name}.{number:03d}.png"
        _write_mask(folder / mask, name, plane, geometry)
        instances.append(Instance(name=name, mask=mask, **asdict(facts)))
    classes = []
    for name in names_in_order(found.instances):
        members = tuple(number for number, own in enumerate(names) if own == name)
        mask = instances[members[0]].mask
        if len(members) > 1:
            mask = f"{found.name}.class-{members[0]:03d}.png"
            _write_mask(folder / mask, name, np.logical_or.reduce([planes[n] for n in members]), geometry)
        classes.append(ClassMask(name=name, mask=mask, instances=members))
    spacing = (geometry.spacing[0], geometry.spacing[1]) if geometry.spacing_known else None
    return Picture(
        name=found.name,
        image=image,
        orientation=found.orientation,
        size=(geometry.shape[0], geometry.shape[1]),
        spacing_mm=spacing,
        instances=tuple(instances),
        classes=tuple(classes),
    )


def _write_mask(path: Path, name: str, plane: Plane, geometry: Geometry) -> None:
    write_picture_mask(path, Mask(plane[:, :, None].astype(np.uint8), geometry, {1: name}, path.name))


def _remove_left_over(out: Path) -> None:
    """Remove what a killed run left half-written."""
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        for path in out.glob(f".*{TEMPORARY_SUFFIX}"):
            shutil.rmtree(path)
