"""STUDY arguments → the images that they name, told from names and headers; no pixels are read.

A segmentation is passed over: it would be somebody's answer already. What a volume shows is told from its
name (:mod:`sagittal.io.kinds`), what a DICOM series shows from its metadata; the rest is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from sagittal.agent.text import plain
from sagittal.asking.dicom_part import reservation
from sagittal.errors import FileFormatError, InputError
from sagittal.files import storage_errors
from sagittal.io import dicom, nifti, raster
from sagittal.io.folders import walk
from sagittal.io.kinds import recognise_kind
from sagittal.io.layouts.brats import patient_and_session
from sagittal.io.opening import kind_and_path
from sagittal.io.volume_file import SUFFIXES, suffix_of
from sagittal.study import Image

_SEGMENTATION = {
    "seg", "segmentation", "segm", "mask", "brainmask", "label", "labels", "labelmap", "anatomy", "aseg",
    "aparc", "parcellation", "dseg", "roi", "gt", "truth", "groundtruth",
}  # fmt: skip
#: Longest name that is shown of a file.
_SHOWN = 120


@dataclass(frozen=True)
class Found:
    """An image before its pixels are read.

    Attributes:
        path: its file; of a DICOM series the first.
        name: what it is called in tables and answers.
        kind: one of :data:`sagittal.study.KINDS`.
        explicit: whether the user named it by itself; what lies in a folder may be left out.
        reservation: why a model of whole scans of the head cannot be asked about it, as far as its metadata
            tell; empty where it can.
        patient: identifier of the patient, where it is known.
        session: identifier of the visit that the file states, or empty.
        acquired: its date, where it is known.
        series: the DICOM series; ``None`` for a volume's file.
    """

    path: Path
    name: str
    kind: str
    explicit: bool
    reservation: str = ""
    patient: str = ""
    session: str = ""
    acquired: date | None = None
    series: dicom.Series | None = None

    def read(self) -> Image:
        """Read the pixels.

        Raises:
            FileFormatError, GeometryError, StorageError: from the readers.
        """
        if self.series is not None:
            image = dicom.read_series(self.series)
        elif _is_picture(self.path):
            image = raster.read_picture(self.path)
        else:
            image = nifti.read_image(self.path)
        # A colour picture that nobody said anything of is a photograph; a grey one may be anything.
        kind = "photo" if self.kind == "unknown" and image.channels > 1 else self.kind
        return replace(image, kind=kind, name=self.name, acquired=self.acquired, session=self.session)


@dataclass(frozen=True)
class LeftOut:
    """A file or series that is not asked about, and why."""

    name: str
    why: str


def find_images(paths: Sequence[str | Path], *, pictures: bool = False) -> tuple[list[Found], list[LeftOut]]:
    """The images that STUDY arguments name.

    Args:
        paths: ``PATH`` or ``KIND=PATH``: volumes (NIfTI, MGH), DICOM files, or folders of them; pictures.
        pictures: whether a model is at hand that looks at pictures and slices. Pictures are then taken where
            they are named by themselves, and so are series of other parts of the body or of an unstated
            kind; such a series of a folder only where the folder holds nothing else.

    Returns:
        Images in the order given, and what was passed over.

    Raises:
        InputError: no image; a file that is not told what it shows; several patients; a picture.
        FileFormatError, StorageError: a file or folder that cannot be read.
    """
    if not paths:
        raise InputError("There is nothing to ask about.", expected="at least one scan or folder")
    search = _Search(pictures)
    for given in paths:
        search.add(given)
    found = search.images()
    if not found:
        raise InputError(
            "There is no image to ask about.",
            expected="NIfTI volumes or DICOM series" + (", or a picture by its own name" if pictures else ""),
            got="; ".join(f"{o.name}: {o.why}" for o in search.left_out[:3]) or "empty folders",
            remedy="name the files with what they show: t1=scan.nii.gz flair=other.nii.gz",
        )
    patients = sorted({image.patient for image in found if image.patient})
    if len(patients) > 1:
        raise InputError(
            "The images belong to several patients.",
            expected="one patient",
            got=", ".join(patients),
            remedy="ask about one patient at a time",
        )
    return found, search.left_out


class _Search:
    """Collects images argument by argument; DICOM files of all arguments make up series together."""

    def __init__(self, pictures: bool) -> None:
        self._pictures = pictures
        self.left_out: list[LeftOut] = []
        self._volumes: dict[Path, Found] = {}
        self._dicom: dict[str | None, dict[Path, bool]] = {}

    def add(self, given: str | Path) -> None:
        """One STUDY argument."""
        kind, path = _image_and_path(given)
        if path.is_dir():
            self._add_folder(path, kind)
        else:
            self._add_file(path, kind)

    def images(self) -> list[Found]:
        """All that was found, volumes first."""
        found = list(self._volumes.values())
        stated = {path for kind, files in self._dicom.items() if kind is not None for path in files}
        for kind, files in self._dicom.items():
            rest = {path: named for path, named in files.items() if kind is not None or path not in stated}
            if rest:
                found += self._series(rest, kind)
        plain = [image for image in found if image.explicit or not image.reservation]
        if plain:
            aside = [image for image in found if image not in plain]
            self.left_out += [LeftOut(image.name, image.reservation) for image in aside]
        return plain or found

    def _add_folder(self, folder: Path, kind: str | None) -> None:
        files = [inner / name for inner, names in walk(folder) for name in names if name[:1] != "."]
        files = [path for path in files if path.is_file()]
        scans = [path for path in files if dicom.is_dicom(path)]
        if scans:
            # DICOM's own kind is better than a word for a folder of many series; a stated one is the user's.
            self._dicom.setdefault(kind, {}).update((path, kind is not None) for path in scans)
        volumes = [path for path in files if suffix_of(path)]
        for path in volumes:
            self._add_volume(path, kind, explicit=kind is not None)
        if not scans and not volumes:
            own = "; a picture is given by its own name" if any(_is_picture(path) for path in files) else ""
            self.left_out.append(LeftOut(_shown(folder), f"none of its {len(files)} files is a scan{own}"))

    def _add_file(self, path: Path, kind: str | None) -> None:
        with storage_errors(path):
            path.stat()
        if suffix_of(path):
            self._add_volume(path, kind, explicit=True)
        elif _is_picture(path):
            self._add_picture(path, kind)
        elif dicom.is_dicom(path):
            self._dicom.setdefault(kind, {})[path] = True
        else:
            raise FileFormatError(
                f"{path.name} is not a file that is read.",
                expected=", ".join((*SUFFIXES, *(raster.SUFFIXES if self._pictures else ()))) + ", or DICOM",
                got=path,
                remedy="convert it to NIfTI",
            )

    def _add_picture(self, path: Path, kind: str | None) -> None:
        if not self._pictures:
            raise InputError(
                "A picture is not asked about by the models at hand.",
                expected="a volume: NIfTI or DICOM",
                got=path,
                remedy="give the scan that it was made from, or another model (--model)",
            )
        if kind is None and _words(path.stem) & _SEGMENTATION:
            raise _segmentation(path)
        found = Found(path, _shown(path), kind or "unknown", True, "it is a picture, not a volume")
        self._volumes[path.resolve()] = found

    def _add_volume(self, path: Path, kind: str | None, *, explicit: bool) -> None:
        if kind is None and _words(_stem(path)) & _SEGMENTATION:
            if explicit:
                raise _segmentation(path)
            self.left_out.append(LeftOut(_shown(path), "a segmentation; masks are drawn anew"))
            return
        stated = kind is not None
        kind = kind or recognise_kind(path)
        if kind == "unknown" and not stated:
            if explicit:
                raise InputError(
                    f"Nothing says what {path.name} shows.",
                    expected="a name with its sequence (scan_t1.nii.gz, -t1c, _flair), or KIND=PATH",
                    got=path,
                    remedy=f"say what it shows: t1={path} (or t1c=, t2=, flair=, …)",
                )
            self.left_out.append(LeftOut(_shown(path), "nothing says what it shows; give it as KIND=PATH"))
            return
        case = _stem(path)[: -len(re.split("[-_]", _stem(path))[-1]) - 1]
        patient, session = patient_and_session(case)
        # Another name than BraTS's says nothing of the patient.
        found = Found(path, _shown(path), kind, explicit, "", patient if session else "", session)
        # A file named by itself and with its folder is one image; its own mention counts.
        before = self._volumes.get(path.resolve())
        if before is None or explicit:
            self._volumes[path.resolve()] = found

    def _series(self, files: dict[Path, bool], kind: str | None) -> list[Found]:
        made = []
        for series in dicom.series_of(list(files), str(next(iter(files)).parent)):
            first, name = series.frames[0].path, plain(series.name, _SHOWN)
            found = Found(
                first, name, kind or series.kind, any(files[path] for path in series.paths), "",
                plain(series.patient, _SHOWN), series.study, series.acquired, series,
            )  # fmt: skip
            found = replace(found, reservation=reservation(first, None if kind else series.kind))
            if not found.reservation or self._pictures:
                made.append(found)
            elif found.explicit:
                raise InputError(
                    f"The series {name} cannot be asked about: {found.reservation}.",
                    expected="a scan of the head whose sequence is known",
                    got=first.parent,
                    remedy=f"say what it shows: t1={first.parent} (or t1c=, t2=, flair=, …); if its header "
                    "is wrong, convert it to NIfTI",
                )
            else:
                self.left_out.append(LeftOut(name, found.reservation))
        return made


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in raster.SUFFIXES


def _segmentation(path: Path) -> InputError:
    return InputError(
        f"{path.name} is named as a segmentation.",
        expected="a scan",
        got=path,
        remedy=f"leave it out; if it is a scan, say what it shows: t1={path}",
    )


def _image_and_path(given: str | Path) -> tuple[str | None, Path]:
    kind, path = kind_and_path(given)
    if kind == "seg":
        raise InputError(
            "A segmentation is not asked about: masks are drawn anew.",
            got=given,
            remedy="leave it out; sagittal describe measures a segmentation",
        )
    return kind, path


def _shown(path: Path) -> str:
    return plain(path.name or str(path), _SHOWN)


def _stem(path: Path) -> str:
    return path.name[: -len(suffix_of(path) or "")]


def _words(stem: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", stem.lower()))
