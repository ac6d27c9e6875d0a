"""How fast question sets are built: linear in studies, and how well two workers share the work.

    python benchmarks/build.py [--studies 24] [--repeats 3] [--seed 0] [--out build_speed]

Makes a few simulated 240×240×155 studies with four labels, four images and an atlas, and names each
many times over (links), so that n, 2n and 4n studies can be built without gigabytes of files; every
name gets words of its own. Each build is a child process of its own and is timed from its start to
its last byte, start-up of Python and workers included. The result goes to ``docs/results``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagittal.geometry import Geometry

SHAPE = (240, 240, 155)
DISTINCT = 4
#: Load before the first run above which the times cannot be trusted.
BUSY = 0.5
ENDINGS = ("t1n", "t1c", "t2w", "t2f")
SLABS = ("frontal", "parietal", "occipital", "temporal", "limbic", "insula", "subcortical", "cerebellum")


# -- the simulated studies -----------------------------------------------------------------------


def make_study(folder: Path, seed: int) -> None:
    """A brain, a lumpy tumour of four labels with satellites, and four smooth, noisy images of it."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    from sagittal.io.labels import load_labels
    from sagittal.io.nifti import write_image, write_mask
    from sagittal.study import Image, Mask

    rng = np.random.default_rng(seed)
    x, y, z = np.ogrid[:240, :240, :155]
    brain = ((x - 120) / 68) ** 2 + ((y - 122) / 86) ** 2 + ((z - 74) / 66) ** 2 <= 1
    lumps = gaussian_filter(rng.standard_normal(SHAPE).astype(np.float32), 4)
    lumps /= lumps.std()
    centre = rng.uniform((90, 90, 60), (150, 150, 90))
    far = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2) + 4.5 * lumps
    seg = np.zeros(SHAPE, np.uint8)
    seg[far < 30], seg[far < 19], seg[far < 13], seg[far < 6] = 2, 3, 1, 4
    for label in rng.integers(1, 5, size=40):
        spot = rng.uniform((60, 50, 30), (180, 195, 120))
        radius = rng.uniform(0.8, 4.0)
        ball = (x - spot[0]) ** 2 + (y - spot[1]) ** 2 + (z - spot[2]) ** 2 <= radius**2
        seg[ball & (seg == 0)] = label
    seg[~brain] = 0
    geometry = grid()
    for ending in ENDINGS:
        smooth = 300 + 60 * lumps + 80 * (seg > 0) + rng.normal(0, 12, SHAPE)
        voxels = np.where(brain, np.maximum(smooth, 1), 0).astype(np.int16)
        write_image(folder / f"{ending}.nii.gz", Image(voxels, geometry))
    write_mask(folder / "seg.nii.gz", Mask(seg, geometry, load_labels("gli").names))


def grid() -> Geometry:
    """BraTS's grid: 1 mm, left-posterior-superior."""
    import numpy as np

    from sagittal.geometry import Geometry

    return Geometry(SHAPE, np.diag([-1.0, -1.0, 1.0, 1.0]))


def add_slab_atlas(folder: Path) -> None:
    """Eight slabs from left to right, as an added atlas called ``slabs``."""
    import numpy as np

    from sagittal.io.nifti import write_mask
    from sagittal.measure.atlas_store import add
    from sagittal.study import Mask

    data = np.broadcast_to((np.arange(SHAPE[0]) // 30 + 1)[:, None, None], SHAPE).astype(np.uint8)
    names = {n: f"slab{n}" for n in range(1, 9)}
    write_mask(folder / "slabs.nii.gz", Mask(np.ascontiguousarray(data), grid(), names))
    regions = "".join(f"  {region}: [slab{n}]\n" for n, region in enumerate(SLABS, start=1))
    keys = 'title: "Slabs"\nspace: "SIMULATED"\nvolume: ""\nlabels: ""\n'
    (folder / "slabs.yaml").write_text(f"{keys}regions:\n{regions}unmapped: []\n")
    add(
        "slabs",
        folder / "slabs.nii.gz",
        table=folder / "slabs.yaml",
        labels=folder / "slabs.labels.json",
        licence="none",
    )


def link_cases(studies: Path, root: Path, count: int) -> None:
    """``count`` names over the distinct studies."""
    for n in range(count):
        name = f"BraTS-GLI-{n:05d}-000"
        folder = root / name
        folder.mkdir(parents=True)
        for ending in (*ENDINGS, "seg"):
            (folder / f"{name}-{ending}.nii.gz").symlink_to(studies / str(n % DISTINCT) / f"{ending}.nii.gz")


# -- measuring -----------------------------------------------------------------------------------


def child(root: Path, out: Path, workers: int, seed: int) -> None:
    """One build; prints its CPU seconds and the peak memory of this process and of its largest worker."""
    import resource

    from sagittal.builders.tumour_set import build_tumour_set

    build_tumour_set(
        root,
        out,
        layout="brats",
        preset="gli",
        atlas="slabs",
        seed=seed,
        workers=workers,
        studies_per_shard=16,
    )
    own, workers_ = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, workers_))
    # Not ru_maxrss for the process itself: that starts at what the benchmark held when it began it.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    own_mib = int(peak.split()[1]) / 1024
    print(json.dumps({"cpu": cpu, "own_mib": own_mib, "worker_mib": workers_.ru_maxrss / 1024}))


def timed(root: Path, out: Path, workers: int, seed: int) -> dict[str, float]:
    """A build in a process of its own: seconds, CPU seconds, and peaks of memory in MiB."""
    command = [sys.executable, __file__, "--child", str(root), str(out), str(workers), "--seed", str(seed)]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {"seconds": time.perf_counter() - start, **json.loads(done.stdout)}


