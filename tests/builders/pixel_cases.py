"""Made-up pictures and volumes with shapes whose places and sizes are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from sagittal.geometry import Geometry
from sagittal.io.nifti import write_image, write_mask
from sagittal.study import Image, Mask

#: Class → first and last x and y of a rectangle in a picture of 60 × 40.
RECTANGLES = {"liver": (2, 3, 13, 12), "spleen": (45, 27, 54, 36), "left_kidney": (14, 3, 20, 9)}
SIZE = (60, 40)
#: Boxes of a volume in RAS voxels of 30 × 24 × 18, which is how the body lies.
BOXES = {1: ((3, 4, 5), (9, 10, 9)), 2: ((18, 12, 6), (26, 20, 13)), 3: ((12, 2, 14), (14, 5, 15))}
LABELS = {1: "spleen", 2: "liver", 3: "aorta"}
VOLUME = (30, 24, 18)
SPACING = (1.5, 2.0, 3.0)


def plane(x1: int, y1: int, x2: int, y2: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(height, width) bool."""
    mask = np.zeros(size[::-1], bool)
    mask[y1 : y2 + 1, x1 : x2 + 1] = True
    return mask


def picture(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size[::-1]).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pictures.fromarray(pixels).save(path)


def sammed2d(root: Path, count: int = 3) -> Path:
    """The published names: CT of one data set, then one fundus photograph of another."""
    listed: dict[str, list[str]] = {}
    numbers = {"AMOS": {name: n for n, name in enumerate(RECTANGLES)}, "DRIVE": {"optic_disc": 0}}
    for n in range(count):
        name = f"ct_00--AMOS--case_{n}--x_{n:04d}"
        image = f"images/{name}.png"
        save(root / image, picture(n))
        listed[image] = []
        for label, box in list(RECTANGLES.items())[: 1 + n]:
            mask = f"masks/{name}--{numbers['AMOS'][label]:04d}_000.png"
            save(root / mask, plane(*box).astype(np.uint8) * 255)
            listed[image].append(mask)
    name = "fundus_photography--DRIVE--f_1--x_0000"
    save(root / f"images/{name}.png", np.stack([picture(n) for n in (7, 8, 9)], -1))
    listed[f"images/{name}.png"] = []
    for n, box in enumerate([(20, 10, 29, 19), (40, 10, 42, 12)]):
        mask = f"masks/{name}--0000_{n:03d}.png"
        save(root / mask, plane(*box).astype(np.uint8) * 255)
        listed[f"images/{name}.png"].append(mask)
    (root / "SAMed2D_v1.json").write_text(json.dumps(listed))
    (root / "SAMed2D_v1_class_mapping_id.json").write_text(json.dumps(numbers))
    return root


def pairs(root: Path, count: int = 2) -> Path:
    """Pictures with label maps, named a, b, …"""
    for n in range(count):
        labels = np.zeros(SIZE[::-1], np.uint8)
        for value, box in enumerate(list(RECTANGLES.values())[: 1 + n], start=1):
            labels[plane(*box)] = value
        save(root / "images" / f"{'abcdefgh'[n]}.png", picture(n))
        save(root / "masks" / f"{'abcdefgh'[n]}.png", labels)
    names = "\n".join(f"{value}: {name}" for value, name in enumerate(RECTANGLES, start=1))
    (root / "labels.yaml").write_text(names)
    return root


def body() -> tuple[Image, Mask]:
    """A volume in RAS order with its labels."""
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = (-20, -30, -40)
    geometry = Geometry(VOLUME, affine)
    labels = np.zeros(VOLUME, np.uint8)
    for value, (start, stop) in BOXES.items():
        labels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = value
    data = np.random.default_rng(5).integers(-200, 900, VOLUME).astype(np.int16)
    return Image(data, geometry, "ct"), Mask(labels, geometry, LABELS)


def volumes(root: Path, codes: str = "RAS") -> Path:
    """One case, its arrays stored along ``codes``."""
    image, mask = body()
    (root / "one").mkdir(parents=True)
    write_image(root / "one" / "ct.nii.gz", image.reorient(codes))
    write_mask(root / "one" / "labels.nii.gz", mask.reorient(codes))
    return root
