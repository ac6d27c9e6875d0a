"""Paths of CheXpert, which name patient, study and film."""

from __future__ import annotations

import re
from typing import NamedTuple

from sagittal.io.films.record import Record

# The release's name stands before it in its own tables ("CheXpert-v1.0-small/"), and not in CheXmask's.
_PATH = re.compile(
    r"(?:CheXpert-v1\.0[^/\\]*/)?(?P<image>\w+/(?P<patient>patient\d+)/(?P<study>study\d+)/[\w.-]+)", re.ASCII
)


class CheXpertFilm(NamedTuple):
    """A film, by the names of a statement's fields; its image is the path below the release's folder."""

    patient: str
    study: str
    image: str


def film_below(record: Record, key: str) -> CheXpertFilm:
    """The film that a path names."""
    found = record.matching(key, _PATH, "train/patient00001/study1/view1_frontal.jpg")
    return CheXpertFilm(found["patient"], f"{found['patient']}/{found['study']}", record.path(found["image"]))
