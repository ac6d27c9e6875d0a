"""How often lobes and territories by proportion agree with drawn ones, and where their numbers come from.

Run: python benchmarks/lobes.py --data ../shared/data          (writes docs/results/lobes.md)
     python benchmarks/lobes.py --data ../shared/data --fit    (finds the numbers again and prints them)
Reads only; the atlases and label maps are not part of the project. The Desikan-Killiany map is used where it
is installed (``sagittal atlas add dk``).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import write_report

from sagittal.geometry import Geometry
from sagittal.io.labels import load_labels
from sagittal.io.nifti import read_mask
from sagittal.measure.atlas_store import installed, volume_path
from sagittal.measure.proportions import (
    LOBES,
    TERRITORIES,
    Frame,
    Planes,
    Supply,
    frame_of,
    lobes_at,
    sides_at,
    territories_at,
)
from sagittal.measure.region_table import load_region_table
from sagittal.study import Mask

#: Limbic structures that lie in the temporal lobe; the cingulate gyrus and deep grey matter lie in none.
TEMPORAL = ("hippocampus", "parahippocampal", "entorhinal", "amygdala")
#: AAL's gyri by the artery that usually supplies them (Tatu et al. 1998); those that two share are left out.
ARTERIES = {
    "ACA": ("Frontal_Sup", "Supp_Motor_Area", "Olfactory", "Frontal_Sup_Medial", "Frontal_Med_Orb", "Rectus",
            "Cingulum_Ant", "Cingulum_Mid", "Precuneus", "Paracentral_Lobule"),
    "MCA": ("Precentral", "Frontal_Mid", "Frontal_Mid_Orb", "Frontal_Inf_Oper", "Frontal_Inf_Tri",
            "Frontal_Inf_Orb", "Rolandic_Oper", "Insula", "Postcentral", "Parietal_Inf", "SupraMarginal",
            "Angular", "Caudate", "Putamen", "Pallidum", "Heschl", "Temporal_Sup", "Temporal_Pole_Sup",
            "Temporal_Mid", "Temporal_Pole_Mid"),
    "PCA": ("Calcarine", "Cuneus", "Lingual", "Occipital_Sup", "Occipital_Inf", "Fusiform", "Hippocampus",
            "ParaHippocampal", "Thalamus"),
}  # fmt: skip
#: MUSE's composite regions, whose lobes have the white matter in them, and its insula.
MUSE = {"frontal lobe": 504, "parietal lobe": 507, "occipital lobe": 506, "temporal lobe": 508}
MUSE_INSULA, MUSE_TEMPORAL = (102, 103, 172, 173), (31, 32, 47, 48, 116, 117, 170, 171)
MUSE_OTHER = (100, 101, 138, 139, 166, 167, 23, 30, 36, 37, *range(55, 63), 75, 76, *range(89, 96))
#: FreeSurfer values of structures in the ten label maps, left and right.
DEEP = {"hippocampus": (17, 53), "amygdala": (18, 54), "thalamus": (10, 49), "caudate": (11, 50),
        "putamen": (12, 51), "pallidum": (13, 52)}  # fmt: skip
CEREBRUM = ((2, 3, 10, 11, 12, 13, 17, 18, 26, 28), (41, 42, 49, 50, 51, 52, 53, 54, 58, 60))
#: Where the search looks for each number, in the order of the fields.
PLANE_BOUNDS = [
    (0.2, 0.9), (-0.6, 0.2), (-0.4, 0.4), (0, 0.5), (-0.4, 0.6), (0, 0.6), (-0.6, 0.3), (-0.4, 0.6),
    (0, 0.5), (-0.5, 0.5), (-0.4, 0.5), (0.35, 0.6), (0.55, 0.8), (0.3, 0.5), (0.5, 0.85), (0.1, 0.4),
    (0.35, 0.65),
]  # fmt: skip
SUPPLY_BOUNDS = [
    (0.05, 0.5), (-0.3, 0.5), (0.3, 0.7), (0.5, 0.9), (0.2, 1.0), (-1, 1), (0.5, 0.8), (0.25, 0.4),
    (0.3, 0.45), (0.5, 0.6), (0.25, 0.4), (0.45, 0.6),
]  # fmt: skip
FIT_VOXELS, FIT_SEED = 12_000, 0


@dataclass(frozen=True, eq=False)
class Drawn:
    """A cerebrum with drawn lobes.

    Attributes:
        name: for the table.
        cerebrum: the whole of it.
        lobes: (X, Y, Z) code of the lobe + 1; 0 where none was drawn.
        apart: (X, Y, Z) bool: what belongs to no lobe and is not scored.
    """

    name: str
    cerebrum: Mask
    lobes: NDArray[np.uint8]
    apart: NDArray[np.bool_]

    @cached_property
    def frame(self) -> Frame:
        return frame_of(self.cerebrum)

    def points(self, whole: bool) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """World points and their drawn lobes; with ``whole``, voxels without one take the nearest one's."""
        truth = nearest(self.lobes, self.cerebrum) if whole else self.lobes
        scored = (self.cerebrum.data != 0) & ~self.apart & (truth > 0)
        return self.cerebrum.geometry.to_world(np.argwhere(scored)), truth[scored] - 1


