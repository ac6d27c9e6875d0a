"""The runs behind ``sagittal reproduce mpllm``, one after another; two processes may share them.

    python recipes/mpllm_compare.py --model mpllm-small --work runs/reproduce/mpllm --part 0/2
    python recipes/mpllm_compare.py --model mpllm-small --work runs/reproduce/mpllm --part 1/2

Each run takes up to ten minutes on one core; what is there is not run again. ``--features`` makes what the
frozen encoder sees in the studies, and no run.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

import torch

from sagittal.evaluation.mpllm.runs import ground_of, run_variant
from sagittal.evaluation.mpllm.variants import all_runs
from sagittal.runtime import keep_memory


def main() -> None:
    """The runs of one part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mpllm-small", help="gives the frozen encoder")
    parser.add_argument("--data", type=Path, default=Path("runs/mpllm/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/reproduce/mpllm"))
    parser.add_argument("--part", default="0/1", help="which of how many processes this is, such as 1/2")
    parser.add_argument("--features", action="store_true", help="features alone")
    given = parser.parse_args()
    number, of = (int(n) for n in given.part.split("/"))
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_memory()
    ground = ground_of(given.model, given.data, given.work)
    if given.features:
        wanted = [(split, world) for world in ("gli", "met") for split in ("training", "validation", "test")]
        for split, world in wanted[number::of]:
            print(split, world, flush=True)
            ground.features(split, world, ground.bank(split, world))
        return
    for world, name, seed in all_runs()[number::of]:
        # A run that is over holds itself in circles: five of them took ten GiB.
        gc.collect()
        print(world, name, seed, flush=True)
        run_variant(ground, world, name, seed, say=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
