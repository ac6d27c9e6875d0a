"""Freeze a simulated test world: write its hashes and make-up below its committed table.

Run once a table:

    python recipes/freeze_test_world.py --heads FOLDER
    python recipes/freeze_test_world.py --heads FOLDER --table task_world.yaml
    python recipes/freeze_test_world.py --heads FOLDER --table tumour_world.yaml
    python recipes/freeze_test_world.py --heads FOLDER --table picture_world.yaml
"""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

import yaml

from sagittal.evaluation.frozen_world import (
    PICTURES,
    TABLE,
    TASKS,
    TUMOURS,
    image_checksum,
    make_study,
    places,
    study_hash,
    what_is_found,
    world_hash,
    world_heads,
    world_table,
)
from sagittal.files import versions, write_text
from sagittal.runtime import runtime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, required=True, help="folder of the head label maps")
    parser.add_argument(
        "--table", choices=(TABLE, TASKS, TUMOURS, PICTURES), default=TABLE, help="which world"
    )
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    table = world_table(arguments.table)
    if "frozen" in table:
        parser.error("the world is frozen already; make another table")
    runtime("cpu", threads=arguments.threads)
    heads = world_heads(arguments.heads, table)
    hashes, checksums, by_world, everything = {}, {}, {}, []
    for place in places(table):
        made = make_study(place, heads)
        hashes[place.name] = study_hash(place, made)
        checksums[place.name] = image_checksum(made)[:16]
        by_world.setdefault(place.world, []).append(made.facts)
        everything.append(made.facts)
        print(place.name, hashes[place.name][:12], flush=True)
    frozen = {
        "sha256": world_hash(hashes),
        "heads": {name: heads.hashes[name] for name in heads.names},
        "versions": versions("torch", "numpy", "scipy"),
        "found": what_is_found(everything),
        "found_by_world": {name: what_is_found(facts) for name, facts in by_world.items()},
        "studies": hashes,
        "image_checksums_of_one_machine": checksums,
    }
    path = Path(str(files("sagittal.evaluation") / "tables" / arguments.table))
    head = "\n# Below: written by recipes/freeze_test_world.py. Hashes are over label maps and settings.\n"
    text = path.read_text(encoding="utf-8") + head
    write_text(path, text + yaml.safe_dump({"frozen": frozen}, sort_keys=False, width=112))
    print(frozen["sha256"])


if __name__ == "__main__":
    main()
