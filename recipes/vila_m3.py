"""VILA-M3's small model: specialists run over studies, conversations made of that, and training on them.

    python recipes/vila_m3.py bank --heads DATA/synthseg_labelmaps --data DATA

``bank`` runs the specialists; with ``--part 0/2`` and ``--part 1/2`` two processes share it. It goes on where
it was stopped.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import torch

from sagittal.builders.consultations import write_case
from sagittal.runtime import keep_memory
from sagittal.specialists.pool import Pool
from sagittal.specialists.registry import specialists
from sagittal.splits import Split
from sagittal.train.consulted_studies import Wanted, film_studies, head_studies, nih_studies, slice_studies
from sagittal.train.tumour_worlds import heads_of

#: Studies of each kind, by split.
HEADS = {"train": 160, "validation": 20}
SLICES = {"train": 80, "validation": 12}
FILMS = {"train": 400, "validation": 40}
SPLITS: tuple[Split, ...] = ("validation", "train")


def main() -> None:
    """One of the steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("bank",))
    parser.add_argument("--out", type=Path, default=Path("runs/vila_m3"))
    parser.add_argument("--heads", type=Path, help="folder of the label maps of heads")
    parser.add_argument("--data", type=Path, help="folder of the real films")
    parser.add_argument("--part", default="0/1", help="which of how many processes this is, such as 1/2")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_memory()
    _bank(given)


def _bank(given: argparse.Namespace) -> None:
    number, of = (int(n) for n in given.part.split("/"))
    programs = {name: entry.program for name, entry in specialists().ready().items()}
    pool = Pool()
    for split in SPLITS:
        for wanted in _wanted(given, split, (number, of)):
            home = given.out / "bank" / split
            if write_case(home, wanted.study, wanted.origin, wanted.calls, programs, pool):
                _say(f"{split} {wanted.study.name}: {len(wanted.calls)} calls")
    pool.close()


def _wanted(given: argparse.Namespace, split: Split, part: tuple[int, int]) -> Iterator[Wanted]:
    assert split != "test", "nothing here is tested on"
    heads = heads_of(given.heads, split)
    return itertools.chain(
        film_studies(split, FILMS[split], part), nih_studies(given.data, split, part),
        slice_studies(heads, split, SLICES[split], part), head_studies(heads, split, HEADS[split], part),
    )  # fmt: skip


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
