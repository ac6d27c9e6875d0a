"""Our own volumes: ``CASE/labels.nii.gz`` beside one image (NIfTI, or a folder of DICOM), cut into slices.

``labels.yaml`` of the input names the labels (or ``CASE/labels.labels.json``). Which way a slice lies comes
from the affine alone: the array's axes are turned to RAS before anything is cut. Slices are shown as a
radiologist sees them (the patient's right, or front, on the left; front, or head, up), with their own pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sagittal.builders.pixel_qa.found import (
    NOTHING_MARKED,
    FoundCase,
    FoundPicture,
    labelled,
    modality_of,
)
from sagittal.builders.pixel_qa.pairs import table_of
from sagittal.builders.pixel_qa.records import UNKNOWN
from sagittal.builders.pixel_qa.stated import Stated, StatedTable
from sagittal.draw.overlay import NORMAL, planes_of, window
from sagittal.draw.slices import shown_plane, slice_picture
from sagittal.errors import ConfigError, InputError, LayoutError
from sagittal.files import storage_errors
from sagittal.io.folders import walk
from sagittal.io.labels import LabelTable
from sagittal.io.mask_values import labels_path
from sagittal.io.nifti import read_mask
from sagittal.io.opening import open_study
from sagittal.study import Image, Mask

_LABELS = ("labels.nii.gz", "labels.nii")


@dataclass(frozen=True)
class Cut:
    """Which slices are cut.

    Attributes:
        planes: of :data:`sagittal.draw.overlay.PLANES`.
        every: each n-th slice, counted from the left, the back or the foot; or ``None`` for
        most: so many slices of a plane, those that show most labels (of equals, most labelled pixels).
    """

    planes: tuple[str, ...] = ("axial",)
    every: int | None = None
    most: int = 8

    def __post_init__(self) -> None:
        strange = [plane for plane in self.planes if plane not in NORMAL]
        if strange or not self.planes or len(set(self.planes)) != len(self.planes):
            raise ConfigError("The planes are not known.", expected=", ".join(NORMAL), got=list(self.planes))
        if self.most < 1 or (self.every is not None and self.every < 1):
            raise ConfigError("A number of slices is 1 or more.", got=f"every {self.every}, most {self.most}")


@dataclass(frozen=True)
class VolumeCase:
    """A volume and its label map: an image (file or folder) and a mask, relative to ``root``."""

    name: str
    root: Path
    image: str
    mask: str
    table: LabelTable | None
    dataset: str | None
    stated: Stated
    cut: Cut

    def files(self) -> dict[str, Path]:
        """Every file of the image, the mask, and the mask's own table where there is one."""
        image, mask = self.root / self.image, self.root / self.mask
        paths = [i / n for i, names in walk(image) for n in names] if image.is_dir() else [image]
        paths = [path for path in (*paths, mask, labels_path(mask)) if path.is_file()]
        return {path.relative_to(self.root).as_posix(): path for path in paths}

    def settings(self) -> dict[str, object]:
        """The table and the cut."""
        table = self.table.to_json() if self.table else None
        cut = {"planes": list(self.cut.planes), "every": self.cut.every, "most": self.cut.most}
        return {"layout": "volumes", "labels": table, "cut": cut}

    def read(self) -> FoundCase:
        """See :class:`~sagittal.builders.pixel_qa.found.SourceCase`.

        Raises:
            GeometryError: image and mask do not lie on one grid.
            InputError: not one image, or a modality that the image's metadata contradict.
            LabelError: a value without a name.
        """
        study = open_study([self.root / self.image], name=self.name, patient=self.stated.patient)
        if len(study.images) != 1:
            raise InputError(
                "A case holds one image.", expected="one image", got=", ".join(i.name for i in study.images)
            )
        image = study.images[0]
        # Turned where that is enough; a label map that was drawn elsewhere is refused, not resampled.
        mask = read_mask(self.root / self.mask, self.table).reorient(image.geometry.orientation)
        image.geometry.require_same_grid(mask.geometry, "The image and its label map")
        modality, said = modality_of(image.kind), self.stated.modality
        if UNKNOWN not in (modality, said or UNKNOWN) and modality != said:
            raise InputError("The image is not of the stated modality.", expected=said, got=modality)
        pictures, left = slices_of(image, mask, self.cut)
        return FoundCase(study.patient, said or modality, pictures, left)


