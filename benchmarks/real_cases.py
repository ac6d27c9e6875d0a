"""What `sagittal describe` says of every labelled real case beside the checkout.

Run: python benchmarks/real_cases.py --data ../shared/data
Reads only; the images are not part of the project. Regions need the atlas lpba40 (``sagittal atlas add``).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from report import write_report

from sagittal.errors import SagittalWarning
from sagittal.io.labels import load_labels
from sagittal.io.nifti import read_image, read_mask
from sagittal.measure.atlas_store import load
from sagittal.measure.describe import describe
from sagittal.study import Image, Mask

Case = tuple[str, str, Mask, list[Image], Mask | None]


def cases(data: Path) -> Iterator[Case]:
    """Name, who drew the labels, the mask, its scans, a brain mask."""
    for folder in sorted((data / "brats_deepmedic").glob("*/brats_*")):
        mask = read_mask(folder / "OTMultiClass.nii.gz", load_labels("brats2015"))
        scans = [
            read_image(folder / f"{name}_subtrMeanDivStd.nii.gz", kind=kind)
            for name, kind in (("Flair", "flair"), ("T1c", "t1c"))
        ]
        brain = read_mask(folder / "brainmask.nii.gz", load_labels("binary"))
        yield f"{folder.parent.name}/{folder.name}", "experts", mask, scans, brain
    gli = data / "brats_gli_00001"
    scans = [
        read_image(gli / f"BraTS-GLI-00001-000-{ending}.nii.gz", kind=kind)
        for ending, kind in (("t1n", "t1"), ("t1c", "t1c"), ("t2w", "t2"), ("t2f", "flair"))
    ]
    mask = read_mask(gli / "seg-BraTS23_1.nii.gz", load_labels("brats2023"))
    yield "BraTS-GLI-00001-000", "an algorithm", mask, scans, None
    tcga = data / "tcga_du_7294"
    scans = [
        read_image(tcga / f"TCGA-DU-7294_{name}_bet.nii.gz", kind=kind)
        for name, kind in (("t1", "t1"), ("t1c", "t1c"), ("t2", "t2"), ("fla", "flair"))
    ]
    mask = read_mask(tcga / "TCGA-DU-7294_seg_fusion.nii.gz", load_labels("brats2018"))
    yield "TCGA-DU-7294", "algorithms, fused", mask, scans, None
    for number in range(1, 11):
        mask = read_mask(data / "nichart" / "dlwmls" / f"Subj{number}_FL_DLWMLS.nii.gz", load_labels("wmh"))
        scan = read_image(data / "nichart" / "fl" / f"Subj{number}_FL.nii.gz", kind="flair")
        yield f"nichart Subj{number}", "an algorithm", mask, [scan], None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    warnings.simplefilter("ignore", SagittalWarning)
    atlas = load("lpba40")
    rows = [
        "| case | labels by | label | mL | % of brain | pieces | spread | shape | longest × perpendicular mm "
        "| regions (share) | s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    count = 0
    for name, by, mask, scans, brain in cases(data):
        start = time.perf_counter()
        # LPBA40 lies where older BraTS does; elsewhere its regions would be wrong.
        found = describe(mask, images=scans, brain=brain, atlas=None if "nichart" in name else atlas)
        seconds = time.perf_counter() - start
        count += 1
        for label in found.labels.values():
            d, regions = label.diameters, label.regions or {}
            top = sorted(regions.items(), key=lambda item: -item[1])[:3]
            percent = "–" if label.brain_percent is None else f"{label.brain_percent:.2f}"
            cells = (
                *(name, by, label.name, f"{label.volume_ml or 0:.2f}", percent, label.components),
                *(label.spread_class, label.shape_class),
                f"{d.longest_mm:.1f} × {d.perpendicular_mm:.1f}" if d else "–",
                ", ".join(f"{r} {s:.2f}" for r, s in top) or "–",
                f"{seconds:.2f}",
            )
            rows.append("| " + " | ".join(map(str, cells)) + " |")
    rows += [
        "",
        f"{count} cases, none refused. Labels by an algorithm are silver: the figures describe the label, "
        "not the patient. Seconds: describing one case with its scans, files read before.",
    ]
    command = "python benchmarks/real_cases.py --data ../shared/data"
    libraries = ("numpy", "scipy", "scikit-image", "connected-components-3d")
    write_report("real_cases", "Descriptors of real cases", command, rows, libraries)


if __name__ == "__main__":
    main()
