"""The banks of slices that MedPLIB learns from and is chosen by, by committed tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sagittal.simulate import HeadSet
from sagittal.train.picture_world import PicturePlan, make_picture_bank
from sagittal.train.tumour_worlds import heads_of
from sagittal.train.worlds import World, training_worlds

SEED = 20262
Progress = Callable[[str, int, int], None]
_TABLES = {"train": "picture_training", "validation": "picture_validation"}


def make_pictures(
    split: Literal["train", "validation"], heads: str | Path, out: str | Path, *,
    part: tuple[int, int] = (0, 1), progress: Progress = lambda name, done, of: None,
) -> None:  # fmt: skip
    """Make the banks of a split, each in a folder of its world's name; what is there is kept.

    Args:
        split: to learn from, or to choose by.
        heads: folder of the label maps; those of the settled split are used.
        out: folder that receives the banks.
        part: which of how many processes this is.
        progress: told of each block of a world.

    Raises:
        InputError: the folder holds heads that the settled split does not know.
        StorageError: a folder cannot be read or written.
    """
    worlds = training_worlds(_TABLES[split])
    make_world_pictures(worlds, heads_of(heads, split), SEED + (split == "validation"), out, part, progress)


def make_world_pictures(
    worlds: tuple[World, ...], heads: HeadSet, seed: int, out: str | Path, part: tuple[int, int],
    progress: Progress,
) -> None:  # fmt: skip
    """Make a bank a world."""
    for world in worlds:

        def report(done: int, of: int, name: str = world.name) -> None:
            progress(name, done, of)

        plan = PicturePlan(world.config, heads, seed, world.studies)
        make_picture_bank(Path(out) / world.name, plan, part=part, progress=report)
