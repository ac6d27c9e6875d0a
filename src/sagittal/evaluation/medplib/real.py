"""Real pictures that no training saw: CT and MR of the trunk, brains, tumours, chest films, the fundus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagittal.builders.pixel_qa.found import shown_picture
from sagittal.builders.pixel_qa.sammed2d import find_sammed2d
from sagittal.builders.pixel_qa.stated import StatedTable
from sagittal.builders.pixel_qa.volumes import Cut
from sagittal.draw.overlay import PLANES, window
from sagittal.io.raster import read_picture
from sagittal.score.cases import Case
from sagittal.score.reals import real_cases
from sagittal.study import Mask
from sagittal.train.picture_bank import Facts, MarkedPicture
from sagittal.train.real_pictures import Marking, cut_slices, film_pictures, volume_pictures

#: Structures of the real cases → our classes.
_CASES: Mapping[str, str] = {
    "cerebral white matter": "white matter", "cerebral cortex": "cerebral cortex",
    "lateral ventricle": "lateral ventricle", "thalamus": "thalamus", "caudate": "caudate nucleus",
    "putamen": "putamen", "hippocampus": "hippocampus", "cerebellum": "cerebellum",
    "brainstem": "brainstem", "whole tumour": "brain tumour",
    "white matter hyperintensities": "white matter lesion",
}  # fmt: skip
_DEMO: Mapping[str, str] = {
    "liver": "liver", "spleen": "spleen", "inferior vena cava": "inferior vena cava", "aorta": "aorta",
    "lung": "lung", "vertebrae": "spine", "stomach": "stomach", "kidney": "kidney", "pancreas": "pancreas",
    "left kidney": "kidney", "right kidney": "kidney", "gallbladder": "gallbladder",
    "bladder": "urinary bladder",
}  # fmt: skip
#: Slices of a plane, those that show most.
_MOST = 6


@dataclass(frozen=True)
class RealSet:
    """Pictures of one source.

    Attributes:
        name: of the set, unlike any other's.
        source: whose labels, or what is to be known of it.
        pictures: with marks.
    """

    name: str
    source: str
    pictures: tuple[MarkedPicture, ...]


def real_sets(data: Path) -> Iterator[RealSet]:
    """The held-out sets that are at hand, one after the other.

    Args:
        data: folder of the development data.
    """
    if (data / "totalseg_refs").is_dir():
        slices = list(volume_pictures(data, "test"))
        for dataset, name in (("ct-dicom", "CT of another patient"), ("mr", "MR of the trunk")):
            own = tuple(p for p in slices if p.facts.dataset == dataset)
            note = ", no MR of the trunk was trained on" if dataset == "mr" else ""
            yield RealSet(name, f"TotalSegmentator's labels (silver){note}", own)
    by_source: dict[str, list[MarkedPicture]] = {}
    for case in real_cases(data, final=True):
        by_source.setdefault(case.source, []).extend(_slices(case))
    for source, pictures in by_source.items():
        # Two sources may be labels of one data set.
        yield RealSet(source, "never trained on", tuple(pictures))
    if (data / "cxr_lung_masks").is_dir():
        films = tuple(film_pictures(data, "montgomery", "test"))
        yield RealSet("films, Montgomery", "patients that were held out", films)
        films = tuple(film_pictures(data, "shenzhen"))
        yield RealSet("films, Shenzhen", "another hospital, never trained on", films)
    if (data / "sammed2d_demo").is_dir():
        yield RealSet("SAM-Med2D's demo", "classes that the model knows", tuple(_demo(data)))
    if (data / "fundus_drive").is_dir():
        yield RealSet("fundus (DRIVE)", "zero-shot: no fundus was trained on", tuple(_fundus(data)))


def _slices(case: Case) -> Iterator[MarkedPicture]:
    """The slices of a case that show most, of the image that it is judged on."""
    known = [(ours, case.truth[theirs]) for theirs, ours in _CASES.items() if theirs in case.truth]
    if not known:
        return
    image = case.images[0]
    values = np.zeros(image.shape, np.uint8)
    for number, (_, mask) in enumerate(known, start=1):
        values[mask.data > 0] = number
    classes = {name: [[number]] for number, (name, _) in enumerate(known, start=1)}
    names = {number: name for number, (name, _) in enumerate(known, start=1)}
    marking = Marking(case.name, case.name.partition(" ")[0], "MRI", "brain", classes)
    labels = Mask(values, image.geometry, names, case.name)
    yield from cut_slices(image, labels, marking, Cut(PLANES, most=_MOST), window(image))


def _demo(data: Path) -> Iterator[MarkedPicture]:
    folder = data / "sammed2d_demo"
    for case in find_sammed2d(folder, StatedTable(folder)):
        for picture in case.read().pictures:
            marks, classes = np.zeros(picture.image.shape[:2], np.uint8), []
            for name, plane in picture.instances:
                ours = next((_DEMO[k] for k in _DEMO if name == k or name.startswith(f"{k} ")), None)
                if ours is not None:
                    classes.append(ours)
                    marks[plane] = len(classes)
            if classes:
                # One instance may cover another wholly.
                kept = [n for n in range(1, len(classes) + 1) if (marks == n).any()]
                numbers = np.zeros(len(classes) + 1, np.uint8)
                numbers[kept] = np.arange(1, len(kept) + 1)
                facts = Facts(
                    name=case.name, patient=case.name, dataset=None, modality="CT", kind="ct",
                    classes=tuple(classes[n - 1] for n in kept),
                )  # fmt: skip
                yield MarkedPicture(picture.image.data[:, :, 0], numbers[marks], facts)


def _fundus(data: Path) -> Iterator[MarkedPicture]:
    folder = data / "fundus_drive" / "test"
    for path in sorted((folder / "images").glob("*.tif")):
        number = path.name.partition("_")[0]
        vessels = read_picture(folder / "1st_manual" / f"{number}_manual1.gif").data[:, :, 0] > 0
        facts = Facts(
            name=f"drive/{number}", patient=f"drive/{number}", dataset=None, modality="Fundus", kind="photo",
            classes=("blood vessel",),
        )  # fmt: skip
        yield MarkedPicture(shown_picture(path).data[:, :, 0], vessels.astype(np.uint8), facts)
