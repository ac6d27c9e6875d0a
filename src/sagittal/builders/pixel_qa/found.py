"""What every layout gives: cases with files, and pictures with masks out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sagittal.builders.pixel_qa.places import Plane
from sagittal.builders.pixel_qa.records import UNKNOWN, Modality
from sagittal.builders.pixel_qa.stated import Stated
from sagittal.draw.slices import in_eight_bits
from sagittal.errors import GeometryError, LabelError
from sagittal.io.raster import read_picture
from sagittal.study import Image, Mask

#: Reasons for leaving something out.
EMPTY_MASK = "an empty mask"
NOTHING_MARKED = "a picture with nothing marked"
UNION = "a union of other classes"


@dataclass(frozen=True)
class FoundPicture:
    """A picture and its instances.

    Attributes:
        name: within its case.
        image: 8 bits, one voxel deep.
        orientation: of the slice, or ``unknown``.
        instances: class and (width, height) mask of each, none empty.
    """

    name: str
    image: Image
    orientation: str
    instances: tuple[tuple[str, Plane], ...]


@dataclass(frozen=True)
class FoundCase:
    """What a case's files hold."""

    patient: str
    modality: Modality
    pictures: tuple[FoundPicture, ...]
    left_out: Counter[str] = field(default_factory=Counter)


class SourceCase(Protocol):
    """One case of an input folder. Cases pickle and stay small: pixels are read by :meth:`read`."""

    @property
    def name(self) -> str: ...

    @property
    def dataset(self) -> str | None: ...

    @property
    def stated(self) -> Stated: ...

    def files(self) -> dict[str, Path]:
        """Path relative to the input → path of each file that :meth:`read` reads."""
        ...

    def settings(self) -> dict[str, object]:
        """What shapes the pictures besides the files, as JSON values."""
        ...

    def read(self) -> FoundCase:
        """The pictures.

        Raises:
            InputError: a file that cannot be used.
        """
        ...


def shown_picture(path: Path) -> Image:
    """A picture file in 8 bits; raises as :func:`sagittal.io.raster.read_picture`."""
    return in_eight_bits(read_picture(path))


def require_same_size(image: Image, mask: Mask) -> None:
    """Refuse a mask that is not as large as its picture.

    Raises:
        GeometryError: both sizes are named.
    """
    if image.shape != mask.shape:
        raise GeometryError(
            f"The mask {mask.name} is not as large as its picture.",
            expected=f"{image.shape[0]}×{image.shape[1]} pixels ({image.name})",
            got=f"{mask.shape[0]}×{mask.shape[1]}",
            remedy="resize neither by hand: fetch both again, or take the picture out",
        )


def labelled(mask: Mask) -> tuple[tuple[str, Plane], ...]:
    """Each label of a mask one pixel deep as one instance, in the order of values."""
    return tuple((class_name(mask.labels[v]), mask.data[:, :, 0] == v) for v in mask.values())


def class_name(name: str) -> str:
    """A class as it is spoken of: underscores are spaces.

    Raises:
        LabelError: it holds no letter or digit, or characters that mean something elsewhere.
    """
    spoken = " ".join(name.replace("_", " ").split())
    if not any(c.isalnum() for c in spoken) or not spoken.isprintable() or set(spoken) & set("<>{}|"):
        raise LabelError(
            "A class must have a name that can be said.",
            expected="letters and digits, without < > { } |",
            got=repr(name[:60]),
            remedy="mend the table of labels or the file's name",
        )
    return spoken


def modality_of(kind: str) -> Modality:
    """The modality that a kind of image (:data:`sagittal.study.KINDS`) belongs to."""
    known: dict[str, Modality] = {"ct": "CT", "cxr": "X-Ray", "photo": UNKNOWN, "unknown": UNKNOWN}
    return known.get(kind, "MRI")


def names_in_order(instances: Sequence[tuple[str, Plane]]) -> list[str]:
    """Classes in the order in which they come first."""
    return list(dict.fromkeys(name for name, _ in instances))
