"""Pictures for MedPLIB: slices of simulated heads, to learn from, to choose by, and to be tested on.

    python recipes/medplib_data.py --heads HEADS --out runs/medplib/data
    python recipes/medplib_data.py --heads HEADS --out runs/medplib/data --part 1/2    (one of two processes)

``HEADS`` holds the label maps ``training_seg_01`` … ``training_seg_10``. About 0.6 s a study on one core,
1,400 studies, nine slices each; what is there already is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sagittal.evaluation.medplib.data import make_test_pictures
from sagittal.runtime import runtime
from sagittal.train.picture_worlds import make_pictures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", type=Path, required=True, help="folder of the head label maps")
    parser.add_argument("--out", type=Path, default=Path("runs/medplib/data"))
    parser.add_argument("--part", default="0/1", help="which of how many processes this is, such as 1/2")
    given = parser.parse_args()
    number, of = (int(n) for n in given.part.split("/"))
    runtime("cpu", threads=1)
    make_pictures("validation", given.heads, given.out / "validation", part=(number, of), progress=_say)
    make_test_pictures(given.heads, given.out / "test", part=(number, of), progress=_say)
    make_pictures("train", given.heads, given.out / "training", part=(number, of), progress=_say)


def _say(name: str, done: int, of: int) -> None:
    print(f"{name} {done}/{of}", flush=True)


if __name__ == "__main__":
    main()
