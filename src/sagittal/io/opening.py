"""Paths that a person gives → one :class:`Study`.

Each path is a volume (NIfTI, MGH), a picture, a DICOM file or folder, or a folder with BraTS names. It
may be given as ``KIND=PATH`` to say what it shows (``t1c=scan.nii.gz``, ``seg=mask.nii.gz``). Without
that, DICOM's kind comes from its metadata; a volume's MR sequence from its file name where a common
convention leaves one reading (:func:`sagittal.io.kinds.recognise_kind`), else it is ``unknown``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sagittal.errors import FileFormatError, InputError, LayoutError, StorageError
from sagittal.io import dicom, nifti, raster
from sagittal.io.folders import walk
from sagittal.io.kinds import recognise_kind
from sagittal.io.labels import LabelTable
from sagittal.io.layouts import brats
from sagittal.io.layouts.case import load_case
from sagittal.io.volume_file import SUFFIXES, suffix_of
from sagittal.study import KINDS, Image, Mask, Study

Found = tuple[list[Image], list[Mask], list[str]]


def open_study(
    paths: Sequence[str | Path],
    *,
    labels: LabelTable | None = None,
    spacing: float | Sequence[float] | None = None,
    name: str | None = None,
    patient: str | None = None,
    allow_missing_affine: bool = False,
) -> Study:
    """Everything that the paths hold about one patient.

    Args:
        paths: ``PATH`` or ``KIND=PATH``; ``seg=PATH`` is a mask.
        labels: what the values of masks mean.
        spacing: millimetres per pixel of pictures, one number or (x, y).
        name: identifier of the study; the first path's name when not given.
        patient: identifier of the patient; from DICOM or the BraTS identifier when not given, else
            ``name``.
        allow_missing_affine: as for :func:`sagittal.io.nifti.read_image`.

    Returns:
        Images and masks on their own grids, with names that differ.

    Raises:
        InputError: no path, or files of several patients.
        FileFormatError, GeometryError, LabelError, LayoutError, StorageError: from the readers.
    """
    if not paths:
        raise InputError("There is nothing to open.", expected="at least one file or folder")
    images: list[Image] = []
    masks: list[Mask] = []
    patients: set[str] = set()
    for given in paths:
        kind, path = kind_and_path(given)
        read = _open_folder if path.is_dir() else _open_file
        more_images, more_masks, who = read(path, kind, labels, spacing, allow_missing_affine)
        images += more_images
        masks += more_masks
        patients |= {p for p in who if p}
    if patient is None and len(patients) > 1:
        raise InputError(
            "The files belong to several patients.",
            expected="one patient",
            got=", ".join(sorted(patients)),
            remedy="give one patient's files",
        )
    first = kind_and_path(paths[0])[1]
    name = name or _stem(first)
    return Study(name, patient or next(iter(patients), name), *_named_apart(images, masks))


def kind_and_path(given: str | Path) -> tuple[str | None, Path]:
    """``t1c=scan.nii.gz`` → ``("t1c", scan.nii.gz)``; an equals sign elsewhere is part of the name.

    Raises:
        StorageError: the path is empty, which would mean the folder one is in, or holds a zero byte.
    """
    kind, path = None, str(given)
    if isinstance(given, str) and "=" in given:
        before, after = given.split("=", 1)
        if before in KINDS or before == "seg":
            kind, path = before, after
    if not path.strip() or "\0" in path:
        raise StorageError("A path is empty or holds a zero byte.", got=repr(str(given)[:80]))
    return kind, Path(path)


def _stem(path: Path) -> str:
    name = path.resolve().name
    suffix = suffix_of(path) or path.suffix
    return name[: len(name) - len(suffix)] if suffix and not path.is_dir() else name


def _open_file(
    path: Path,
    kind: str | None,
    labels: LabelTable | None,
    spacing: float | Sequence[float] | None,
    allow_missing_affine: bool,
) -> Found:
    if suffix_of(path):
        if kind == "seg":
            return [], [nifti.read_mask(path, labels, allow_missing_affine=allow_missing_affine)], []
        kind = kind or recognise_kind(path)
        return [nifti.read_image(path, kind=kind, allow_missing_affine=allow_missing_affine)], [], []
    if path.suffix.lower() in raster.SUFFIXES:
        if kind == "seg":
            return [], [raster.read_picture_mask(path, labels, spacing=spacing)], []
        return [raster.read_picture(path, kind=kind or "unknown", spacing=spacing)], [], []
    if dicom.is_dicom(path):
        return _read_dicom([path], path, kind)
    raise FileFormatError(
        f"{path.name} is not a file that is read.",
        expected=f"{', '.join((*SUFFIXES, *raster.SUFFIXES))}, or DICOM",
        got=path,
        remedy="convert it to NIfTI or PNG",
    )


def _open_folder(
    path: Path,
    kind: str | None,
    labels: LabelTable | None,
    spacing: float | Sequence[float] | None,
    allow_missing_affine: bool,
) -> Found:
    files = [inner / name for inner, names in walk(path) for name in names]
    files = [file for file in files if file.is_file()]
    if any(dicom.is_dicom(file) for file in files):
        return _read_dicom(files, path, kind)
    try:
        cases = brats.find(path, None)
    except LayoutError as error:
        raise LayoutError(
            f"{path} holds neither DICOM images nor files with BraTS names.",
            got=f"{len(files)} files",
            remedy="give the files themselves, with what they show: t1=scan.nii.gz seg=mask.nii.gz",
        ) from error
    studies = [load_case(case, labels) for case in cases]
    return (
        [image for study in studies for image in study.images],
        [mask for study in studies for mask in study.masks],
        [study.patient for study in studies],
    )


def _read_dicom(files: Sequence[Path], what: Path, kind: str | None) -> Found:
    if kind == "seg":
        raise FileFormatError(
            "A mask is not read from DICOM.", got=what, remedy="convert the segmentation to NIfTI"
        )
    series = dicom.series_of(files, str(what))
    images = [dicom.read_series(one) for one in series]
    if kind is not None:
        images = [replace(image, kind=kind) for image in images]
    return images, [], [one.patient for one in series]


def _named_apart(images: list[Image], masks: list[Mask]) -> tuple[tuple[Image, ...], tuple[Mask, ...]]:
    """Names that repeat get a number: a region must be able to say which image it was drawn on."""
    count = Counter([*(image.name for image in images), *(mask.name for mask in masks)])
    seen: Counter[str] = Counter()

    def apart(name: str) -> str:
        seen[name] += 1
        return f"{name} ({seen[name]})" if count[name] > 1 else name

    return (
        tuple(replace(image, name=apart(image.name)) for image in images),
        tuple(replace(mask, name=apart(mask.name)) for mask in masks),
    )