def nearest(codes: NDArray[np.uint8], mask: Mask) -> NDArray[np.uint8]:
    from scipy.ndimage import distance_transform_edt

    index = distance_transform_edt(
        codes == 0, sampling=mask.geometry.spacing, return_distances=False, return_indices=True
    )
    return codes[tuple(index)]


def lpba40(data: Path) -> Drawn:
    """The one that the numbers were found on."""
    folder = data / "sri24_lpba40"
    mask = read_mask(folder / "lpba40.nii.gz", load_labels(folder / "LPBA40-labels.txt"))
    tissue, above = (read_mask(folder / f"{name}.nii.gz").data for name in ("tissues", "suptent"))
    below = np.isin(mask.data, [mask.value_of("cerebellum"), mask.value_of("brainstem")])
    cerebrum = ((mask.data > 0) | ((above > 0) & (tissue >= 2))) & ~below
    drawn = by_table("LPBA40 in SRI24 space (the numbers' source)", mask, "lpba40", cerebrum)
    # LPBA40 has neither pallidum nor thalamus; AAL on the same template has.
    deep = np.isin(read_mask(folder / "tzo116plus.nii.gz").data, range(75, 79))
    return replace(drawn, apart=drawn.apart | deep)


def desikan_killiany() -> Drawn:
    mask = read_mask(volume_path("dk"), load_labels("dk"))
    inside = np.isin(mask.data, [*CEREBRUM[0], *CEREBRUM[1], *range(251, 256)]) | (mask.data >= 1000)
    return by_table("Desikan-Killiany in MNI152 space", mask, "dk", inside)


def by_table(name: str, mask: Mask, table: str, cerebrum: NDArray[np.bool_]) -> Drawn:
    """Lobes of an atlas by its region table."""
    regions, words = load_region_table(table), {lobe.split()[0]: n + 1 for n, lobe in enumerate(LOBES)}
    code = np.zeros(int(mask.data.max()) + 1, dtype=np.uint8)
    apart = np.zeros(code.size, dtype=bool)
    for value in mask.values():
        structure = mask.labels[value]
        region = regions.region_of(structure)
        if region == "limbic" and any(word in structure.lower() for word in TEMPORAL):
            region = "temporal"
        code[value] = words.get(region or "", 0)
        apart[value] = region in ("limbic", "subcortical") or structure.startswith("CC_")
    return Drawn(name, Mask(cerebrum, mask.geometry, {1: "cerebrum"}), code[mask.data], apart[mask.data])


