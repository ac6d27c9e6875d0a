"""Simulated tumour studies as vision-language models take them: prepared once, with what is true of them.

A bank is a folder with blocks of :data:`BLOCK` studies, each written as a whole, so that several processes
can make one bank and any of them can be stopped:

    images.npy   (n, M, D, H, W) uint8, 255 is intensity 1
    maps.npy     (n, D, H, W) uint8: the region's code, and 16 times the lesion's value
    facts.json   of each study, the labels' facts (:func:`sagittal.builders.tumour_vqa.label_facts`), and why
                 a study was left out: rarely, a label is but scattered voxels, and the paper's rules give it
                 no shape
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.presets import preset_of
from sagittal.builders.tumour_vqa import label_facts
from sagittal.errors import InputError, LayoutError
from sagittal.files import atomic_folder, to_json_text
from sagittal.io.labels import load_labels
from sagittal.measure.anatomy_atlas import anatomy_atlas
from sagittal.measure.atlas import Atlas
from sagittal.models.vlm.volumes import prepare_volumes
from sagittal.simulate import HeadSet, SimulatedStudy, WorldConfig, simulate
from sagittal.study import Mask, Study

#: Studies written at a time.
BLOCK = 20
#: Simulated pathology → the paper's data set whose labels and questions it has.
PROTOCOLS = {"gli": "gli", "met": "met", "pre": "goat", "goat": "goat"}
_LESION = 16


@dataclass(frozen=True, eq=False)
class TumourStudy:
    """One study of a bank.

    Attributes:
        name: unique in its bank.
        images: (M, D, H, W) uint8.
        maps: (D, H, W) uint8.
        labels: facts of each label.
    """

    name: str
    images: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    labels: tuple[dict[str, Any], ...]

    @property
    def regions(self) -> NDArray[np.uint8]:
        """(D, H, W): 0 for none, else 1 + the place in :data:`sagittal.measure.anatomy_atlas.REGIONS`."""
        return self.maps % _LESION

    @property
    def lesions(self) -> NDArray[np.uint8]:
        """(D, H, W): values of the lesion map."""
        return self.maps // _LESION


@dataclass(frozen=True)
class BankPlan:
    """What a bank is made of.

    Attributes:
        world: of tumours.
        heads: that studies are made from.
        seed: of the world.
        studies: how many.
        size: (D, H, W) of an encoder.
        check: told of each study, by its index: raises where it is not what it should be.
    """

    world: WorldConfig
    heads: HeadSet
    seed: int
    studies: int
    size: tuple[int, int, int]
    check: Callable[[int, SimulatedStudy], None] = lambda index, made: None


def make_bank(
    folder: str | Path, plan: BankPlan, *, part: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> None:  # fmt: skip
    """Make a bank, or one part of it: every ``part[1]``-th block from ``part[0]`` on. Blocks there are kept.

    Raises:
        StorageError: the folder cannot be written.
    """
    blocks = range(part[0], -(-plan.studies // BLOCK), part[1])
    for done, number in enumerate(blocks):
        own = Path(folder) / f"{number:04d}"
        if not own.is_dir():
            _make_block(own, range(BLOCK * number, min(BLOCK * (number + 1), plan.studies)), plan)
            progress(done + 1, len(blocks))


def _make_block(folder: Path, indices: range, plan: BankPlan) -> None:
    prepared, left_out = [], {}
    for index in indices:
        [made] = simulate(plan.world, plan.heads, [index], plan.seed)
        plan.check(index, made)
        atlas = anatomy_atlas(_mask(made, "anatomy"))
        try:
            facts = _facts(made, PROTOCOLS[plan.world.pathology], atlas)
        except InputError as error:
            left_out[made.study.name] = str(error)
            continue
        prepared.append((*_arrays_of(made, atlas, plan.size), facts))
    with atomic_folder(folder) as temporary:
        np.save(temporary / "images.npy", np.stack([images for images, _, _ in prepared]))
        np.save(temporary / "maps.npy", np.stack([maps for _, maps, _ in prepared]))
        found = {"studies": [facts for _, _, facts in prepared], "left_out": left_out}
        (temporary / "facts.json").write_text(to_json_text(found), encoding="utf-8")


def _mask(made: SimulatedStudy, name: str) -> Mask:
    return next(mask for mask in made.study.masks if mask.name == name)


def _facts(made: SimulatedStudy, protocol: str, atlas: Atlas) -> dict[str, Any]:
    preset = preset_of(protocol)
    study = Study(made.study.name, made.study.patient, made.study.images, (_mask(made, "lesions"),))
    labels = label_facts(study, preset=preset, labels=load_labels(preset.labels), atlas=atlas)
    return {"name": study.name, "head": made.facts["head"], "protocol": preset.name, "labels": labels}


def _arrays_of(
    made: SimulatedStudy, atlas: Atlas, size: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    prepared = prepare_volumes(made.study.images, size)
    regions = atlas.mask.resample_to(prepared.grid).data
    lesions = _mask(made, "lesions").resample_to(prepared.grid).data
    maps = (regions + _LESION * lesions).astype(np.uint8).transpose(2, 1, 0)
    return np.round(prepared.data * 255).astype(np.uint8), maps


class TumourBank:
    """The studies of some banks under one numbering.

    Args:
        folders: of the banks.
        most: blocks of each; all when ``None``.

    Raises:
        LayoutError: a folder holds no block.
    """

    def __init__(self, folders: Sequence[str | Path], most: int | None = None) -> None:
        self._places: list[tuple[Path, int]] = []
        self._facts: list[dict[str, Any]] = []
        for folder in folders:
            blocks = sorted(p for p in Path(folder).glob("[0-9]*") if (p / "facts.json").is_file())
            if not blocks:
                raise LayoutError("The folder holds no studies.", expected="blocks 0000, 0001, …", got=folder)
            for block in blocks[:most]:
                facts = json.loads((block / "facts.json").read_text(encoding="utf-8"))["studies"]
                self._places += [(block, n) for n in range(len(facts))]
                self._facts += facts

    def __len__(self) -> int:
        return len(self._places)

    def facts(self, number: int) -> dict[str, Any]:
        """What is true of a study, images left alone."""
        return self._facts[number]

    def load(self, number: int) -> TumourStudy:
        """One study; its arrays are memory-mapped."""
        block, place = self._places[number]
        facts = self._facts[number]
        images, maps = _arrays(block)
        return TumourStudy(facts["name"], images[place], maps[place], tuple(facts["labels"]))


@cache
def _arrays(block: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return np.load(block / "images.npy", mmap_mode="r"), np.load(block / "maps.npy", mmap_mode="r")
