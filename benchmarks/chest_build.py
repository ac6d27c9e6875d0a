"""How fast chest films become IMAX and DMAX: films a second, linear in films, shared by two workers.

    python benchmarks/chest_build.py [--films 1500] [--seed 0] [--out chest_build]

Makes a table in CheXmask's form, three masks a film as runs of pixels at 2,500×3,000, and one in the form
of NIH ChestX-ray14, and builds from both with n and with 2n films, and with two workers. Masks are smooth
shapes with ragged edges, a few thousand runs a film as published ones have; pictures are of a few pixels,
since their bytes are hashed and not decoded, which a disk's speed decides. Each build is a child process,
timed from its start to its last byte.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 2_500, 3_000
DISTINCT = 12


def ragged(rng: Any, centre: tuple[float, float], radii: tuple[float, float]) -> str:
    """A shape with a ragged edge as runs, counted from 1."""
    import numpy as np

    rows = np.arange(int(centre[1] - radii[1]), int(centre[1] + radii[1]))
    half = radii[0] * np.sqrt(np.clip(1 - ((rows - centre[1]) / radii[1]) ** 2, 0, 1))
    first = (centre[0] - half + rng.normal(0, 3, rows.size)).astype(int).clip(0, WIDTH - 1)
    last = (centre[0] + half + rng.normal(0, 3, rows.size)).astype(int).clip(0, WIDTH - 1)
    runs = [f"{y * WIDTH + a + 1} {b - a + 1}" for y, a, b in zip(rows, first, last, strict=True) if b > a]
    return " ".join(runs)


def make_tables(folder: Path, films: int, seed: int) -> None:
    """Tables and pictures of ``films`` films; every third has labels and a sex, too."""
    import numpy as np

    from sagittal.io.raster import picture_geometry, write_picture
    from sagittal.study import Image

    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(DISTINCT):
        wide = rng.uniform(300, 480)
        masks.append(
            {
                "Heart": ragged(rng, (1_350, 1_900), (wide, 500)),
                "Right Lung": ragged(rng, (750, 1_400), (420, 1_000)),
                "Left Lung": ragged(rng, (1_800, 1_400), (400, 1_000)),
            }
        )
    for part in ("chexmask", "nih", "images"):
        (folder / part).mkdir()
    names = [f"{n:08d}_000.png" for n in range(films)]
    head = ["Image Index", "Dice RCA (Max)", "Dice RCA (Mean)", "Landmarks", *masks[0], "Height", "Width"]
    with (folder / "chexmask" / "ChestX-Ray8.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(head)
        for n, name in enumerate(names):
            table.writerow([name, 0.9, 0.85, "[]", *masks[n % DISTINCT].values(), HEIGHT, WIDTH])
    with (folder / "nih" / "Data_Entry_2017.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(
            ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender",
             "View Position", "OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]"]
        )  # fmt: skip
        for n, name in enumerate(names):
            finding = ("No Finding", "Effusion|Nodule", "Infiltration")[n % 3]
            table.writerow([name, finding, 0, n, 50, "FM"[n % 2], "PA", WIDTH, HEIGHT, 0.143, 0.143])
    for n, name in enumerate(names):
        pixels = np.full((8, 8, 1), n % 251, np.uint8)
        pixels[:4, 0, 0] = [n // 251 % 251, n // 63_001, 1, 2]
        write_picture(folder / "images" / name, Image(pixels, picture_geometry(8, 8), "cxr", name))


def child(folder: Path, out: Path, workers: int) -> None:
    """One build; prints seconds of the CPU and peak memory."""
    import resource

    from sagittal.builders.chest_tasks import build_chest_tasks
    from sagittal.io.films.sources import open_source

    found = build_chest_tasks(
        [open_source("chexmask", folder / "chexmask"), open_source("nih", folder / "nih")],
        out,
        pictures={"nih": folder / "images"},
        workers=workers,
    )
    own, workers_used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(use.ru_utime + use.ru_stime for use in (own, workers_used))
    peak = max(own.ru_maxrss, workers_used.ru_maxrss) / 1024
    sys.stdout.write(json.dumps({"cpu": cpu, "peak_mib": peak, "films": found["films"]}))


def timed(folder: Path, out: Path, workers: int) -> dict[str, float]:
    """One build in a child."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--child", str(folder), str(out), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "seconds": time.perf_counter() - start}


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two builds are the same, the joined statements aside."""
    names = [
        sorted(p.relative_to(f) for f_ in (f,) for p in f_.rglob("*") if p.is_file()) for f in (one, other)
    ]
    return names[0] == names[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes()
        for name in names[0]
        if name.suffix != ".sqlite"
    )


def main() -> None:
    """The whole benchmark."""
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
        return
    from report import write_report

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=1_500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="chest_build")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    rows = []
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        builds: dict[tuple[int, int], dict[str, float]] = {}
        for films in (given.films, 2 * given.films):
            folder = root / f"in-{films}"
            folder.mkdir()
            make_tables(folder, films, given.seed)
            size = (folder / "chexmask" / "ChestX-Ray8.csv").stat().st_size / films / 1024
            for workers in (1, 2):
                builds[films, workers] = timed(folder, root / f"out-{films}-{workers}", workers)
        alike = same_bytes(root / f"out-{given.films}-1", root / f"out-{given.films}-2")
    for (films, workers), found in builds.items():
        rows.append(
            f"| {films:,} | {workers} | {found['seconds']:.1f} | {films / found['seconds']:.0f} | "
            f"{films / found['cpu']:.0f} | {found['peak_mib']:.0f} |"
        )
    first, second = builds[given.films, 1], builds[2 * given.films, 1]
    more = (second["cpu"] - first["cpu"]) / given.films
    write_report(
        "chest_build",
        "Building IMAX and DMAX from published tables",
        f"python benchmarks/chest_build.py --films {given.films} --seed {given.seed}",
        [
            f"Three masks a film as runs at {WIDTH:,}×{HEIGHT:,} ({size:.0f} KiB a row), labels, sex, view; "
            f"all steps from tables to the three sets. Load before the first run: {load:.2f}.",
            "",
            "| films | workers | seconds | films a second | films a second of CPU | peak of a process, MiB |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Each further film costs {1000 * more:.1f} ms of one core: {1 / more:.0f} films a second.",
            f"One worker and two make the same bytes: {'yes' if alike else '**no**'}.",
        ],
        ("numpy", "pydantic", "pyarrow"),
    )


if __name__ == "__main__":
    main()
