"""The frozen world of slices: its table is whole, apart from all others, and what is made is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagittal.errors import IntegrityError
from sagittal.evaluation.frozen_world import (
    PICTURES,
    TABLE,
    TASKS,
    TUMOURS,
    check_study,
    make_study,
    places,
    study_hash,
    world_hash,
    world_heads,
    world_table,
)
from sagittal.evaluation.medplib import data
from sagittal.evaluation.medplib.data import make_test_pictures
from sagittal.simulate import HeadSet
from sagittal.splits import split_of
from sagittal.train.picture_bank import read_bank
from sagittal.train.picture_worlds import SEED
from sagittal.train.worlds import training_worlds

HEADS = "synthseg_labelmaps/data/training_label_maps"


def test_the_table_is_whole() -> None:
    table = world_table(PICTURES)
    frozen, found = table["frozen"], places(table)
    names = [place.name for place in found]
    assert list(frozen["studies"]) == names and len(set(names)) == len(names) == 150
    assert frozen["sha256"] == world_hash(frozen["studies"])
    assert frozen["found"]["studies"] == 150
    assert len(set(frozen["studies"].values())) == 150
    assert list(frozen["image_checksums_of_one_machine"]) == names


def test_it_shares_no_head_and_no_seed_with_what_is_learnt_from_or_measured_elsewhere() -> None:
    table = world_table(PICTURES)
    assert {split_of(name, dataset="synthseg_heads") for name in table["frozen"]["heads"]} == {"test"}
    own = [entry["seed"] for entry in table["worlds"].values()]
    others = [e["seed"] for name in (TABLE, TASKS, TUMOURS) for e in world_table(name)["worlds"].values()]
    assert len(set(own)) == len(own) and not set(own) & {*others, SEED, SEED + 1}


def test_it_has_the_worlds_that_are_learnt_from() -> None:
    own = {place.world: place.config.pathology for place in places(world_table(PICTURES))}
    learnt = {world.name: world.config.pathology for world in training_worlds("picture_training")}
    assert own == learnt


def test_banks_are_made_of_checked_studies_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = HeadSet.phantoms(1, 3.0)
    grid = {"shape": [44, 50, 40], "spacing": [4.0, 4.2, 4.5]}
    worlds = {
        name: {"preset": name, "seed": seed, "studies": 2, "change": grid}
        for name, seed in (("healthy", 5), ("wmh", 6))
    }
    table = {"worlds": worlds, "frozen": {}}
    table["frozen"]["studies"] = {
        place.name: study_hash(place, make_study(place, heads)) for place in places(table)
    }
    monkeypatch.setattr(data, "world_table", lambda name: table)
    monkeypatch.setattr(data, "world_heads", lambda folder, own: heads)
    told: list[tuple[str, int, int]] = []
    make_test_pictures(
        "heads", tmp_path / "test", progress=lambda name, done, of: told.append((name, done, of))
    )
    assert told == [("healthy", 1, 1), ("wmh", 1, 1)]
    found = read_bank([tmp_path / "test" / name for name in worlds])
    assert {p.facts.patient for p in found} == {f"sim-{s}-0000{n}" for s in (5, 6) for n in (0, 1)}
    # The second study of the second world is not what it was.
    table["frozen"]["studies"]["wmh/1"] = "0" * 64
    with pytest.raises(IntegrityError, match="not what it was"):
        make_test_pictures("heads", tmp_path / "other")
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["healthy"]


@pytest.mark.shared_data
def test_the_first_study_is_what_it_was(shared_data: Path, tmp_path: Path) -> None:
    table = world_table(PICTURES)
    for name in table["frozen"]["heads"]:
        (tmp_path / f"{name}.nii.gz").symlink_to(shared_data / HEADS / f"{name}.nii.gz")
    heads = world_heads(tmp_path, table)
    place = places(table)[0]
    check_study(place, make_study(place, heads), table)
