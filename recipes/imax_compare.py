"""The runs behind ``sagittal reproduce imax``, one after another; two processes may share them.

    python recipes/imax_compare.py --data ../shared/data --part 0/2
    python recipes/imax_compare.py --data ../shared/data --part 1/2

A process takes all arms of a connector and seed, since they stand on each other. Films and tests are made
before the first run is told: start a second process then. Each run takes two to twenty minutes on
one core; what is there is not run again, one that was cut off goes on.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

import torch

from sagittal.evaluation.imax.pools import real_pool, simulated_pool
from sagittal.evaluation.imax.runs import answers_of
from sagittal.evaluation.imax.variants import RUNS, SEEDS, seeds_of
from sagittal.runtime import keep_memory


def main() -> None:
    """The runs of one part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="chest-findings", help="gives the frozen encoder")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the real films")
    parser.add_argument("--work", type=Path, default=Path("runs/reproduce/imax"))
    parser.add_argument("--part", default="0/1", help="which of how many processes this is, such as 1/2")
    given = parser.parse_args()
    number, of = (int(n) for n in given.part.split("/"))
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_memory()
    pools = [
        simulated_pool(given.model, given.work, _say),
        real_pool(given.model, given.data, given.work, _say),
    ]
    for on in pools:
        _say(f"{on.pool}: {len(on.test)} questions")
    # Units that depend on nothing of each other's, the long ones first.
    units = [
        (on, connector, seed)
        for on in pools
        for connector in RUNS[on.pool]
        for seed in SEEDS
        if seed in seeds_of(connector)
    ]
    for on, connector, seed in units[number::of]:
        for arm in RUNS[on.pool][connector]:
            # A run that is over holds itself in circles.
            gc.collect()
            _say(f"{on.pool} {connector} {arm} {seed}")
            answers_of(on, connector, arm, seed, _say)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
