"""What step I knows of a picture (MedPLIB, "MeCoVQA Dataset", I): modality, region, orientation, instances.

A record is JSON beside the pictures (``case.json``); everything that is said later is said from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sagittal.builders.manifests import read_object
from sagittal.errors import FileFormatError
from sagittal.example import Sha256

RECORD_SCHEMA = "sagittal.pixel-case/1"
#: The record's file, in the folder of its case.
CASE_FILE = "case.json"
UNKNOWN: Final = "unknown"

#: The columns of the paper's Tables 7 and 8, and pictures that state none of them.
Modality = Literal[
    "CT", "Dermoscopy", "Endoscopy", "Fundus", "MRI", "PET", "Ultrasound", "X-Ray", "unknown"
]  # fmt: skip
MODALITIES: tuple[Modality, ...] = get_args(Modality)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Instance(_Form):
    """One thing in a picture, measured on its mask; pixels count from the upper left, x to the right.

    Attributes:
        name: of its class.
        mask: its file in the case's folder; label 1.
        pixels, share: its size, and that as a share of the picture (0–1).
        centroid: mean pixel index, x and y.
        box: first and last pixel index, x1, y1, x2, y2, all inside.
        place: where the centroid lies, "upper left" …, by thirds of the picture.
        point: the pixel deepest inside the part that no other class covers; ``None`` where there is none.
        touches: numbers of the instances that it overlaps or has a pixel's edge in common with.
        has_twin: another class has the very same mask, so that pointing cannot tell them apart.
    """

    name: str
    mask: str
    pixels: int = Field(ge=1)
    share: float = Field(gt=0, le=1)
    centroid: tuple[float, float]
    box: tuple[int, int, int, int]
    place: str
    point: tuple[int, int] | None
    touches: tuple[int, ...]
    has_twin: bool


class ClassMask(_Form):
    """A class of a picture: the numbers of its instances, and the file of all of them together; label 1."""

    name: str
    mask: str
    instances: tuple[int, ...] = Field(min_length=1)


class Picture(_Form):
    """One picture.

    Attributes:
        name: within its case.
        image: its file in the case's folder, 8 bits.
        orientation: from metadata, else ``unknown``.
        size: width and height in pixels.
        spacing_mm: of the pixels, x and y; ``None`` where not known.
    """

    name: str
    image: str
    orientation: str
    size: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    instances: tuple[Instance, ...] = Field(min_length=1)
    classes: tuple[ClassMask, ...] = Field(min_length=1)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its classes, in their order."""
        return tuple(one.name for one in self.classes)


class CaseRecord(_Form):
    """All pictures of one case, which is a study of one patient.

    Attributes:
        dataset: whose classes are marked wherever they are in sight, so that a class without a mask is
            not there; ``None`` where that is not known.
        region: the scanned region, else ``unknown``.
        made_from: path relative to the input → hash of each file.
        settings: hash of the settings that it was made with.
        left_out: reason → masks or slices that gave nothing.
    """

    schema_: Literal["sagittal.pixel-case/1"] = Field(default="sagittal.pixel-case/1", alias="schema")
    name: str = Field(min_length=1)
    patient: str = Field(min_length=1)
    dataset: str | None
    modality: Modality
    region: str
    pictures: tuple[Picture, ...]
    made_from: dict[str, Sha256]
    settings: Sha256
    left_out: dict[str, int]

    def summary(self) -> CaseSummary:
        """Without its pictures."""
        names = frozenset(name for picture in self.pictures for name in picture.names)
        left = tuple(sorted(self.left_out.items()))
        return CaseSummary(self.name, self.dataset, len(self.pictures), names, left)

    def files(self) -> list[str]:
        """Its pictures and masks, by their names in the case's folder."""
        named = [f for p in self.pictures for f in (p.image, *(i.mask for i in p.instances))]
        named += [c.mask for p in self.pictures for c in p.classes]
        return sorted(set(named))


@dataclass(frozen=True)
class CaseSummary:
    """Of a case what the whole set must know: small, for there may be many."""

    name: str
    dataset: str | None
    pictures: int
    classes: frozenset[str]
    left_out: tuple[tuple[str, int], ...]


def read_record(path: Path) -> CaseRecord:
    """A case's record.

    Raises:
        StorageError: it cannot be read.
        FileFormatError: it is not one.
    """
    try:
        return CaseRecord.model_validate(read_object(path))
    except ValidationError as error:
        raise FileFormatError(
            "The file is not the record of a case.", got=f"{path}: {error}", remedy="delete the case's folder"
        ) from error
