"""Marked pictures to learn from and to be tested on: kept as numbered instances, asked about as records.

A bank is a folder with blocks, each written as a whole, so that several processes can make one bank and any
of them can be stopped:

    pictures.npz   image-N (W, H) or (W, H, 3) uint8, marks-N (W, H) uint8: number of the instance, 0 for none
    pictures.json  of each picture, :class:`Facts`

Instances do not overlap. What is asked is asked by the builder of MeCoVQA, from the same records
(:mod:`sagittal.builders.pixel_qa`).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter

from sagittal.builders.pixel_qa.places import measured
from sagittal.builders.pixel_qa.records import UNKNOWN, CaseRecord, ClassMask, Instance, Modality, Picture
from sagittal.errors import FileFormatError, InputError, LayoutError
from sagittal.files import atomic_folder, storage_errors, to_json_text
from sagittal.io.raster import picture_geometry
from sagittal.study import Image

_FACTS, _PIXELS = "pictures.json", "pictures.npz"


class Facts(BaseModel):
    """What is known of a picture besides its pixels.

    Attributes:
        name: unique in its bank.
        patient: of the picture; splits go by it.
        dataset: whose classes are all marked where they are in sight; ``None`` where that is not so.
        modality: of MeCoVQA's.
        kind: of :data:`sagittal.study.KINDS`.
        orientation: of the slice, or ``unknown``.
        region: that was scanned, or ``unknown``.
        spacing: mm of a pixel, x and y; ``None`` where not known.
        classes: of each instance, in the order of their numbers.
        small: classes in sight that are too small to be marked: neither there nor absent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    patient: str
    dataset: str | None
    modality: Modality
    kind: str
    orientation: str = UNKNOWN
    region: str = UNKNOWN
    spacing: tuple[float, float] | None = None
    classes: tuple[str, ...] = ()
    small: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class MarkedPicture:
    """A picture and its instances.

    Attributes:
        pixels: (W, H) or (W, H, 3) uint8, x to the right.
        marks: (W, H) uint8 number of the instance, from 1; 0 for none.
        facts: what is known of it.
    """

    pixels: NDArray[np.uint8]
    marks: NDArray[np.uint8]
    facts: Facts

    @cached_property
    def image(self) -> Image:
        """As the rest of the project takes it."""
        width, height = self.pixels.shape[:2]
        geometry = picture_geometry(width, height, self.facts.spacing)
        return Image(self.pixels[:, :, None], geometry, self.facts.kind, self.facts.name)

    def instance(self, number: int) -> NDArray[np.bool_]:
        """(W, H): one instance, counted from 0."""
        found: NDArray[np.bool_] = self.marks == number + 1
        return found

    def of_class(self, name: str) -> NDArray[np.bool_]:
        """(W, H): all instances of a class."""
        members = [n + 1 for n, own in enumerate(self.facts.classes) if own == name]
        return np.isin(self.marks, members)

    @cached_property
    def record(self) -> CaseRecord:
        """As the builder of questions takes it; its files are not there."""
        facts = self.facts
        pictures = (self._picture(),) if facts.classes else ()
        return CaseRecord(
            schema="sagittal.pixel-case/1", name=facts.name, patient=facts.patient, dataset=facts.dataset,
            modality=facts.modality, region=facts.region, pictures=pictures, made_from={},
            settings="0" * 64, left_out={},
        )  # fmt: skip

    def _picture(self) -> Picture:
        facts = self.facts
        found = measured([self.instance(n) for n in range(len(facts.classes))], facts.classes)
        instances = tuple(
            Instance(name=name, mask=str(n), **asdict(own))
            for n, (name, own) in enumerate(zip(facts.classes, found, strict=True))
        )
        members = {
            name: tuple(n for n, own in enumerate(facts.classes) if own == name) for name in facts.classes
        }
        classes = tuple(ClassMask(name=name, mask=name, instances=own) for name, own in members.items())
        return Picture(
            name=facts.name, image=facts.name, orientation=facts.orientation,
            size=(self.pixels.shape[0], self.pixels.shape[1]), spacing_mm=facts.spacing,
            instances=instances, classes=classes,
        )  # fmt: skip


def write_block(folder: str | Path, pictures: Iterable[MarkedPicture]) -> None:
    """Write pictures as one block, as a whole.

    Raises:
        InputError: an instance without a pixel, or a mark without an instance.
        StorageError: the folder is there, or cannot be written.
    """
    arrays, facts = {}, []
    for number, picture in enumerate(pictures):
        marked = np.unique(picture.marks)
        if set(marked.tolist()) - {0} != set(range(1, len(picture.facts.classes) + 1)):
            raise InputError("Each instance is marked, and nothing else.", got=picture.facts.name)
        arrays[f"image-{number}"], arrays[f"marks-{number}"] = picture.pixels, picture.marks
        facts.append(picture.facts.model_dump(mode="json"))
    with atomic_folder(Path(folder)) as temporary:
        np.savez(temporary / _PIXELS, allow_pickle=False, **arrays)
        (temporary / _FACTS).write_text(to_json_text(facts), encoding="utf-8")


def read_bank(folders: Sequence[str | Path]) -> list[MarkedPicture]:
    """The pictures of some banks, in the order of folders and blocks.

    Raises:
        FileFormatError: a block is damaged.
        LayoutError: a folder holds no block, or one is missing between others.
        StorageError: a file cannot be read.
    """
    found = []
    for folder in map(Path, folders):
        blocks = sorted(p for p in folder.glob("[0-9]*") if p.is_dir())
        if not blocks:
            raise LayoutError("The folder holds no pictures.", expected="blocks 0000, 0001, …", got=folder)
        for number, block in enumerate(blocks):
            if block.name != f"{number:04d}":
                raise LayoutError(
                    "A block of pictures is missing.", expected=folder / f"{number:04d}", got=block,
                    remedy="make the rest of the bank: what is there is kept",
                )  # fmt: skip
            found += _read_block(block)
    return found


def _read_block(block: Path) -> list[MarkedPicture]:
    try:
        with storage_errors(block):
            facts = TypeAdapter(list[Facts]).validate_json((block / _FACTS).read_bytes())
            with np.load(block / _PIXELS, allow_pickle=False) as arrays:
                return [
                    MarkedPicture(arrays[f"image-{n}"], arrays[f"marks-{n}"], own)
                    for n, own in enumerate(facts)
                ]
    except (ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise FileFormatError(
            "This is no block of marked pictures.", expected=f"{_PIXELS} and {_FACTS} as they were written",
            got=f"{block}: {error}", remedy="delete the block and make it again",
        ) from error  # fmt: skip


def bank_hash(pictures: Iterable[MarkedPicture]) -> str:
    """SHA-256 over pixels, marks and facts, to name a set in results."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.facts.model_dump_json().encode())
        digest.update(np.ascontiguousarray(picture.pixels).tobytes())
        digest.update(np.ascontiguousarray(picture.marks).tobytes())
    return digest.hexdigest()
