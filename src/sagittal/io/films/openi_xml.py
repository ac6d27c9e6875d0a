"""One report of Open-i's Indiana collection: XML, distrusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from sagittal.errors import FileFormatError
from sagittal.io.films.texts import read_report

_UID = re.compile(r"CXR(\d{1,6})", re.ASCII)
_IMAGE = re.compile(r"[\w.-]{1,80}", re.ASCII)


@dataclass(frozen=True)
class OpenIReport:
    """A report.

    Attributes:
        uid: number of the study.
        sections: label in capitals → its words; blank ones are left out.
        images: ids of its films, as published.
        terms: what people coded it with, ``normal`` among it: MeSH and RadLex, ``/`` between their parts.
    """

    uid: str
    sections: Mapping[str, str]
    images: tuple[str, ...]
    terms: tuple[str, ...] = ()


def read_openi_xml(path: Path) -> OpenIReport:
    """Read a report. Entities are never expanded: a file that declares any is refused.

    Raises:
        FileFormatError: not XML, not a report of the collection, or with a document type of its own.
        StorageError: it cannot be read.
    """
    data, seen = read_report(path), _Seen()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _no_document_type
    parser.StartElementHandler = seen.start
    parser.EndElementHandler = seen.end
    parser.CharacterDataHandler = seen.text
    try:
        parser.Parse(data, True)
        uid = _UID.fullmatch(seen.uid)
        if not uid or not all(_IMAGE.fullmatch(image) for image in seen.images):
            raise ValueError(f"no id, or a strange one: {[seen.uid, *seen.images]}"[:200])
    except (expat.ExpatError, ValueError) as error:
        raise FileFormatError(
            f"{path.name} is not a report of the Indiana collection.",
            expected="eCitation with uId, AbstractText and parentImage",
            got=f"{path}: {error}",
            remedy="fetch the file again",
        ) from error
    sections = {label: " ".join("".join(parts).split()) for label, parts in seen.sections.items()}
    terms = (" ".join("".join(parts).split()) for parts in seen.terms)
    return OpenIReport(
        uid[1], {k: v for k, v in sections.items() if v}, tuple(seen.images), tuple(t for t in terms if t)
    )


def _no_document_type(*_: object) -> NoReturn:
    raise ValueError("a document type of its own")


@dataclass
class _Seen:
    """What the parser came across."""

    uid: str = ""
    images: list[str] = field(default_factory=list)
    sections: dict[str, list[str]] = field(default_factory=dict)
    terms: list[list[str]] = field(default_factory=list)
    _open: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "uId":
            self.uid = attributes.get("id", "")
        elif tag == "parentImage":
            self.images.append(attributes.get("id", ""))
        elif tag == "AbstractText":
            self._open = self.sections.setdefault(attributes.get("Label", "").upper(), [])
        elif tag == "major":
            self._open = []
            self.terms.append(self._open)

    def end(self, tag: str) -> None:
        if tag in ("AbstractText", "major"):
            self._open = None

    def text(self, words: str) -> None:
        if self._open is not None:
            self._open.append(words)
