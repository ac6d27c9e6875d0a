"""DICOM folders and files → :class:`Image`.

Series are told apart by SeriesInstanceUID, then by orientation, then (where several frames lie at one
place) by b-value, echo, time point, acquisition or image type. Slices are ordered by where they lie.
What an image shows comes from metadata. Of the patient only PatientID is kept, because splits go by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from sagittal.errors import FileFormatError
from sagittal.io.dicom_geometry import (
    PARALLEL,
    check_stack,
    film_geometry,
    has_repeats,
    ordered,
    stack_geometry,
)
from sagittal.io.dicom_headers import FileHeader, Frame, is_dicom, read_header
from sagittal.io.dicom_pixels import read_stack
from sagittal.io.folders import walk
from sagittal.study import Image

__all__ = ["Series", "find_series", "is_dicom", "read_series", "series_of"]


@dataclass(frozen=True)
class Series:
    """Frames that make one image; headers only.

    Attributes:
        name: series number and description.
        uid: SeriesInstanceUID. A series that had to be split shares it among its parts.
        study: StudyInstanceUID, the identifier of the visit.
        patient: PatientID, or empty.
        kind: from metadata, see :func:`sagittal.io.dicom_kinds.kind_of`.
        frames: ordered along the normal.
    """

    name: str
    uid: str
    study: str
    patient: str
    modality: str
    kind: str
    acquired: date | None
    patient_orientation: tuple[str, ...]
    frames: tuple[Frame, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files, in the order of the slices."""
        return tuple(dict.fromkeys(frame.path for frame in self.frames))


def find_series(folder: str | Path) -> list[Series]:
    """The image series under a folder, sorted by number and name. Pixels are not read.

    Files that are not DICOM, and DICOM objects that are not images (a DICOMDIR, a report, a
    segmentation), are passed over.

    Raises:
        FileFormatError: no image series, or a damaged header.
        StorageError: a folder or file cannot be read.
    """
    folder = Path(folder)
    paths = [inner / name for inner, names in walk(folder) for name in names]
    return series_of([path for path in paths if path.is_file()], str(folder))


def series_of(paths: Sequence[Path], what: str) -> list[Series]:
    """The image series among files; ``what`` names them in an error. Raises as :func:`find_series`."""
    headers = [header for path in paths if (header := read_header(path)) is not None]
    if not headers:
        raise FileFormatError(
            f"{what} holds no DICOM image.",
            expected="files with a DICOM header and pixels",
            got=f"{len(paths)} files, none of that kind",
            remedy="check the path",
        )
    groups: dict[str, list[FileHeader]] = {}
    for header in headers:
        groups.setdefault(header.series, []).append(header)
    found = [series for group in groups.values() for series in _split(group)]
    return sorted(found, key=lambda s: (s.name, s.uid, str(s.frames[0].path), s.frames[0].index))


def _split(headers: list[FileHeader]) -> list[Series]:
    films: list[list[Frame]] = []
    planes: list[list[Frame]] = []
    for frame in (frame for header in headers for frame in header.frames):
        if frame.position is None or frame.orientation is None:
            films.append([frame])
            continue
        for plane in planes:
            if np.allclose(plane[0].orientation or (), frame.orientation, atol=PARALLEL):
                plane.append(frame)
                break
        else:
            planes.append([frame])
    parts = films + [ordered(part) for plane in planes for part in _told_apart(plane)]
    of_path = {frame.path: header for header in headers for frame in header.frames}
    return [_series(of_path[part[0].path], part) for part in parts]


def _told_apart(frames: list[Frame]) -> list[list[Frame]]:
    """Frames at one place, told apart by the first attribute that leaves no two at one place."""
    if not has_repeats(frames):
        return [frames]
    for key in range(len(frames[0].repeat)):
        parts: dict[str, list[Frame]] = {}
        for frame in frames:
            parts.setdefault(frame.repeat[key], []).append(frame)
        if len(parts) > 1 and not any(has_repeats(part) for part in parts.values()):
            return list(parts.values())
    return [frames]  # refused, with its files named, when it is read


def _series(header: FileHeader, frames: list[Frame]) -> Series:
    number = "" if header.number is None else f"{header.number:03d}"
    return Series(
        " ".join(part for part in (number, header.description) if part) or header.series,
        header.series, header.study, header.patient, header.modality, header.kind, header.acquired,
        header.patient_orientation, tuple(frames),
    )  # fmt: skip


def read_series(series: Series) -> Image:
    """The image of a series.

    Rescale slope and intercept are applied slice by slice; no window is. A MONOCHROME1 film is turned
    round, so that bright is dense. A tilted gantry gives a sheared grid. ``session`` is the study's UID.

    Raises:
        FileFormatError: slices that are not one even stack, or pixels that cannot be decoded.
        MissingExtraError: a compressed transfer syntax whose decoder is not installed.
        StorageError: a file cannot be opened.
    """
    frames = list(series.frames)
    if len(frames) == 1 and (frames[0].position is None or frames[0].orientation is None):
        geometry = film_geometry(frames[0], series.patient_orientation)
    else:
        if all(frame.position and frame.orientation for frame in frames):
            frames = ordered(frames)
        check_stack(frames)
        geometry = stack_geometry(frames)
    data = read_stack(frames, series.modality)
    return Image(data, geometry, series.kind, series.name, series.acquired, series.study)
