"""Slices of simulated heads: marks are a literal slice of the label maps, whoever makes them and when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sagittal.draw.overlay import window
from sagittal.errors import IntegrityError
from sagittal.simulate import HeadSet, SimulatedStudy, WorldConfig, preset, simulate
from sagittal.train import picture_world
from sagittal.train.packaged import packaged_table
from sagittal.train.picture_bank import MarkedPicture, bank_hash, read_bank
from sagittal.train.picture_world import (
    FEWEST_CLASSES,
    FEWEST_PIXELS,
    SLICES,
    PicturePlan,
    make_picture_bank,
    slices_of_study,
)
from sagittal.train.picture_worlds import make_world_pictures
from sagittal.train.worlds import World, training_worlds

#: Class → FreeSurfer's values of each of its instances; written down here again.
CLASSES = [
    ("white matter", {2, 41}), ("cerebral cortex", {3, 42}), ("lateral ventricle", {4, 5}),
    ("lateral ventricle", {43, 44}), ("third ventricle", {14}), ("fourth ventricle", {15}),
    ("thalamus", {10}), ("thalamus", {49}), ("caudate nucleus", {11}), ("caudate nucleus", {50}),
    ("putamen", {12}), ("putamen", {51}), ("pallidum", {13}), ("pallidum", {52}), ("hippocampus", {17}),
    ("hippocampus", {53}), ("amygdala", {18}), ("amygdala", {54}), ("brainstem", {16}),
    ("cerebellum", {7, 8, 46, 47}),
]  # fmt: skip
LESION = {"pre": "brain tumour", "wmh": "white matter lesion", "healthy": None}
SEED = 11


@pytest.fixture(scope="module")
def phantoms() -> HeadSet:
    return HeadSet.phantoms(1, 3.0)


def config(name: str) -> WorldConfig:
    """Coarse, of three spacings, and not stored as it is shown."""
    grid = {"shape": (44, 50, 40), "spacing": (4.0, 4.2, 4.5), "orientation": "LSA"}
    return preset(name).model_copy(update={**grid, "sequences": ("t1", "flair")})


@pytest.fixture(scope="module", params=sorted(LESION))
def made(request, phantoms: HeadSet) -> tuple[str, SimulatedStudy, list[MarkedPicture]]:
    plan = PicturePlan(config(request.param), phantoms, SEED, 1)
    [study] = simulate(plan.world, phantoms, [0], SEED)
    return request.param, study, list(slices_of_study(plan, 0))


def upright(volume) -> np.ndarray:
    return volume.reorient("RAS").data


def shown(volume: np.ndarray, plane: str, at: int) -> Iterator[tuple[int, int, object]]:
    """Pixel by pixel: the patient's right, or front, on the left; front, or head, up."""
    right, front, up = volume.shape
    for x in range({"axial": right, "coronal": right, "sagittal": front}[plane]):
        for y in range({"axial": front, "coronal": up, "sagittal": up}[plane]):
            voxel = {
                "axial": (right - 1 - x, front - 1 - y, at),
                "coronal": (right - 1 - x, at, up - 1 - y),
                "sagittal": (at, front - 1 - x, up - 1 - y),
            }[plane]
            yield x, y, volume[voxel]


def test_marks_are_a_slice_of_the_label_maps(made) -> None:
    name, study, pictures = made
    masks = {mask.name: upright(mask) for mask in study.study.masks}
    lesions = masks["lesions"] if LESION[name] else np.zeros_like(masks["anatomy"])
    seen_lesion = False
    for picture in pictures:
        plane, at = picture.facts.name.rpartition("/")[2].split("-")
        values = {(x, y): int(v) for x, y, v in shown(masks["anatomy"], plane, int(at))}
        ill = {(x, y) for x, y, v in shown(lesions, plane, int(at)) if v}
        found = [(own, {p for p, v in values.items() if v in of} - ill) for own, of in CLASSES]
        found += [(LESION[name], ill)] if LESION[name] else []
        large = [(own, where) for own, where in found if len(where) >= FEWEST_PIXELS]
        assert picture.facts.classes == tuple(own for own, _ in large)
        for number, (_, where) in enumerate(large):
            assert {(int(x), int(y)) for x, y in np.argwhere(picture.instance(number))} == where
        in_sight = {own for own, where in found if where}
        assert set(picture.facts.small) == in_sight - set(picture.facts.classes)
        assert len(picture.facts.small) == len(set(picture.facts.small))
        assert len(set(picture.facts.classes)) >= FEWEST_CLASSES
        seen_lesion |= LESION[name] in picture.facts.classes
    assert seen_lesion or name != "pre"