def same_bytes(a: Path, b: Path) -> bool:
    """Whether two builds hold the same files with the same bytes."""

    def content(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    return content(a) == content(b)


def measure(n: int, seed: int, repeats: int) -> dict[str, Any]:
    """Best times of 1, n, 2n and 4n studies with one worker, and of 4n with two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SAGITTAL_HOME"] = str(folder / "home")
        add_slab_atlas(folder)
        for index in range(DISTINCT):
            make_study(folder / "studies" / str(index), seed + index)
        best: dict[tuple[int, int], dict[str, float]] = {}
        loads = []
        for count, workers in ((1, 1), (n, 1), (2 * n, 1), (4 * n, 1), (4 * n, 2)) * repeats:
            root, out = folder / f"in{count}", folder / f"out{count}-{workers}"
            if not root.exists():
                link_cases(folder / "studies", root, count)
            shutil.rmtree(out, ignore_errors=True)
            loads.append(os.getloadavg()[0])
            run = timed(root, out, workers, seed)
            held = best.setdefault((count, workers), run)
            best[count, workers] = {key: min(value, held[key]) for key, value in run.items()}
            print(
                f"{count} studies, {workers} workers: {run['seconds']:.1f} s (load before: {loads[-1]:.1f})"
            )
        return {
            "best": best,
            "loads": loads,
            "same": same_bytes(folder / f"out{4 * n}-1", folder / f"out{4 * n}-2"),
            "driver": driver_seconds(folder / f"out{4 * n}-1", 4 * n),
        }


def driver_seconds(built: Path, studies: int) -> float:
    """Seconds a study that the writing process spends: its rows made into shards again."""
    from sagittal.builders.shards import Row, read_rows, write_shard

    shards = [[Row(*v) for v in read_rows(p)] for p in sorted((built / "shards").glob("*.parquet"))]
    start = time.perf_counter()
    for index, rows in enumerate(shards):
        write_shard(built / f"again-{index}.parquet", rows)
    return (time.perf_counter() - start) / studies


def report(n: int, seed: int, repeats: int, out: str) -> None:
    """Measure, and write the result file."""
    from report import write_report

    found = measure(n, seed, repeats)
    best = found["best"]
    times = {key: run["seconds"] for key, run in best.items()}
    rows = ["| studies | workers | seconds | CPU seconds | peak MiB: writing process, worker |"]
    rows.append("| --- | --- | --- | --- | --- |")
    for (count, workers), run in best.items():
        peaks = f"{run['own_mib']:.0f}, {run['worker_mib']:.0f}"
        rows.append(f"| {count} | {workers} | {run['seconds']:.1f} | {run['cpu']:.1f} | {peaks} |")
    marginal = (times[4 * n, 1] - times[n, 1]) / (3 * n)
    cpu = (best[4 * n, 1]["cpu"] - best[n, 1]["cpu"]) / (3 * n)
    speed_up = times[4 * n, 1] / times[4 * n, 2]
    more = 100 * (best[4 * n, 2]["cpu"] / best[4 * n, 1]["cpu"] - 1)
    per_ms = 1000 * found["driver"]
    body = [
        f"Simulated studies of 240×240×155 voxels, four labels, four images, gzip; {DISTINCT} distinct ones "
        f"(seeds {seed} to {seed + DISTINCT - 1}) under many names; 16 studies a shard. Each time is the "
        f"fastest of {repeats} runs of a process of its own, start-up included. Load of the machine before "
        f"each run: {min(found['loads']):.1f} to {max(found['loads']):.1f}.",
        "",
        *rows,
        "",
        f"- One study more costs {marginal:.2f} s on one worker, {cpu:.2f} s of CPU (from {n} to "
        f"{4 * n} studies); one study alone, start-up included, {times[1, 1]:.1f} s.",
        f"- Linear: {4 * n} studies take {times[4 * n, 1] / times[n, 1]:.2f} times as long as {n}, and "
        f"{times[4 * n, 1] / times[2 * n, 1]:.2f} times as long as {2 * n}.",
        f"- Two workers on {4 * n} studies: {speed_up:.2f} times as fast as one, a parallel efficiency of "
        f"{50 * speed_up:.0f} % (aim: 90 %); the same bytes: {'yes' if found['same'] else 'NO'}. "
        f"Both together use {more:.0f} % more CPU than one.",
        f"- The writing process spends {per_ms:.1f} ms a study on shards, so it keeps up with about "
        f"{1000 * cpu / per_ms:.0f} workers.",
    ]
    if found["loads"][0] > BUSY:
        body[1:1] = [
            "",
            "**Other work shared the cores during these runs**: the seconds, and with them linearity and "
            "parallel efficiency, are not the build's own; CPU seconds and memory are.",
        ]
    command = f"python benchmarks/build.py --studies {n} --repeats {repeats} --seed {seed}"
    write_report(out, "Building tumour questions", command, body, ("numpy", "scipy", "nibabel", "pyarrow"))


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=24, help="n: n, 2n and 4n studies are built")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="build_speed", help="name of the file in docs/results")
    parser.add_argument("--child", nargs=3, metavar=("ROOT", "OUT", "WORKERS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        root, out, workers = options.child
        child(Path(root), Path(out), int(workers), options.seed)
    else:
        report(options.studies, options.seed, options.repeats, options.out)


if __name__ == "__main__":
    main()
