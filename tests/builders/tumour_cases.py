"""Small BraTS-like cases and an atlas to go with them, all made from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagittal.geometry import Geometry
from sagittal.io.labels import LabelTable, load_labels
from sagittal.io.nifti import write_image, write_mask
from sagittal.measure.atlas import Atlas
from sagittal.measure.region_table import RegionTable
from sagittal.study import Image, Mask

SHAPE = (24, 28, 20)
GEOMETRY = Geometry(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))
REGIONS = ("frontal", "parietal", "insula")
ATLAS_NAME = "thirds"
TABLE = """title: "Three slabs"
space: "TEST"
volume: "slabs.nii.gz"
labels: "slabs.labels.json"
regions:
  frontal: [slab1]
  parietal: [slab2]
  insula: [slab3]
unmapped: []
"""


@dataclass(frozen=True)
class BuiltSet:
    """A finished build: the images' root, and the folder of examples. Tests copy before they write."""

    images: Path
    folder: Path


def atlas_mask() -> Mask:
    """Slabs along the first axis; the outer two voxels on each side belong to none."""
    data = np.zeros(SHAPE, np.uint8)
    for value, (start, stop) in enumerate(((2, 9), (9, 15), (15, 22)), start=1):
        data[start:stop] = value
    return Mask(data, GEOMETRY, {1: "slab1", 2: "slab2", 3: "slab3"})


def atlas() -> Atlas:
    regions = dict(zip(REGIONS, (("slab1",), ("slab2",), ("slab3",)), strict=True))
    table = RegionTable("slabs", "Three slabs", "TEST", "", "", regions, ())
    return Atlas(ATLAS_NAME, "TEST", atlas_mask(), table)


def install_atlas(folder: Path) -> None:
    """Add the atlas to the store of $SAGITTAL_HOME, by way of files in ``folder``."""
    from sagittal.measure.atlas_store import add

    write_mask(folder / "slabs.nii.gz", atlas_mask())
    (folder / "slabs.yaml").write_text(TABLE)
    add(
        ATLAS_NAME,
        folder / "slabs.nii.gz",
        table=folder / "slabs.yaml",
        labels=folder / "slabs.labels.json",
        licence="none",
    )


def brain() -> np.ndarray:
    grid = np.indices(SHAPE).reshape(3, -1).T - (np.array(SHAPE) - 1) / 2
    inside = ((grid / (np.array(SHAPE) / 2 - 1)) ** 2).sum(axis=1) <= 1
    return inside.reshape(SHAPE)


def label_map(rng: np.random.Generator, table: LabelTable) -> np.ndarray:
    """A blob or a few of every label but, now and then, one that is left out."""
    data = np.zeros(SHAPE, np.uint8)
    grid = np.indices(SHAPE)
    for label in table.labels:
        for _ in range(int(rng.integers(0, 4))):
            centre = rng.uniform(4, np.array(SHAPE) - 4)
            radii = rng.uniform(0.8, 4.0, size=3)
            inside = (((grid - centre[:, None, None, None]) / radii[:, None, None, None]) ** 2).sum(0) <= 1
            data[inside & brain()] = label.value
    return data


def make_case(root: Path, name: str, data: np.ndarray, table: LabelTable, rng: np.random.Generator) -> None:
    folder = root / name
    folder.mkdir(parents=True)
    head = brain()
    for ending in ("t1n", "t1c", "t2w", "t2f"):
        voxels = np.where(head, rng.integers(50, 200, SHAPE), 0).astype(np.int16)
        write_image(folder / f"{name}-{ending}.nii.gz", Image(voxels, GEOMETRY))
    write_mask(folder / f"{name}-seg.nii.gz", Mask(data, GEOMETRY, table.names))


def make_cases(root: Path, count: int, labels: str = "gli", seed: int = 0) -> list[str]:
    """``count`` studies, two of each patient."""
    table = load_labels(labels)
    names = [f"BraTS-GLI-{n // 2:05d}-{n % 2:03d}" for n in range(count)]
    for n, name in enumerate(names):
        rng = np.random.default_rng([seed, n])
        make_case(root, name, label_map(rng, table), table, rng)
    return names
