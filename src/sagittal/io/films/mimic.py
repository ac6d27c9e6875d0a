"""Ids and paths of MIMIC-CXR, on which several sets stand: digits of patient and study, the film's hash."""

from __future__ import annotations

import re
from typing import NamedTuple

from sagittal.io.films.record import Record

COLLECTION = "mimic-cxr"
CREDENTIALED = "PhysioNet Credentialed Health Data License 1.5.0"
_NUMBER = re.compile(r"\d{8}", re.ASCII)
_DICOM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}")
_PATH = re.compile(rf"(?:files/)?p\d\d/p({_NUMBER.pattern})/s(\d{{8}})/({_DICOM.pattern})\.jpg", re.ASCII)


class MimicFilm(NamedTuple):
    """A film of MIMIC-CXR-JPG, by the names of a statement's fields."""

    patient: str
    study: str
    image: str

    @property
    def file(self) -> str:
        """Its picture in the release of MIMIC-CXR-JPG."""
        return f"{study_path(self.patient, self.study)}/{self.image}.jpg"


def study_path(patient: str, study: str) -> str:
    """Where a study lies: a folder of pictures, or (with ``.txt``) its report."""
    return f"files/p{patient[:2]}/p{patient}/s{study}"


def patient_of(record: Record) -> str:
    """``subject_id``."""
    return record.matching("subject_id", _NUMBER, "10000032")[0]


def study_of(record: Record) -> str:
    """``study_id``."""
    return record.matching("study_id", _NUMBER, "50414267")[0]


def dicom_of(record: Record, key: str = "dicom_id") -> str:
    """A film's id."""
    return record.matching(key, _DICOM, "five times eight hexadecimal digits")[0]


def film_of(record: Record) -> MimicFilm:
    """The film that the three columns name."""
    return MimicFilm(patient_of(record), study_of(record), dicom_of(record))


def film_at(record: Record, key: str, image: str) -> MimicFilm:
    """The film that a path names, which must be the one of this id."""
    film = MimicFilm(*record.matching(key, _PATH, "files/p10/p10000032/s50414267/ID.jpg").groups())
    if film.image != image:
        record.refuse(f"`{key}` is the path of another film than {image}", film.image)
    return film
