"""Real scans as marked pictures: volumes cut into slices by a committed table, films with their lungs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.pixel_qa.found import shown_picture
from sagittal.builders.pixel_qa.records import UNKNOWN
from sagittal.builders.pixel_qa.volumes import Cut, chosen_slices
from sagittal.builders.vqa_sets import load_vqa_set
from sagittal.draw.overlay import NORMAL, window
from sagittal.draw.slices import shades, shown_plane
from sagittal.errors import LayoutError
from sagittal.io.opening import open_study
from sagittal.io.raster import read_picture
from sagittal.splits import split_of
from sagittal.study import Image, Mask
from sagittal.train.packaged import packaged_table
from sagittal.train.picture_bank import Facts, MarkedPicture
from sagittal.train.picture_views import SMALLEST_SHARE

Split = Literal["train", "validation", "test"]
#: Grey from which a film's mask counts: its borders are smoothed.
_MARKED = 127
#: CT is shown for soft tissue.
CT_WINDOW = (-160.0, 240.0)


def volume_pictures(data: Path, split: Split) -> Iterator[MarkedPicture]:
    """The slices of the table's scans of a split.

    Args:
        data: folder of the development data.
        split: which.
    """
    for name, entry in packaged_table("real_pictures").items():
        if entry["split"] == split:
            yield from _volume(data, name, entry)


def _volume(data: Path, name: str, entry: Mapping[str, Any]) -> Iterator[MarkedPicture]:
    kind, _, path = entry["image"].rpartition("=")
    given = data / path
    [image] = open_study([f"{kind}={given}" if kind else given]).images
    # By the affine: a series of slices may come in another order than its labels.
    [labels] = open_study([f"seg={data / entry['labels']}"]).masks
    labels = labels.on_grid(image.geometry)
    limits = CT_WINDOW if entry["modality"] == "CT" else window(image)
    yield from cut_slices(
        image, labels, Marking(name, entry["patient"], entry["modality"], entry["region"], entry["classes"]),
        Cut(tuple(entry["planes"]), every=1), limits,
    )  # fmt: skip


@dataclass(frozen=True)
class Marking:
    """What the labels of a scan mean.

    Attributes:
        dataset: its name.
        patient: of the scan.
        modality: of MeCoVQA's.
        region: that was scanned.
        classes: class → its instances, each the label values that make it.
    """

    dataset: str
    patient: str
    modality: Any
    region: str
    classes: Mapping[str, Sequence[Sequence[int]]]


def cut_slices(
    image: Image, labels: Mask, marking: Marking, cut: Cut, limits: tuple[float, float]
) -> Iterator[MarkedPicture]:
    """Slices that show a class.

    Args:
        image: a volume.
        labels: on its grid.
        marking: what the labels mean.
        cut: which slices.
        limits: of the grey levels.
    """
    image, labels = image.reorient("RAS"), labels.reorient("RAS")
    for plane in cut.planes:
        normal = NORMAL[plane]
        spacing = [s for axis, s in enumerate(image.geometry.spacing) if axis != normal]
        for at in chosen_slices(labels, normal, cut, Counter()):
            marks, classes, small = _marks(shown_plane(labels.data, at, normal)[:, :, 0], marking.classes)
            if not classes:
                continue
            facts = Facts(
                name=f"{marking.dataset}/{plane}-{at:03d}", patient=marking.patient, dataset=marking.dataset,
                modality=marking.modality, kind=image.kind, orientation=plane, region=marking.region,
                spacing=(spacing[0], spacing[1]) if image.geometry.spacing_known else None,
                classes=classes, small=small,
            )  # fmt: skip
            yield MarkedPicture(shades(shown_plane(image.data, at, normal), *limits)[:, :, 0], marks, facts)


def _marks(
    values: NDArray[Any], table: Mapping[str, Sequence[Sequence[int]]]
) -> tuple[NDArray[np.uint8], tuple[str, ...], tuple[str, ...]]:
    marks = np.zeros(values.shape, np.uint8)
    classes, small = [], []
    for name, instances in table.items():
        for members in instances:
            own = np.isin(values, members)
            count = int(np.count_nonzero(own))
            if count >= SMALLEST_SHARE * values.size:
                classes.append(name)
                marks[own] = len(classes)
            elif count:
                small.append(name)
    return marks, tuple(classes), tuple(dict.fromkeys(name for name in small if name not in classes))


def film_pictures(
    data: Path, source: Literal["montgomery", "shenzhen"], split: Split | None = None
) -> Iterator[MarkedPicture]:
    """Chest films with their lungs.

    Args:
        data: folder of the development data.
        source: whose films.
        split: of the patients, by the hash of their names; all when ``None``.

    Raises:
        LayoutError: a film without a mask.
    """
    prefix = {"montgomery": "MCUCXR", "shenzhen": "CHNCXR"}[source]
    folder = data / "cxr_lung_masks"
    for path in sorted((folder / "cxr").glob(f"{prefix}_*.png")):
        # The last part of a name says whether there is tuberculosis.
        patient = path.stem.rsplit("_", 1)[0]
        if split is not None and split_of(patient) != split:
            continue
        mask = folder / "masks" / path.name
        if not mask.is_file():
            raise LayoutError("A film has no mask.", expected=mask, got=path)
        yield _film(path, mask, source, patient)


def _film(path: Path, mask: Path, source: str, patient: str) -> MarkedPicture:
    from scipy.ndimage import label

    parts, count = label(read_picture(mask).data[:, :, 0] > _MARKED)
    sizes = np.bincount(parts.ravel())[1:]
    kept = [n + 1 for n in range(count) if sizes[n] >= SMALLEST_SHARE * parts.size]
    marks = np.zeros(parts.shape, np.uint8)
    for number, part in enumerate(kept, start=1):
        marks[parts == part] = number
    facts = Facts(
        name=f"{source}/{path.stem}", patient=patient, dataset=source, modality="X-Ray", kind="cxr",
        orientation="frontal", region="chest", classes=("lung",) * len(kept),
    )  # fmt: skip
    return MarkedPicture(shown_picture(path).data[:, :, 0], marks, facts)


def asked_pictures(
    data: Path, split: Split
) -> tuple[list[MarkedPicture], list[list[tuple[Literal["closed", "open"], str, str]]]]:
    """VQA-RAD's pictures of a split, nothing of them marked; of each, its questions and answers by kind."""
    folder = data / "vqa_rad"
    by_image: dict[str, list[tuple[Literal["closed", "open"], str, str]]] = {}
    for example in load_vqa_set("vqa-rad", folder, images=folder / "images").examples:
        if example.split == split:
            question = "".join(p.text for p in example.messages[0].parts if p.type == "text")
            kind: Literal["closed", "open"] = "closed" if example.task == "vqa-closed" else "open"
            own = by_image.setdefault(example.images[0].path, [])
            own.append((kind, question, str(example.targets["answer"])))
    pictures = []
    for path in by_image:
        pixels = shown_picture(folder / "images" / path).data[:, :, 0]
        facts = Facts(name=f"vqa-rad/{path}", patient=path, dataset=None, modality=UNKNOWN, kind="unknown")
        pictures.append(MarkedPicture(pixels, np.zeros(pixels.shape[:2], np.uint8), facts))
    return pictures, list(by_image.values())
