"""Real scans with labels, as cases: the folders of ``shared/data`` beside a checkout.

The settled splits (``splits.yaml``) decide which cases may be looked at while choosing ("validation") and
which stay for the final figures ("test"): the test cases come when they are asked for by name, and never
together with the others. A folder that is absent is skipped with a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from sagittal.errors import ConfigError, SagittalWarning
from sagittal.io.labels import load_labels
from sagittal.io.nifti import read_image, read_mask
from sagittal.score.cases import Case
from sagittal.splits import Split, split_of
from sagittal.study import Image, Mask

#: Our structures → short names in tumour label maps (presets brats2015, brats2018, brats2023).
TUMOUR_PARTS: Mapping[str, tuple[str, ...]] = {
    "whole tumour": ("NCR", "NET", "NCR_NET", "NETC", "ED", "SNFH", "ET"),
    "tumour core": ("NCR", "NET", "NCR_NET", "NETC", "ET"),
    "enhancing tumour": ("ET",),
    "oedema": ("ED", "SNFH"),
}
#: Nine structures of the MUSE table, both sides together, that tables of results show.
ANATOMY = (
    "cerebral white matter", "cerebral cortex", "lateral ventricle", "thalamus", "caudate", "putamen",
    "hippocampus", "cerebellum", "brainstem",
)  # fmt: skip
_MR = {"t1": "t1", "t1c": "t1c", "t2": "t2", "fla": "flair"}
_BRATS = {"t1n": "t1", "t1c": "t1c", "t2w": "t2", "t2f": "flair"}


def real_cases(data: str | Path, *, final: bool = False) -> Iterator[Case]:
    """Labelled real cases, one after the other; files are read when a case is reached.

    Args:
        data: folder that holds ``brats_deepmedic``, ``brats_gli_00001``, ``tcga_du_7294``, ``nichart``.
        final: give the test cases, which steer nothing, instead of the validation cases.

    Raises:
        FileFormatError, LabelError, GeometryError: from the readers.
    """
    data = Path(data)
    split: Split = "test" if final else "validation"
    for folder, make in _FOLDERS.items():
        if (data / folder).is_dir():
            yield from make(data / folder, split)
        else:
            warnings.warn(
                f"{folder} is not in {data}: its cases are left out.", SagittalWarning, stacklevel=2
            )


def _deepmedic(folder: Path, split: Split) -> Iterator[Case]:
    """BraTS 2013 patients, labelled by experts; z-scored FLAIR and T1c of the bare brain."""
    for case in sorted(folder.glob("*/brats_*")):
        if split_of(case.name, dataset="brats_deepmedic") != split:
            continue
        images = tuple(
            _image(case / f"{name}_subtrMeanDivStd.nii.gz", kind)
            for name, kind in (("Flair", "flair"), ("T1c", "t1c"))
        )
        mask = read_mask(case / "OTMultiClass.nii.gz", load_labels("brats2015"))
        yield Case(case.name, "brats_deepmedic, experts' labels", images, _tumour(mask))


def _gli(folder: Path, split: Split) -> Iterator[Case]:
    """A BraTS-GLI patient before treatment, labelled by an algorithm."""
    if split_of("BraTS-GLI-00001", dataset="brats_gli") == split:
        name = "BraTS-GLI-00001-000"
        images = tuple(_image(folder / f"{name}-{end}.nii.gz", kind) for end, kind in _BRATS.items())
        mask = read_mask(folder / "seg-BraTS23_1.nii.gz", load_labels("brats2023"))
        yield Case(name, "brats_gli, an algorithm's labels", images, _tumour(mask))


def _tcga(folder: Path, split: Split) -> Iterator[Case]:
    """A TCGA patient, labelled by algorithms whose votes were fused."""
    if split_of("TCGA-DU-7294", dataset="tcga") == split:
        name = "TCGA-DU-7294"
        images = tuple(_image(folder / f"{name}_{end}_bet.nii.gz", kind) for end, kind in _MR.items())
        mask = read_mask(folder / f"{name}_seg_fusion.nii.gz", load_labels("brats2018"))
        yield Case(name, "tcga, algorithms' labels, fused", images, _tumour(mask))


def _nichart(folder: Path, split: Split) -> Iterator[Case]:
    """Each subject twice: anatomy on the T1, and white matter hyperintensities on the FLAIR with the T1."""
    for path in sorted((folder / "t1").glob("*_T1.nii.gz"), key=lambda p: (len(p.name), p.name)):
        subject = path.name.removesuffix("_T1.nii.gz")
        if split_of(subject, dataset="nichart") != split:
            continue
        t1, flair = _image(path, "t1"), _image(folder / "fl" / f"{subject}_FL.nii.gz", "flair")
        anatomy = read_mask(folder / "dlmuse_seg" / f"{subject}_T1_DLMUSE.nii.gz")
        yield Case(f"{subject} T1", "nichart, DLMUSE's labels", (t1,), muse_structures(anatomy))
        lesions = read_mask(folder / "dlwmls" / f"{subject}_FL_DLWMLS.nii.gz", load_labels("wmh"))
        truth = {"white matter hyperintensities": _binary(lesions, [1], "white matter hyperintensities")}
        yield Case(f"{subject} FLAIR", "nichart, DLWMLS's labels", (flair, t1), truth)


_FOLDERS = {
    "brats_deepmedic": _deepmedic,
    "brats_gli_00001": _gli,
    "tcga_du_7294": _tcga,
    "nichart": _nichart,
}


def _image(path: Path, kind: str) -> Image:
    image = read_image(path, kind=kind, name=path.name.split(".")[0])
    data = image.data.astype(np.float32) if image.data.dtype == np.float64 else image.data
    return Image(data, image.geometry, kind, image.name)


def _tumour(mask: Mask) -> dict[str, Mask]:
    return {
        name: _binary(mask, [v for v, short in mask.labels.items() if short in parts], name)
        for name, parts in TUMOUR_PARTS.items()
    }


def muse_structures(anatomy: Mask) -> dict[str, Mask]:
    """Masks of our structures from a MUSE label map: both sides together, then each side.

    Args:
        anatomy: values as in MUSE_listROIs.csv.
    """
    return {name: _binary(anatomy, values, name) for name, values in muse_table().items()}


@cache
def muse_table() -> Mapping[str, tuple[int, ...]]:
    """Structure → MUSE values, by the committed table."""
    import yaml

    text = (files("sagittal.score") / "tables" / "muse.yaml").read_text(encoding="utf-8")
    entries = yaml.safe_load(text)["structures"]
    whole: dict[str, tuple[int, ...]] = {}
    sided: dict[str, tuple[int, ...]] = {}
    for name, entry in entries.items():
        parts = {side: _values(entry.get(side, [])) for side in ("left", "right", "middle")}
        whole[name] = tuple(sorted(value for part in parts.values() for value in part))
        if not parts["middle"]:
            sided |= {f"{side} {name}": parts[side] for side in ("left", "right")}
    return {**whole, **sided}


def _values(given: list[Any]) -> tuple[int, ...]:
    """Numbers, or ``[even, 100, 206]``: every second one, both ends included."""
    if given and given[0] in ("even", "odd"):
        parity, first, last = given
        if first % 2 != (parity == "odd") or last % 2 != first % 2:
            raise ConfigError(f"The ends of a range of {parity} values are {parity}.", got=given)
        return tuple(range(first, last + 1, 2))
    return tuple(given)


def _binary(mask: Mask, values: list[int] | tuple[int, ...], name: str) -> Mask:
    chosen = np.zeros(int(mask.data.max()) + 1, np.uint8)
    chosen[[v for v in values if v < len(chosen)]] = 1
    return Mask(chosen[mask.data], mask.geometry, {1: name}, f"{name}, truth")