def nichart(data: Path, number: int) -> Drawn:
    folder = data / "nichart"
    mask = read_mask(folder / "dlmuse_seg" / f"Subj{number}_T1_DLMUSE.nii.gz")
    with (folder / "muse_lists" / "MUSE_mapping_derivedROIs.csv").open(encoding="utf-8") as handle:
        parts = {int(row[0]): [int(v) for v in row[2:] if v] for row in csv.reader(handle)}
    lobes = np.zeros(mask.shape, dtype=np.uint8)
    members: Mapping[str, Sequence[int]] = {
        **{lobe: parts[value] for lobe, value in MUSE.items()}, "insula": MUSE_INSULA
    }  # fmt: skip
    for lobe, values in members.items():
        lobes[np.isin(mask.data, values)] = LOBES.index(lobe) + 1
    lobes[np.isin(mask.data, MUSE_TEMPORAL)] = LOBES.index("temporal lobe") + 1
    apart = np.isin(mask.data, MUSE_OTHER)
    return Drawn(
        f"nichart Subj{number}", Mask((lobes > 0) | apart, mask.geometry, {1: "cerebrum"}), lobes, apart
    )


def arteries(data: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """World points in AAL's gyri (SRI24 space) and the territory that each gyrus belongs to."""
    folder = data / "sri24_lpba40"
    lines = (folder / "SRI24-tzo116plus.txt").read_text(encoding="utf-8").splitlines()
    names = {int(a): b.removesuffix("_L").removesuffix("_R") for a, b, *_ in map(str.split, lines)}
    mask = read_mask(folder / "tzo116plus.nii.gz")
    codes = np.zeros(max(names) + 1, dtype=np.uint8)
    for value in range(1, 117):
        codes[value] = next((n + 1 for n, a in enumerate(TERRITORIES) if names[value] in ARTERIES[a]), 0)
    found = codes[mask.data]
    return mask.geometry.to_world(np.argwhere(found > 0)), found[found > 0] - 1


def dice(found: NDArray[Any], truth: NDArray[Any], count: int) -> list[float]:
    return [
        2 * float(np.sum((found == n) & (truth == n))) / max(1, int(np.sum(found == n) + np.sum(truth == n)))
        for n in range(count)
    ]


# -- finding the numbers --------------------------------------------------------------------------


def planes_from(x: Sequence[float]) -> Planes:
    box = tuple(zip(x[11::2], x[12::2], strict=True))
    return Planes(tuple(x[:3]), tuple(x[3:5]), tuple(x[5:8]), tuple(x[8:11]), box)


def supply_from(x: Sequence[float]) -> Supply:
    box = ((0.0, x[7]), (x[8], x[9]), (x[10], x[11]))
    return Supply(tuple(x[:2]), tuple(x[2:4]), tuple(x[4:6]), x[6], box)


def search(
    guess: Callable[[NDArray[np.float64], Sequence[float]], NDArray[np.uint8]],
    world: NDArray[np.float64],
    truth: NDArray[np.uint8],
    bounds: Sequence[tuple[float, float]],
) -> list[float]:
    """Numbers, to 0.01, with the largest share of voxels alike plus half the mean Dice."""
    from scipy.optimize import differential_evolution

    chosen = np.random.default_rng(FIT_SEED).choice(len(world), FIT_VOXELS, replace=False)
    points, wanted = world[chosen], truth[chosen]

    def loss(x: NDArray[np.float64]) -> float:
        found = guess(points, x.tolist())
        return -float((found == wanted).mean()) - 0.5 * float(
            np.mean(dice(found, wanted, int(truth.max()) + 1))
        )

    best = differential_evolution(
        loss, bounds, maxiter=500, popsize=10, seed=FIT_SEED, tol=1e-6, polish=False
    )
    return [round(float(v), 2) for v in best.x]


def fit(data: Path) -> None:
    drawn = lpba40(data)
    frame = drawn.frame
    planes = planes_from(
        search(lambda world, x: lobes_at(frame, world, planes_from(x)), *drawn.points(True), PLANE_BOUNDS)
    )
    print(planes)
    supply = search(
        lambda world, x: territories_at(frame, world, supply_from(x), planes), *arteries(data), SUPPLY_BOUNDS
    )
    print(supply_from(supply))


# -- the report -----------------------------------------------------------------------------------


def agreement(drawings: Sequence[Drawn]) -> Iterator[str]:
    yield "| drawn lobes | tilt ° | drawn voxels alike | whole cerebrum alike | " + " | ".join(LOBES) + " |"
    yield "| --- " * (4 + len(LOBES)) + "|"
    for drawn in drawings:
        shares = []
        for whole in (False, True):
            world, truth = drawn.points(whole)
            found = lobes_at(drawn.frame, world)
            shares.append(f"{(found == truth).mean():.3f}")
        scores = " | ".join(f"{d:.2f}" for d in dice(found, truth, len(LOBES)))
        yield f"| {drawn.name} | {drawn.frame.tilt_degrees:.0f} | {shares[0]} | {shares[1]} | {scores} |"


def moved(drawn: Drawn) -> Iterator[str]:
    """What a wrong frame costs."""
    world, truth = drawn.points(True)
    frame = drawn.frame

    def alike(other: Frame) -> float:
        return float((lobes_at(other, world) == truth).mean())

    yield "| change of the frame | whole cerebrum alike |"
    yield "| --- | --- |"
    yield f"| none | {alike(frame):.3f} |"
    for mm in (3, 6, 10):
        steps = [s * mm * np.eye(3)[axis] for axis in range(3) for s in (-1, 1)]
        shifted = [alike(replace(frame, low=frame.low + s, high=frame.high + s)) for s in steps]
        faces = [alike(replace(frame, low=frame.low + s)) for s in steps]
        faces += [alike(replace(frame, high=frame.high + s)) for s in steps]
        yield f"| moved {mm} mm, six ways | {min(shifted):.3f} – {max(shifted):.3f} |"
        yield f"| one face wrong by {mm} mm, twelve ways | {min(faces):.3f} – {max(faces):.3f} |"
    middle = (frame.low + frame.high) / 2
    for degrees in (5, 10, 20):
        tilted = []
        for sign in (-1, 1):
            a = sign * np.deg2rad(degrees)
            turn = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
            shift = turn @ middle - middle
            tilted.append(alike(Frame(turn @ frame.turn, frame.low + shift, frame.high + shift)))
        yield f"| tilted by {degrees}°, two ways | {min(tilted):.3f} – {max(tilted):.3f} |"


def turned(drawn: Drawn) -> Iterator[str]:
    """What a head costs that is not upright, its frame found anew."""
    world, truth = drawn.points(True)
    geometry = drawn.cerebrum.geometry
    yield "| head turned | about left–right (chin) | about front–back (ear) | about the vertical (nose) |"
    yield "| --- | --- | --- | --- |"
    for degrees in (0, 5, 10, 15, 30):
        cells = []
        for axis in (0, 1, 2):
            a, (i, j) = np.deg2rad(degrees), [k for k in range(3) if k != axis]
            turn = np.eye(4)
            turn[[i, i, j, j], [i, j, i, j]] = np.cos(a), -np.sin(a), np.sin(a), np.cos(a)
            placed = Geometry(geometry.shape, turn @ geometry.affine)
            frame = frame_of(Mask(drawn.cerebrum.data, placed, {1: "cerebrum"}))
            cells.append(f"{(lobes_at(frame, world @ turn[:3, :3].T) == truth).mean():.3f}")
        yield f"| {degrees}° | {' | '.join(cells)} |"


def deep(data: Path) -> Iterator[str]:
    """Where structures without a lobe of their own fall on the ten label maps."""
    lobes = {name: np.zeros(len(LOBES)) for name in DEEP}
    supply = {name: np.zeros(len(TERRITORIES)) for name in DEEP}
    sides = []
    folder = data / "synthseg_labelmaps" / "data" / "training_label_maps"
    paths = sorted(folder.glob("*.nii.gz"))
    for path in paths:
        mask = read_mask(path)
        left, right = (np.isin(mask.data, values) for values in CEREBRUM)
        frame = frame_of(Mask(left | right, mask.geometry, {1: "cerebrum"}))
        both = [mask.geometry.to_world(np.argwhere(side)) for side in (left, right)]
        sides.append(np.mean([(sides_at(frame, w) == s).mean() for s, w in zip((-1, 1), both, strict=True)]))
        for name, values in DEEP.items():
            world = mask.geometry.to_world(np.argwhere(np.isin(mask.data, values)))
            lobes[name] += np.bincount(lobes_at(frame, world), minlength=5) / len(world) / len(paths)
            supply[name] += np.bincount(territories_at(frame, world), minlength=3) / len(world) / len(paths)
    yield "| structure | " + " | ".join((*LOBES, *TERRITORIES)) + " |"
    yield "| --- " * (1 + len(LOBES) + len(TERRITORIES)) + "|"
    for name in DEEP:
        cells = " | ".join(f"{v:.2f}" for v in (*lobes[name], *supply[name]))
        yield f"| {name} | {cells} |"
    yield ""
    yield (
        f"{len(paths)} heads, mean share of each structure's voxels. Side: {np.mean(sides):.4f} of the "
        f"cerebrum's voxels lie on the side that their label says, {min(sides):.4f} in the worst head."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fit", action="store_true", help="find the numbers again instead (minutes)")
    arguments = parser.parse_args()
    data = arguments.data
    if arguments.fit:
        fit(data)
        return
    source = lpba40(data)
    extra = [desikan_killiany()] if "dk" in {entry.name for entry in installed()} else []
    world, truth = arteries(data)
    found = territories_at(source.frame, world)
    supply = ", ".join(f"{a} {d:.2f}" for a, d in zip(TERRITORIES, dice(found, truth, 3), strict=True))
    rows = [
        "Lobes are planes at fixed proportions of the cerebrum's box (`sagittal.measure.proportions`). **The "
        "planes were set on one template**, LPBA40's labels of SRI24: its row says how well such planes can "
        "do, the others how well these do. LPBA40's and DLMUSE's makers draw lobes differently, the insula "
        "above all.",
        "",
        "## Lobes",
        "",
        *agreement([source, *extra, *(nichart(data, n) for n in range(1, 11))]),
        "",
        "Dice of each lobe over the whole cerebrum: voxels where none was drawn (LPBA40's deep white matter, "
        "all of Desikan-Killiany's) take the nearest drawn one. Hippocampus, amygdala and parahippocampal "
        "gyrus are temporal; cingulate gyrus, deep grey matter and corpus callosum are left out. nichart's "
        "labels are an algorithm's (DLMUSE). Subj1–7 and Desikan-Killiany were looked at when the form of "
        "the rule was chosen (level with the long axis or not, which planes); Subj8–10 were not.",
        "",
        "## A wrong frame",
        "",
        *moved(source),
        "",
        "On LPBA40. These are errors of the frame itself, as from a cerebrum that was segmented wrongly.",
        "",
        "## A head that is not upright",
        "",
        *turned(source),
        "",
        "On LPBA40, whole cerebrum alike, the frame found anew: it follows the chin and nothing else.",
        "",
        "## Deep structures",
        "",
        *deep(data),
        "",
        "## Arterial territories",
        "",
        f"{(found == truth).mean():.3f} of {len(truth):,} voxels alike; Dice {supply}. The truth is AAL's "
        "gyri on SRI24, each given to the artery that usually supplies it; gyri that two arteries share are "
        f"left out ({', '.join(left_out(data))}). The numbers were set on the same gyri: this is "
        "consistency with a table, not accuracy in patients.",
    ]
    command = "python benchmarks/lobes.py --data ../shared/data"
    write_report("lobes", "Lobes and territories by proportion", command, rows, ("numpy", "scipy", "nibabel"))


def left_out(data: Path) -> list[str]:
    lines = (data / "sri24_lpba40" / "SRI24-tzo116plus.txt").read_text(encoding="utf-8").splitlines()
    names = {
        b.removesuffix("_L").removesuffix("_R") for a, b, *_ in map(str.split, lines) if 0 < int(a) <= 90
    }
    return sorted(names - {name for members in ARTERIES.values() for name in members})


if __name__ == "__main__":
    main()
