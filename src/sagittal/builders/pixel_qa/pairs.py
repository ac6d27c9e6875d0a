"""A folder of pictures and masks: ``images/NAME.png``, ``masks/NAME.png``, ``labels.yaml`` (.json, .csv).

A mask's values are labels; each label that is present is one instance. Masks that lie beside their own
tables (``NAME.labels.json``) need no table of the folder.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sagittal.builders.pixel_qa.found import (
    NOTHING_MARKED,
    FoundCase,
    FoundPicture,
    labelled,
    require_same_size,
    shown_picture,
)
from sagittal.builders.pixel_qa.records import UNKNOWN, Modality
from sagittal.builders.pixel_qa.sammed2d import PICTURE
from sagittal.builders.pixel_qa.stated import Stated, StatedTable
from sagittal.errors import LayoutError
from sagittal.files import storage_errors
from sagittal.io.labels import Label, LabelTable, load_labels
from sagittal.io.mask_values import labels_path
from sagittal.io.raster import SUFFIXES, read_picture_mask

#: Names that the table of labels may have.
TABLES = ("labels.yaml", "labels.yml", "labels.json", "labels.csv", "labels.txt")


@dataclass(frozen=True)
class PairCase:
    """A picture and its mask, paths relative to ``root``."""

    name: str
    root: Path
    image: str
    mask: str
    table: LabelTable | None
    dataset: str | None
    stated: Stated

    def files(self) -> dict[str, Path]:
        """Picture, mask, and the mask's own table where there is one."""
        paths = [self.image, self.mask]
        beside = labels_path(self.root / self.mask)
        if beside.is_file():
            paths.append(beside.relative_to(self.root).as_posix())
        return {path: self.root / path for path in paths}

    def settings(self) -> dict[str, object]:
        """The table."""
        return {"layout": "pairs", "labels": self.table.to_json() if self.table else None}

    def read(self) -> FoundCase:
        """See :class:`~sagittal.builders.pixel_qa.found.SourceCase`.

        Raises:
            LabelError: a value without a name.
            GeometryError: a mask of another size than the picture.
            FileFormatError: not a picture.
        """
        image = shown_picture(self.root / self.image)
        mask = read_picture_mask(self.root / self.mask, self.table)
        require_same_size(image, mask)
        patient, modality = self.stated.patient or self.name, self.stated.modality
        known: Modality = modality or UNKNOWN
        instances = labelled(mask)
        if not instances:
            return FoundCase(patient, known, (), Counter({NOTHING_MARKED: 1}))
        picture = FoundPicture(PICTURE, image, self.stated.orientation or UNKNOWN, instances)
        return FoundCase(patient, known, (picture,))


def find_pairs(root: Path, stated: StatedTable) -> list[PairCase]:
    """The pairs of a folder.

    Raises:
        LayoutError: no pictures, a picture without a mask or a mask without a picture, two of one name, or
            no table of labels.
        LabelError: a fault in the table.
    """
    images, masks = _pictures(root / "images"), _pictures(root / "masks")
    alone = sorted(set(images) ^ set(masks))
    if alone or not images:
        raise LayoutError(
            "Pictures and masks do not pair.",
            expected="images/NAME.png with masks/NAME.png",
            got=", ".join(alone[:5]) or f"no pictures in {root / 'images'}",
            remedy="add the missing files, or take their partners out",
        )
    table = table_of(root)
    cases = [
        PairCase(
            name,
            root,
            images[name].relative_to(root).as_posix(),
            masks[name].relative_to(root).as_posix(),
            None if labels_path(masks[name]).is_file() else table,
            stated.of(name).dataset or root.resolve().name,
            stated.of(name),
        )
        for name in sorted(images)
    ]
    bare = [case.mask for case in cases if case.table is None and not labels_path(root / case.mask).is_file()]
    if bare:
        raise LayoutError(
            "There is no table that names the labels.",
            expected=" or ".join(TABLES),
            got=bare[0],
            remedy="write labels.yaml with lines like `1: liver`",
        )
    stated.require_known(set(images))
    return cases


def table_of(root: Path) -> LabelTable | None:
    """The table of an input folder, its labels by their long names; ``None`` where there is none.

    Raises:
        LayoutError: there are several.
        LabelError: it has a fault.
    """
    there = [root / name for name in TABLES if (root / name).is_file()]
    if len(there) > 1:
        raise LayoutError(
            "There are several tables of labels.", expected="one", got=", ".join(map(str, there))
        )
    if not there:
        return None
    table = load_labels(there[0])
    # What is said is the long name.
    return LabelTable(tuple(Label(lb.value, lb.long, lb.long) for lb in table.labels), {}, "", table.name)


def _pictures(folder: Path) -> dict[str, Path]:
    with storage_errors(folder):
        paths = sorted(
            p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
        )
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise LayoutError("Two pictures have one name.", got=f"{found[path.stem].name} and {path.name}")
        found[path.stem] = path
    return found
