"""Real films to learn from: Montgomery's lungs, the NIH's text-mined labels, pictures without a chest.

What is known of a place is a code (:data:`CODES`): a film with marked lungs says nothing of its heart.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sagittal.builders.pixel_qa.found import shown_picture
from sagittal.builders.vqa_sets import load_vqa_set
from sagittal.errors import FileFormatError, LayoutError
from sagittal.files import storage_errors
from sagittal.io.films.names import FINDINGS, Finding
from sagittal.io.raster import read_picture
from sagittal.models.chest.films import square, upright
from sagittal.splits import Split, split_of
from sagittal.study import Image
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.real_pictures import film_pictures

#: What may be true of a place → the classes that it may be: none, heart, left lung, right lung.
CODES: tuple[tuple[int, ...], ...] = ((0,), (1,), (2,), (3,), (2, 3), (0, 1))
LEFT, RIGHT, LUNG, NO_LUNG = 2, 3, 4, 5
#: A lung's box reaches so far beyond the middle of both, as a share of their width, where it is one of two.
_BEYOND = 0.2
#: The findings that the NIH's labels have, by their name there; others of ours are not known of its films.
NIH_FINDINGS: Mapping[str, Finding] = {
    "Effusion": "Pleural Effusion", "Atelectasis": "Atelectasis", "Pneumonia": "Pneumonia", "Edema": "Edema",
    "Consolidation": "Consolidation", "Pneumothorax": "Pneumothorax", "Infiltration": "Infiltration",
    "Nodule": "Nodule",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class RealFilm:
    """A real film in a square.

    Attributes:
        name, patient: whose.
        pixels: (edge, edge) uint8, before it is stretched.
        codes: (edge, edge) uint8: place in :data:`CODES`.
    """

    name: str
    patient: str
    pixels: Tensor
    codes: Tensor


def montgomery_films(data: Path, split: Split, edge: int) -> list[RealFilm]:
    """Films with marked lungs.

    Args:
        data: folder of the development data.
        split: of the patients.
        edge: of the squares.
    """
    return [_marked(picture, edge) for picture in film_pictures(data, "montgomery", split)]


def _marked(picture: MarkedPicture, edge: int) -> RealFilm:
    pixels, frame = square(upright(picture.image), edge)
    marks = frame.nearest(picture.marks)
    codes = torch.zeros_like(marks)
    left, top, right, bottom = frame.inner
    codes[top:bottom, left:right] = NO_LUNG
    columns = torch.nonzero((marks > 0).any(dim=0))[:, 0]
    first, last = int(columns[0]), int(columns[-1])
    middle, beyond = (first + last) / 2, _BEYOND * (last - first)
    for number in marks.unique().tolist():
        if number:
            own = torch.nonzero((marks == number).any(dim=0))[:, 0].float()
            # The patient's left is on the right. What reaches over the middle may be both lungs.
            both = own[0] < middle - beyond and own[-1] > middle + beyond
            codes[marks == number] = LUNG if both else LEFT if own.mean() > middle else RIGHT
    return RealFilm(picture.facts.name, picture.facts.patient, pixels, codes)


def other_pictures(data: Path, split: Split, edge: int) -> list[RealFilm]:
    """Pictures of heads and bellies (VQA-RAD), on which there is no lung and no heart to be found."""
    return [
        RealFilm(
            image.name, image.name, square(upright(image), edge)[0],
            torch.zeros(edge, edge, dtype=torch.uint8),
        )
        for image in other_images(data, split)
    ]  # fmt: skip


def other_images(data: Path, split: Split) -> Iterator[Image]:
    """As they are; see :func:`other_pictures`."""
    folder = data / "vqa_rad"
    images = folder / "images"
    examples = load_vqa_set("vqa-rad", folder, images=images).examples
    parts = {e.images[0].path: e.targets["body_part"] for e in examples if e.split == split}
    for path, part in sorted(parts.items()):
        if str(part).upper() in ("HEAD", "ABD"):
            yield shown_picture(images / path)


@dataclass(frozen=True)
class NihFilm:
    """What is known of a film of the NIH's.

    Attributes:
        path: of the picture.
        patient: whose.
        labels: of each of FINDINGS; ``None`` where the labels have no such word.
        view: PA or AP.
        female: who.
    """

    path: Path
    patient: str
    labels: tuple[bool | None, ...]
    view: str
    female: bool

    def image(self) -> Image:
        """The picture."""
        return read_picture(self.path, kind="cxr")


def nih_films(data: Path, split: Split) -> list[NihFilm]:
    """The films of the patients of a split, by the hash of ``Patient ID``.

    Args:
        data: folder of the development data.
        split: of the patients.

    Raises:
        LayoutError: a film that the table names is missing.
        FileFormatError: the table lacks a column.
    """
    folder = data / "cxr_nih"
    with storage_errors(folder / "labels.csv"), (folder / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    try:
        films = [_nih_film(folder, row) for row in rows if split_of(row["Patient ID"]) == split]
    except KeyError as error:
        raise FileFormatError("The table of the films lacks a column.", got=f"no {error}") from error
    for film in films:
        if not film.path.is_file():
            raise LayoutError("A film is missing.", expected=film.path, got="no such file")
    return films


def _nih_film(folder: Path, row: Mapping[str, str]) -> NihFilm:
    there = {NIH_FINDINGS[name] for name in row["Finding Labels"].split("|") if name in NIH_FINDINGS}
    known = set(NIH_FINDINGS.values())
    return NihFilm(
        path=folder / "images" / Path(row["Image Index"]).with_suffix(".jpg").name,
        patient=row["Patient ID"],
        labels=tuple(name in there if name in known else None for name in FINDINGS),
        view=row["View Position"], female=row["Patient Gender"] == "F",
    )  # fmt: skip
