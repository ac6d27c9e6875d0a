"""The banks of simulated tumour studies that mpLLM learns from, is chosen by and is tested on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sagittal.models.vlm.presets import ENCODER_SIZE
from sagittal.simulate import HeadSet
from sagittal.splits import split_of
from sagittal.train.tumour_bank import BankPlan, make_bank
from sagittal.train.worlds import training_worlds

SEED = 20261
#: Of the label maps of heads in splits.yaml.
HEADS = "synthseg_heads"
#: What is learnt from; comparisons use the first two alone.
WORLDS = ("gli", "met", "pre")
Learning = Literal["train", "validation"]
_TABLES = {"train": "tumour_training", "validation": "tumour_validation"}
Progress = Callable[[str, int, int], None]


def make_tumour_banks(
    split: Learning, heads: str | Path, out: str | Path, *, part: tuple[int, int] = (0, 1),
    progress: Progress = lambda name, done, of: None,
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
    own = heads_of(heads, split)
    seed = SEED + (split == "validation")
    for world in training_worlds(_TABLES[split]):

        def report(done: int, of: int, name: str = world.name) -> None:
            progress(name, done, of)

        plan = BankPlan(world.config, own, seed, world.studies, ENCODER_SIZE)
        make_bank(Path(out) / world.name, plan, part=part, progress=report)


def heads_of(folder: str | Path, split: str) -> HeadSet:
    """The label maps of a settled split.

    Raises:
        InputError: the folder holds heads that the settled split does not know.
    """
    found = HeadSet.from_folder(folder)
    return found.subset([n for n, name in enumerate(found.names) if split_of(name, dataset=HEADS) == split])