def slices_of(image: Image, mask: Mask, cut: Cut) -> tuple[tuple[FoundPicture, ...], Counter[str]]:
    """The slices of a volume that show a label.

    Args:
        image: grey.
        mask: on its grid.
        cut: which slices.

    Raises:
        InputError: a plane that the image does not have.
    """
    flat = [plane for plane in cut.planes if plane not in planes_of(image.geometry)]
    if flat or image.channels != 1:
        raise InputError(
            "The image cannot be cut in these planes.",
            expected=f"a grey volume, or {', '.join(planes_of(image.geometry))}",
            got=", ".join(flat) or "a colour picture",
        )
    image, mask = image.reorient("RAS"), mask.reorient("RAS")
    limits = window(image)
    left: Counter[str] = Counter()
    pictures = []
    for plane in cut.planes:
        normal = NORMAL[plane]
        for index in chosen_slices(mask, normal, cut, left):
            shown = slice_picture(image, plane, index, limits)
            labels = Mask(shown_plane(mask.data, index, normal), shown.geometry, mask.labels, mask.name)
            name = f"{plane}-{index:04d}"
            pictures.append(FoundPicture(name, replace(shown, name=name), plane, labelled(labels)))
    return tuple(pictures), left


def chosen_slices(mask: Mask, normal: int, cut: Cut, left: Counter[str]) -> Sequence[int]:
    """Indices along a RAS axis of the slices to cut, ascending; those with nothing marked are counted."""
    marked, values = np.nonzero(mask.data), mask.values()
    # Labelled voxels alone, once for all labels: (slices, labels) voxels of each.
    label = np.searchsorted(values, mask.data[marked])
    width, depth = max(1, len(values)), mask.shape[normal]
    voxels = np.bincount(marked[normal] * width + label, minlength=depth * width).reshape(depth, width)
    pixels, kinds = voxels.sum(axis=1), (voxels > 0).sum(axis=1)
    if cut.every is not None:
        due = range(0, len(pixels), cut.every)
        left[NOTHING_MARKED] += sum(not pixels[index] for index in due)
        return [index for index in due if pixels[index]]
    ranked = sorted(np.flatnonzero(pixels).tolist(), key=lambda index: (-kinds[index], -pixels[index], index))
    if not ranked:
        left[NOTHING_MARKED] += 1
    return sorted(ranked[: cut.most])


def find_volumes(root: Path, stated: StatedTable, cut: Cut) -> list[VolumeCase]:
    """The cases of a folder.

    Raises:
        LayoutError: no case, a case without one image and one label map, or labels without names.
    """
    with storage_errors(root):
        folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    table = table_of(root)
    cases = [_case(folder, root, table, stated, cut) for folder in folders]
    if not cases:
        raise LayoutError("The folder holds no case.", expected="CASE/labels.nii.gz and one image", got=root)
    stated.require_known({case.name for case in cases})
    return cases


def _case(folder: Path, root: Path, table: LabelTable | None, stated: StatedTable, cut: Cut) -> VolumeCase:
    with storage_errors(folder):
        names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    masks = [name for name in names if name in _LABELS]
    images = [name for name in names if name not in _LABELS and not name.endswith(".labels.json")]
    if len(masks) != 1 or len(images) != 1:
        raise LayoutError(
            f"{folder.name} is not a case.",
            expected=f"{_LABELS[0]} and one image: a NIfTI file, or a folder of DICOM",
            got=", ".join(names) or "nothing",
        )
    mask = folder / masks[0]
    beside = labels_path(mask).is_file()
    if table is None and not beside:
        raise LayoutError(
            "There is no table that names the labels.",
            expected=f"labels.yaml in {root.name}, or {labels_path(mask).name} beside the label map",
            got=folder.name,
        )
    said = stated.of(folder.name)
    if said.orientation is not None:
        raise LayoutError(
            "The orientation of slices comes from the volume.", got=f"{folder.name}: {said.orientation}",
            remedy="leave the column `orientation` empty",
        )  # fmt: skip
    return VolumeCase(
        folder.name,
        root,
        f"{folder.name}/{images[0]}",
        f"{folder.name}/{mask.name}",
        None if beside else table,
        said.dataset or root.resolve().name,
        said,
        cut,
    )