def test_pixels_are_a_slice_of_one_of_the_images(made) -> None:
    _, study, pictures = made
    spacing = dict(
        zip(("right", "front", "up"), study.study.images[0].reorient("RAS").geometry.spacing, strict=True)
    )
    for picture in pictures:
        plane, at = picture.facts.name.rpartition("/")[2].split("-")
        [image] = [i for i in study.study.images if i.kind == picture.facts.kind]
        low, high = window(image.reorient("RAS"))
        for x, y, value in shown(upright(image), plane, int(at)):
            wanted = 255 * min(1.0, max(0.0, (float(value) - low) / (high - low)))
            assert abs(int(picture.pixels[x, y]) - wanted) <= 0.51
        axes = {"axial": ("right", "front"), "coronal": ("right", "up"), "sagittal": ("front", "up")}[plane]
        assert picture.facts.spacing == pytest.approx(tuple(spacing[axis] for axis in axes))
        assert picture.facts.orientation == plane and picture.facts.patient == study.study.name


def test_each_plane_gives_its_slices_once(made) -> None:
    _, _, pictures = made
    names = [picture.facts.name for picture in pictures]
    assert len(set(names)) == len(names)
    planes = [picture.facts.orientation for picture in pictures]
    assert {plane: planes.count(plane) for plane in set(planes)} == dict.fromkeys(
        ("axial", "coronal", "sagittal"), SLICES
    )


def test_the_table_is_the_one_that_is_written_here() -> None:
    table = packaged_table("picture_classes")
    assert [(n, set(v)) for n, sides in table["classes"].items() for v in sides] == CLASSES
    assert {key: table["lesions"].get(key) for key in LESION} == LESION


# -- banks ------------------------------------------------------------------------------------------


@pytest.fixture
def plan(phantoms: HeadSet, monkeypatch: pytest.MonkeyPatch) -> PicturePlan:
    monkeypatch.setattr(picture_world, "BLOCK", 2)
    return PicturePlan(config("healthy"), phantoms, SEED, 3)


def test_a_bank_is_the_same_whoever_makes_it(plan: PicturePlan, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    make_picture_bank(tmp_path / "whole", plan, progress=lambda done, of: told.append((done, of)))
    for part in (1, 0):
        make_picture_bank(tmp_path / "parts", plan, part=(part, 2))
    files = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*.*"))
    assert [str(file.parent) for file in files] == ["0000", "0000", "0001", "0001", "."]
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
    assert told == [(1, 2), (2, 2)]
    found = read_bank([tmp_path / "whole"])
    # Each study by its own index, however many there are.
    alone = [picture for index in range(3) for picture in slices_of_study(plan, index)]
    assert bank_hash(found) == bank_hash(alone) and len({p.facts.patient for p in found}) == 3
    # What is there is kept, and nothing is made again.
    before = (tmp_path / "whole" / "0001" / "pictures.npz").stat().st_mtime_ns
    make_picture_bank(tmp_path / "whole", plan)
    assert (tmp_path / "whole" / "0001" / "pictures.npz").stat().st_mtime_ns == before


def test_a_study_that_is_refused_leaves_no_block(plan: PicturePlan, tmp_path: Path) -> None:
    def check(index: int, study: SimulatedStudy) -> None:
        if index == 2:
            raise IntegrityError("not this one")

    strict = PicturePlan(plan.world, plan.heads, plan.seed, plan.studies, check)
    with pytest.raises(IntegrityError):
        make_picture_bank(tmp_path, strict)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0000", "manifest.json"]


def test_a_bank_of_another_world_is_not_gone_on_with(plan: PicturePlan, tmp_path: Path) -> None:
    make_picture_bank(tmp_path, PicturePlan(plan.world, plan.heads, plan.seed, 1))
    before = sorted(p.name for p in tmp_path.iterdir())
    for other in (
        PicturePlan(plan.world, plan.heads, SEED + 1, 3), PicturePlan(config("pre"), plan.heads, SEED, 3),
        plan,
    ):  # fmt: skip
        with pytest.raises(IntegrityError, match="another world"):
            make_picture_bank(tmp_path, other)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_another_seed_is_another_world(plan: PicturePlan) -> None:
    other = PicturePlan(plan.world, plan.heads, SEED + 1, 1)
    assert bank_hash(slices_of_study(plan, 0)) != bank_hash(slices_of_study(other, 0))


def test_worlds_are_banks_of_their_names(plan: PicturePlan, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    worlds = (World("a", plan.world, 1), World("b", config("pre"), 1))
    make_world_pictures(
        worlds, plan.heads, 3, tmp_path, (0, 1), lambda name, done, of: told.append((name, done, of))
    )
    assert told == [("a", 1, 1), ("b", 1, 1)]
    found = read_bank([tmp_path / "a", tmp_path / "b"])
    assert {p.facts.dataset for p in found} == {"simulated-healthy", "simulated-pre"}


def test_the_committed_worlds_have_marked_pathologies() -> None:
    """What a simulated lesion is called is known, or there is none."""
    table = packaged_table("picture_classes")["lesions"]
    for name in ("picture_training", "picture_validation"):
        worlds = training_worlds(name)
        assert [world.name for world in worlds] == ["healthy", "pre", "met", "wmh"]
        assert all(w.config.pathology == "healthy" or w.config.pathology in table for w in worlds)
