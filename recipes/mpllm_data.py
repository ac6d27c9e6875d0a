"""Simulated tumour studies for mpLLM: to learn from, to choose by, and the frozen test world.

    python recipes/mpllm_data.py --heads HEADS --out runs/mpllm/data
    python recipes/mpllm_data.py --heads HEADS --out runs/mpllm/data --part 1/2     (one of two processes)

``HEADS`` holds the label maps ``training_seg_01`` … ``training_seg_10``. About 0.6 s a study on one core,
3,260 studies; what is there already is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sagittal.evaluation.frozen_world import TUMOURS, places, world_heads, world_table
from sagittal.models.vlm.presets import ENCODER_SIZE
from sagittal.runtime import runtime
from sagittal.simulate import HeadSet
from sagittal.train.tumour_bank import make_bank
from sagittal.train.worlds import training_worlds

SEED = 20261
TRAINING, VALIDATION = range(7), (7,)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", type=Path, required=True, help="folder of the head label maps")
    parser.add_argument("--out", type=Path, default=Path("runs/mpllm/data"))
    parser.add_argument("--part", default="0/1", help="which of how many processes this is, such as 1/2")
    given = parser.parse_args()
    part = tuple(int(n) for n in given.part.split("/"))
    runtime("cpu", threads=1)
    heads = HeadSet.from_folder(given.heads)
    for split, chosen, seed in (("training", TRAINING, SEED), ("validation", VALIDATION, SEED + 1)):
        own = heads.subset(list(chosen))
        for world in training_worlds(f"tumour_{split}"):
            folder = given.out / split / world.name
            make_bank(folder, world.config, own, seed, world.studies, ENCODER_SIZE, part=part, progress=_say)
    table = world_table(TUMOURS)
    own = world_heads(given.heads, table)
    first = {place.world: place for place in reversed(places(table))}
    for name, place in first.items():
        count = table["worlds"][name]["studies"]
        folder = given.out / "test" / name
        make_bank(folder, place.config, own, place.seed, count, ENCODER_SIZE, part=part, progress=_say)


def _say(done: int, of: int) -> None:
    print(f"{done}/{of}", end="\n" if done == of else " ", flush=True)


if __name__ == "__main__":
    main()
