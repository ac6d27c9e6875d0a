"""The layout of SA-Med2D-20M (Ye et al. 2023): a JSON of image → masks, one binary picture an instance.

Published names: ``images/MODALITY--DATASET--CASE--SLICE.png`` and
``masks/MODALITY--DATASET--CASE--SLICE--CLASS_INSTANCE.png``, CLASS being a number of
``*class_mapping_id*.json`` (data set → name → number). The slice's letter is an axis of an array and no
anatomical plane, so the orientation stays unknown. The demo of SAM-Med2D names its masks
``IMAGE_CLASS_INSTANCE.png``; such names state neither modality nor patient. Names and the form of the table
are taken from published readers; only the demo was at hand.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from sagittal.builders.pixel_qa.found import (
    EMPTY_MASK,
    NOTHING_MARKED,
    UNION,
    FoundCase,
    FoundPicture,
    class_name,
    require_same_size,
    shown_picture,
)
from sagittal.builders.pixel_qa.places import Plane
from sagittal.builders.pixel_qa.records import UNKNOWN, Modality
from sagittal.builders.pixel_qa.stated import Stated, StatedTable
from sagittal.errors import FileFormatError, LabelError, LayoutError
from sagittal.files import storage_errors
from sagittal.io.raster import read_picture_mask

#: Name of the one picture of a case.
PICTURE = "picture"
_MAX_JSON = 1 << 33
_MASK = re.compile(r"(?:--|_)(?P<name>.+)_(?P<number>\d+)")
_FIRST: Mapping[str, Modality] = {
    "ct": "CT", "mr": "MRI", "mri": "MRI", "pet": "PET", "us": "Ultrasound", "ultrasound": "Ultrasound",
    "x": "X-Ray", "xray": "X-Ray", "dermoscopy": "Dermoscopy", "endoscopy": "Endoscopy", "fundus": "Fundus",
}  # fmt: skip


@dataclass(frozen=True)
class SamMed2dCase:
    """One image and its masks: ``(path, class)`` of each, paths relative to ``root``."""

    name: str
    root: Path
    image: str
    masks: tuple[tuple[str, str], ...]
    dataset: str | None
    patient: str
    modality: Modality
    stated: Stated

    def files(self) -> dict[str, Path]:
        """Image and masks."""
        return {path: self.root / path for path in (self.image, *(path for path, _ in self.masks))}

    def settings(self) -> dict[str, object]:
        """The classes, which the table names."""
        return {"layout": "sammed2d", "classes": [name for _, name in self.masks]}

    def read(self) -> FoundCase:
        """See :class:`~sagittal.builders.pixel_qa.found.SourceCase`.

        Raises:
            LabelError: a mask of several values.
            GeometryError: a mask of another size than the image.
            FileFormatError: not a picture.
        """
        left: Counter[str] = Counter()
        image = shown_picture(self.root / self.image)
        instances: list[tuple[str, Plane]] = []
        for path, name in self.masks:
            if name.startswith("union_"):
                left[UNION] += 1
                continue
            mask = read_picture_mask(self.root / path)
            require_same_size(image, mask)
            values = mask.values()
            if len(values) > 1:
                raise LabelError(
                    "A mask of one instance has one value.",
                    got=f"{path}: {', '.join(map(str, values[:5]))}",
                    remedy="store one instance a file, without grey edges",
                )
            if values:
                instances.append((class_name(name), mask.data[:, :, 0] == values[0]))
            else:
                left[EMPTY_MASK] += 1
        if not instances:
            left[NOTHING_MARKED] += 1
            return FoundCase(self.patient, self.modality, (), left)
        orientation = self.stated.orientation or UNKNOWN
        picture = FoundPicture(PICTURE, image, orientation, tuple(instances))
        return FoundCase(self.patient, self.modality, (picture,), left)


def find_sammed2d(root: Path, stated: StatedTable) -> list[SamMed2dCase]:
    """The images that the folder's JSON lists.

    Raises:
        LayoutError: no JSON of images or several, a file that is not there, or a path that leads out.
        LabelError: a class that is a number without a name.
        FileFormatError: the JSON is not image → masks.
    """
    listed, where = _listing(root)
    numbers = _class_numbers(root)
    # Paths count from the folder that the data set was unpacked into, or from the JSON's own.
    first = next(iter(listed))
    base = next((folder for folder in (root, where.parent) if (folder / first).is_file()), root)
    cases = [_case(base, image, masks, numbers, stated) for image, masks in sorted(listed.items())]
    stated.require_known({case.name for case in cases})
    return cases


def _case(
    root: Path,
    image: str,
    masks: list[str],
    numbers: Mapping[str, Mapping[str, str]],
    stated: StatedTable,
) -> SamMed2dCase:
    for path in (image, *masks):
        _require_inside(root, path)
    name = PurePosixPath(image).stem
    fields = name.split("--")
    published = len(fields) == 4
    said = stated.of(name)
    dataset = said.dataset or (fields[1] if published else None)
    own = numbers.get(dataset or "", {})
    modality = _FIRST.get(re.split(r"[_-]", fields[0].lower())[0], UNKNOWN) if published else UNKNOWN
    return SamMed2dCase(
        name,
        root,
        image,
        tuple((path, _class_of(path, name, own)) for path in sorted(masks)),
        dataset,
        said.patient or ("--".join(fields[1:3]) if published else name),
        modality if modality != UNKNOWN else said.modality or UNKNOWN,
        said,
    )


def _class_of(path: str, image: str, numbers: Mapping[str, str]) -> str:
    stem = PurePosixPath(path).stem
    match = _MASK.fullmatch(stem.removeprefix(image)) if stem.startswith(image) else None
    if match is None:
        raise LayoutError(
            "A mask's name does not say which class it shows.",
            expected=f"{image}--CLASS_INSTANCE.png or {image}_CLASS_INSTANCE.png",
            got=path,
        )
    name = match["name"]
    if not name.isdecimal():
        return name
    if str(int(name)) not in numbers:
        raise LabelError(
            "A class is a number without a name.",
            expected="a *class_mapping_id*.json of data set → name → number beside the images",
            got=f"{path}: {name}",
            remedy="put the table of the data set into the folder",
        )
    return numbers[str(int(name))]


def _require_inside(root: Path, path: str) -> None:
    pure = PurePosixPath(path)
    outside = pure.is_absolute() or ".." in pure.parts or PureWindowsPath(path).drive
    if not pure.parts or outside or "\\" in path or any(c < " " for c in path):
        raise LayoutError(
            "The path of a file leads out of the folder.", expected="a path below it", got=ascii(path)
        )
    with storage_errors(root / path):
        there = (root / path).is_file()
    if not there:
        raise LayoutError(
            "A file that the list names is not there.",
            expected=root / path,
            remedy="unpack the whole data set",
        )


def _listing(root: Path) -> tuple[dict[str, list[str]], Path]:
    with storage_errors(root):
        paths = sorted({*root.glob("*.json"), *root.glob("*/*.json")})
    found = []
    for path in paths:
        value = _json(path)
        if value and isinstance(value, dict) and all(isinstance(v, list) for v in value.values()):
            found.append((path, value))
    if len(found) != 1:
        raise LayoutError(
            "The folder does not have one list of images and their masks.",
            expected='one JSON of {"images/NAME.png": ["masks/NAME--CLASS_INSTANCE.png", …]}',
            got=", ".join(path.name for path, _ in found) or f"none in {root}",
            remedy="name the folder that the data set was unpacked into, with one list in it",
        )
    path, value = found[0]
    for image, masks in value.items():
        if not all(isinstance(mask, str) for mask in masks):
            raise FileFormatError(
                f"{path.name} is not a list of masks an image.", got=f"{image}: {masks!r}"[:120]
            )
    return value, path


def _class_numbers(root: Path) -> dict[str, dict[str, str]]:
    """Data set → number → name, of the table where there is one."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted({*root.glob("*class_mapping_id*.json"), *root.glob("*/*class_mapping_id*.json")}):
        value = _json(path)
        if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
            raise FileFormatError(f"{path.name} is not data set → name → number.", got=path)
        for dataset, names in value.items():
            found[dataset] = {str(number): name for name, number in names.items()}
    return found


def _json(path: Path) -> Any:
    with storage_errors(path):
        if path.stat().st_size > _MAX_JSON:
            raise FileFormatError("The list is too large.", expected=f"at most {_MAX_JSON} bytes", got=path)
        data = path.read_bytes()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path.name} is not valid JSON.", got=str(error)) from error
