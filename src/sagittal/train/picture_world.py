"""Slices of simulated heads as marked pictures: each sequence, three planes (MedPLIB's data here)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.draw.overlay import NORMAL, PLANES, window
from sagittal.draw.slices import shades, shown_plane
from sagittal.simulate import HeadSet, SimulatedStudy, WorldConfig, simulate
from sagittal.simulate.bank import check_manifest, settle_manifest, world_manifest
from sagittal.study import Image, Mask
from sagittal.train.packaged import packaged_table
from sagittal.train.picture_bank import Facts, MarkedPicture, write_block

#: Studies written at a time.
BLOCK = 20
#: Slices of a plane.
SLICES = 3
#: An instance of fewer pixels is not marked; a slice with fewer classes is not cut.
FEWEST_PIXELS, FEWEST_CLASSES = 20, 3


@dataclass(frozen=True)
class PicturePlan:
    """What a bank of slices is made of.

    Attributes:
        world: of heads.
        heads: that studies are made from.
        seed: of the world, and of which slices are cut.
        studies: how many.
        check: told of each study, by its index: raises where it is not what it should be.
    """

    world: WorldConfig
    heads: HeadSet
    seed: int
    studies: int
    check: Callable[[int, SimulatedStudy], None] = lambda index, made: None


def make_picture_bank(
    folder: str | Path, plan: PicturePlan, *, part: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> None:  # fmt: skip
    """Make a bank, or every ``part[1]``-th block of it from ``part[0]`` on. Blocks there are kept.

    Raises:
        IntegrityError: the folder was made from something else.
        StorageError: the folder cannot be written.
    """
    folder = Path(folder)
    # The last block may be a short one: a bank is not enlarged.
    cut = {
        "studies": plan.studies,
        "slices": SLICES,
        "fewest": [FEWEST_PIXELS, FEWEST_CLASSES],
        "table": _table(),
    }
    wanted = world_manifest("marked-slices", plan.world, plan.heads, plan.seed, "cpu", cut)
    check_manifest(folder, wanted)
    blocks = range(part[0], -(-plan.studies // BLOCK), part[1])
    for done, number in enumerate(blocks, start=1):
        own = folder / f"{number:04d}"
        if not own.is_dir():
            indices = range(BLOCK * number, min(BLOCK * (number + 1), plan.studies))
            write_block(own, (picture for index in indices for picture in slices_of_study(plan, index)))
            settle_manifest(folder, wanted)
            progress(done, len(blocks))


def slices_of_study(plan: PicturePlan, index: int) -> Iterator[MarkedPicture]:
    """Some slices of each plane, each in one of the study's sequences."""
    [made] = simulate(plan.world, plan.heads, [index], plan.seed)
    plan.check(index, made)
    rng = np.random.default_rng([plan.seed, index, 1])
    instances = instance_map(made, plan.world.pathology)
    images = [image.reorient("RAS") for image in made.study.images]
    limits = [window(image) for image in images]
    for plane in PLANES:
        able = _slices(instances, NORMAL[plane])
        for at in sorted(rng.permutation(able)[:SLICES].tolist()):
            which = int(rng.integers(len(images)))
            name = f"{made.study.name}/{plane}-{at:03d}"
            yield _picture(images[which], limits[which], instances, plane, at, name, plan.world.pathology)


@dataclass(frozen=True, eq=False)
class Instances:
    """Numbered instances of a volume in RAS: (X, Y, Z) numbers from 1, and the class of each."""

    numbers: NDArray[np.uint8]
    classes: tuple[str, ...]


def instance_map(made: SimulatedStudy, pathology: str) -> Instances:
    """Every instance of the committed classes; a lesion lies above anatomy."""
    table = _table()
    anatomy = _mask(made, "anatomy").reorient("RAS").data
    look_up = np.zeros(int(anatomy.max()) + 1, np.uint8)
    classes: list[str] = []
    for name, sides in table["classes"].items():
        for values in sides:
            classes.append(name)
            look_up[[value for value in values if value < len(look_up)]] = len(classes)
    numbers = look_up[anatomy]
    lesion = table["lesions"].get(pathology)
    if lesion is not None:
        classes.append(lesion)
        numbers[_mask(made, "lesions").reorient("RAS").data > 0] = len(classes)
    return Instances(numbers, tuple(classes))


@cache
def _table() -> dict[str, Any]:
    return dict(packaged_table("picture_classes"))


def _mask(made: SimulatedStudy, name: str) -> Mask:
    return next(mask for mask in made.study.masks if mask.name == name)


def _slices(instances: Instances, normal: int) -> list[int]:
    """Slices that show enough classes."""
    count = len(instances.classes) + 1
    depth = instances.numbers.shape[normal]
    flat = np.moveaxis(instances.numbers, normal, 0).reshape(depth, -1).astype(np.int64)
    voxels = np.bincount((flat + count * np.arange(depth)[:, None]).ravel(), minlength=depth * count)
    large = voxels.reshape(depth, count)[:, 1:] >= FEWEST_PIXELS
    kinds = [len({instances.classes[n] for n in np.flatnonzero(row)}) for row in large]
    return [at for at, found in enumerate(kinds) if found >= FEWEST_CLASSES]


def _picture(
    image: Image, limits: tuple[float, float], instances: Instances, plane: str, at: int, name: str,
    dataset: str,
) -> MarkedPicture:  # fmt: skip
    normal = NORMAL[plane]
    pixels = shades(shown_plane(image.data, at, normal), *limits)[:, :, 0]
    numbers = shown_plane(instances.numbers, at, normal)[:, :, 0]
    marks, classes, small = np.zeros_like(numbers), [], []
    for number, count in enumerate(np.bincount(numbers.ravel())[1:], start=1):
        own = instances.classes[number - 1]
        if count >= FEWEST_PIXELS:
            classes.append(own)
            marks[numbers == number] = len(classes)
        elif count:
            small.append(own)
    spacing = [s for axis, s in enumerate(image.geometry.spacing) if axis != normal]
    facts = Facts(
        name=name, patient=name.partition("/")[0], dataset=f"simulated-{dataset}", modality="MRI",
        kind=image.kind, orientation=plane, region="brain", spacing=(spacing[0], spacing[1]),
        classes=tuple(classes), small=tuple(dict.fromkeys(name for name in small if name not in classes)),
    )  # fmt: skip
    return MarkedPicture(pixels, marks, facts)
