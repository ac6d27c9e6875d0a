"""How fast a segmentation is described, against the paper's appendix taken literally. One core.

    python benchmarks/describe.py [--seed 0] [--out docs/results/describe_speed.md]

Makes a simulated four-label 240×240×155 segmentation with at least 150 components, four images and an
atlas. Two child processes then measure the same things on the same core: ``sagittal.measure.describe``,
and the literal form, where every component is taken on the full volume and the whole atlas is resampled.
Their results must agree. Peak memory is that of the first child, inputs included.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")}
SHAPE = (240, 240, 155)
NAMES = {1: "NETC", 2: "SNFH", 3: "ET", 4: "RC"}
KINDS = ("t1", "t1c", "t2", "flair")
REGIONS = ("frontal", "parietal", "occipital", "temporal", "limbic", "insula", "subcortical", "cerebellum")
METRICS = ("sphericity", "compactness", "elongation", "flatness", "solidity")
WARM_RUNS = 7
TARGET_SECONDS, TARGET_RATIO, TARGET_MB = 0.5, 50, 600


# -- the simulated study -------------------------------------------------------------------------


def simulate(folder: Path, seed: int) -> None:
    """A brain, a lumpy tumour of four labels with many satellites, four images, and an atlas."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    x, y, z = np.ogrid[:240, :240, :155]
    brain = ((x - 120) / 68) ** 2 + ((y - 122) / 86) ** 2 + ((z - 74) / 66) ** 2 <= 1
    lumps = gaussian_filter(rng.standard_normal(SHAPE).astype(np.float32), 4)
    lumps /= lumps.std()
    far = np.sqrt(((x - 96) / 1.1) ** 2 + (y - 140) ** 2 + ((z - 84) / 0.9) ** 2) + 4.5 * lumps
    seg = np.zeros(SHAPE, np.uint8)
    seg[far < 34], seg[far < 21], seg[far < 14], seg[far < 6] = 2, 3, 1, 4
    for label, count in ((2, 110), (3, 60), (1, 40), (4, 12)):
        for centre in rng.uniform((60, 50, 30), (180, 195, 120), size=(count, 3)):
            radii = rng.uniform(0.6, 4.5) * rng.uniform(0.6, 1.6, 3)
            box = tuple(slice(int(c) - 8, int(c) + 9) for c in centre)
            grid = np.ogrid[box]
            ball = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1
            seg[box][ball & (seg[box] == 0)] = label
    seg[~brain] = 0
    np.save(folder / "seg.npy", seg)
    for i, kind in enumerate(KINDS):
        image = 400 + 60 * lumps + 90 * i * (seg > 0) + rng.normal(0, 25, SHAPE).astype(np.float32)
        np.save(folder / f"{kind}.npy", np.where(brain, np.maximum(image, 1), 0).astype(np.int16))
    a, b, c = np.ogrid[:182, :218, :182]
    blocks = (a // 23) * 80 + (b // 28) * 8 + c // 23 + 1
    np.save(folder / "atlas.npy", np.where((a > 20) & (a < 160), blocks, 0).astype(np.uint16))


def load(folder: Path) -> tuple:
    """Mask, images and atlas, as they come from files."""
    import numpy as np

    from sagittal.geometry import Geometry
    from sagittal.measure.atlas import Atlas
    from sagittal.measure.region_table import RegionTable
    from sagittal.study import Image, Mask

    lps = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
    grid = Geometry(SHAPE, lps)
    mask = Mask(np.load(folder / "seg.npy"), grid, NAMES, "seg")
    images = [Image(np.load(folder / f"{kind}.npy"), grid, kind, kind) for kind in KINDS]
    values = np.load(folder / "atlas.npy")
    ras = np.eye(4)
    ras[:3, 3] = (-211, 12, -14)
    structures = {int(v): f"s{v}" for v in np.unique(values) if v}
    regions = {r: tuple(s for v, s in structures.items() if v % 9 == i) for i, r in enumerate(REGIONS)}
    unmapped = tuple(s for v, s in structures.items() if v % 9 == 8)
    table = RegionTable("blocks", "simulated blocks", "SIMULATED", "", "", regions, unmapped)
    return (
        mask,
        images,
        Atlas("blocks", "SIMULATED", Mask(values, Geometry(values.shape, ras), structures), table),
    )


# -- the two ways --------------------------------------------------------------------------------


def run_fast(folder: Path) -> dict:
    """Sagittal's own way: first call (imports included), and the median of several more."""
    mask, images, atlas = load(folder)
    loaded = _peak_mb()
    seconds = []
    for _ in range(1 + WARM_RUNS):
        start = time.perf_counter()
        from sagittal.measure.describe import describe

        found = describe(mask, images=images, atlas=atlas)
        seconds.append(time.perf_counter() - start)
    out = found.to_json()
    return {
        "first": seconds[0],
        "warm": statistics.median(seconds[1:]),
        "loaded_mb": loaded,
        "peak_mb": _peak_mb(),
        "labels": out["labels"],
        "brain_ml": out["brain_ml"],
    }


def run_literal(folder: Path) -> dict:
    """The appendix as it is written: every component on the full volume."""
    import numpy as np

    sys.path.insert(0, str(ROOT / "tests" / "measure"))
    import literal_measures as literal

    mask, images, atlas = load(folder)
    codes = np.concatenate([atlas.region_codes, [0]])
    ras = mask.reorient("RAS")
    data, affine = ras.data, ras.geometry.affine
    scans = {image.kind: image.reorient("RAS").data for image in images}
    parts = dict.fromkeys(("components and shape", "regions", "extent", "diameters", "intensity"), 0.0)

    def timed(part, action, *args):
        start = time.perf_counter()
        result = action(*args)
        parts[part] += time.perf_counter() - start
        return result

    start = time.perf_counter()
    brain = int((scans["t1"] != 0).sum())
    labels = {}
    for value, name in NAMES.items():
        inside = data == value
        there = timed("regions", lambda: atlas.mask.resample_to(ras.geometry).data)
        region = codes[there[inside]]
        shape = timed("components and shape", literal.label_metrics, inside, affine[:3, :3])
        longest, _ = timed("diameters", literal.longest_in_plane, inside, affine, 2)
        extent = timed("extent", literal.extents, inside, affine)
        labels[name] = {
            "voxels": int(inside.sum()),
            "brain_percent": 100 * float(inside.sum()) / brain,
            "components": shape["components"],
            "core_share": shape["core_share"],
            "surface_mm2": shape["surface"],
            **{metric: shape[metric] for metric in METRICS},
            "extent_mm": extent.tolist(),
            "longest": longest,
            "regions": {r: float((region == i + 1).mean()) for i, r in enumerate(REGIONS)},
            "intensity": {k: timed("intensity", _statistics, scan, inside) for k, scan in scans.items()},
        }
    return {"seconds": time.perf_counter() - start, "parts": parts, "labels": labels}


def _statistics(scan, inside) -> list[float]:
    import numpy as np

    values = scan[inside].astype(np.float64)
    return [float(values.mean()), float(values.std()), float(np.median(values))]


def worst_difference(fast: dict, literal: dict) -> float:
    """Largest relative difference between any two numbers that both ways give."""
    worst = 0.0

    def compare(a: float, b: float) -> None:
        nonlocal worst
        worst = max(worst, abs(a - b) / max(abs(b), 1e-12) if a != b else 0.0)

    for name, slow in literal.items():
        quick = fast[name]
        for key in ("voxels", "brain_percent", "components", "core_share", "surface_mm2", *METRICS):
            compare(quick[key], slow[key])
        for one, two in zip(quick["extent_mm"].values(), slow["extent_mm"], strict=True):
            compare(one, two)
        compare(quick["diameters_mm"]["longest"], slow["longest"])
        for region, share in slow["regions"].items():
            compare(quick["regions"].get(region, 0.0), share)
        for kind, numbers in slow["intensity"].items():
            for key, number in zip(("mean", "sd", "median"), numbers, strict=True):
                compare(quick["intensity"][kind][key], number)
    return worst


# -- running and reporting -----------------------------------------------------------------------


def _peak_mb() -> float:
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _child(way: str, folder: Path, seed: int) -> str:
    command = [sys.executable, str(Path(__file__).resolve()), "--way", way, "--folder", str(folder)]
    command += ["--seed", str(seed)]
    environment = {**os.environ, **ONE_THREAD}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout


def _one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def report(seed: int, fast: dict, literal: dict, command: str) -> str:
    """The page that is committed."""
    from report import commit

    from sagittal.files import versions

    ratio = literal["seconds"] / fast["warm"]
    worst = worst_difference(fast["labels"], literal["labels"])
    total = sum(label["components"] for label in fast["labels"].values())
    libraries = versions("numpy", "scipy", "scikit-image", "connected-components-3d")
    rows = [
        ("describe, median of 7", f"{fast['warm']:.3f} s", f"≤ {TARGET_SECONDS} s"),
        ("describe, first call, libraries loaded on the way", f"{fast['first']:.2f} s", ""),
        ("literal appendix", f"{literal['seconds']:.1f} s", ""),
        ("ratio", f"{ratio:.0f} ×", f"≥ {TARGET_RATIO} ×"),
        ("peak memory of the describing process", f"{fast['peak_mb']:.0f} MB", f"≤ {TARGET_MB} MB"),
        ("of which before describing: Python, libraries, inputs", f"{fast['loaded_mb']:.0f} MB", ""),
        ("largest relative difference between the two ways", f"{worst:.1e}", "≤ 1e-5"),
    ]
    lines = [
        "# Speed of `sagittal describe`",
        "",
        "One simulated four-label segmentation of 240×240×155 voxels, four images and an atlas of "
        f"{len(REGIONS)} regions; both ways on one core, one after the other, in one run. Reading files is "
        "not timed. Everything of the `describe` contract is measured.",
        "",
        "| what | measured | target |",
        "| --- | --- | --- |",
        *(f"| {a} | {b} | {c} |" for a, b, c in rows),
        "",
        "| label | voxels | components | core share |",
        "| --- | --- | --- | --- |",
        *(
            f"| {name} | {label['voxels']:,} | {label['components']} | {label['core_share']:.3f} |"
            for name, label in fast["labels"].items()
        ),
        f"| all | | {total} | |",
        "",
        "The literal way spends, in seconds: "
        + ", ".join(f"{part} {seconds:.1f}" for part, seconds in literal["parts"].items())
        + ".",
        "",
        f"- command: `{command}`",
        f"- seed: {seed}; commit {commit()}",
        f"- processor: {_processor()}, one core, one thread",
        f"- {platform.python_implementation()} {platform.python_version()}, {platform.system()}; "
        + ", ".join(f"{name} {version}" for name, version in libraries.items()),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "describe_speed.md")
    parser.add_argument("--way", choices=("simulate", "fast", "literal"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    _one_core()
    if options.way == "simulate":
        simulate(options.folder, options.seed)
        return
    if options.way:
        run = run_fast if options.way == "fast" else run_literal
        print(json.dumps(run(options.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # A child's peak memory starts at its parent's, so the parent stays small: it simulates nothing.
        _child("simulate", folder, options.seed)
        fast = json.loads(_child("fast", folder, options.seed))
        literal = json.loads(_child("literal", folder, options.seed))
    text = report(options.seed, fast, literal, f"python benchmarks/describe.py --seed {options.seed}")
    from sagittal.files import write_text

    write_text(options.out, text)
    print(text)
    total = sum(label["components"] for label in fast["labels"].values())
    failed = [
        what
        for what, good in (
            ("at least 150 components", total >= 150),
            ("seconds", fast["warm"] <= TARGET_SECONDS),
            ("ratio", literal["seconds"] / fast["warm"] >= TARGET_RATIO),
            ("memory", fast["peak_mb"] <= TARGET_MB),
            ("agreement", worst_difference(fast["labels"], literal["labels"]) <= 1e-5),
        )
        if not good or math.isnan(fast["warm"])
    ]
    if failed:
        sys.exit(f"not reached: {', '.join(failed)}")


if __name__ == "__main__":
    main()
