"""The frozen test world: its table is whole, its hashes see labels and settings, its studies are the same."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from sagittal.builders.voxel.structures import structure_table
from sagittal.builders.voxel.truth import Truth
from sagittal.errors import IntegrityError, LayoutError
from sagittal.evaluation.frozen_world import (
    TASKS,
    Place,
    asked_structures,
    frozen_world,
    image_checksum,
    make_study,
    places,
    study_hash,
    what_is_found,
    world_cases,
    world_hash,
    world_heads,
    world_table,
)
from sagittal.simulate import PRESETS, HeadSet, SimulatedStudy, preset
from sagittal.splits import split_of
from sagittal.study import Mask, Study

HEADS = "synthseg_labelmaps/data/training_label_maps"
SMALL = {"shape": (40, 46, 36), "spacing": (4.5, 4.5, 4.5)}


@pytest.fixture(scope="module")
def phantoms():
    return HeadSet.phantoms(1, 3.0)


def a_place(name="gli", **changes):
    return Place("small", 0, preset(name).model_copy(update={**SMALL, **changes}), 3)


def test_the_table_is_whole():
    frozen, found = world_table()["frozen"], places()
    names = [place.name for place in found]
    assert list(frozen["studies"]) == names and len(set(names)) == len(names) == 42
    assert frozen["sha256"] == world_hash(frozen["studies"])
    # Each world draws its own patients.
    assert len({place.seed for place in found}) == len({place.world for place in found})
    tables = (world_table(), world_table(TASKS))
    assert set(PRESETS) == {entry["preset"] for table in tables for entry in table["worlds"].values()}
    assert (
        sum(entry["studies"] for entry in frozen["found_by_world"].values())
        == frozen["found"]["studies"]
        == 42
    )
    known = [s.name for s in structure_table().known()]
    sides = [f"{side} {name}" for name in world_table()["sides"] for side in ("left", "right")]
    assert {*world_table()["anatomy"], *sides} <= set(known)


def test_its_heads_are_those_of_the_test_split():
    heads = world_table()["frozen"]["heads"]
    assert {split_of(name, dataset="synthseg_heads") for name in heads} == {"test"} and len(heads) == 2


def test_other_heads_are_refused(tmp_path, monkeypatch):
    import sagittal.evaluation.frozen_world as module

    class Fake:
        names = ("training_seg_01", "training_seg_09", "training_seg_10")
        hashes = dict.fromkeys(names, "0" * 64)

        def subset(self, indices):
            made = Fake()
            made.names = tuple(self.names[i] for i in indices)
            return made

    monkeypatch.setattr(module.HeadSet, "from_folder", lambda folder: Fake())
    with pytest.raises(IntegrityError, match="not the one the world was frozen with"):
        world_heads(tmp_path)
    monkeypatch.setattr(Fake, "names", ("training_seg_01", "training_seg_09"))
    with pytest.raises(LayoutError, match="lacks heads"):
        world_heads(tmp_path)


def test_the_hash_sees_labels_and_settings_but_no_pixels(phantoms):
    place = a_place()
    made = make_study(place, phantoms)
    known = study_hash(place, made)
    assert study_hash(place, make_study(place, phantoms)) == known

    def with_masks(masks):
        study = Study(made.study.name, made.study.patient, made.study.images, tuple(masks))
        return study_hash(place, SimulatedStudy(study, made.facts))

    first, *rest = made.study.masks
    moved = first.data.copy()
    moved[tuple(np.argwhere(moved != 0)[0])] = 0
    assert with_masks([Mask(moved, first.geometry, first.labels, first.name), *rest]) != known
    renamed = {**first.labels, next(iter(first.labels)): "Another"}
    assert with_masks([Mask(first.data, first.geometry, renamed, first.name), *rest]) != known
    assert with_masks(rest) != known
    assert study_hash(a_place(orientation="LPS"), made) != known
    images = tuple(i.resample_to(i.geometry) for i in made.study.images)
    noisy = Study(made.study.name, made.study.patient, images, made.study.masks)
    noisy.images[0].data[0, 0, 0] += 1
    other = SimulatedStudy(noisy, made.facts)
    assert study_hash(place, other) == known and image_checksum(other) != image_checksum(made)


def test_a_changed_study_is_refused(phantoms, monkeypatch):
    import sagittal.evaluation.frozen_world as module

    place = a_place()
    known = study_hash(place, make_study(place, phantoms))
    monkeypatch.setattr(module, "world_table", lambda: {"frozen": {"studies": {place.name: known}}})
    [(_, made)] = frozen_world(phantoms, [place])
    assert made.study.masks
    monkeypatch.setattr(module, "world_table", lambda: {"frozen": {"studies": {place.name: "0" * 64}}})
    with pytest.raises(IntegrityError, match="not what it was"):
        list(frozen_world(phantoms, [place]))


def test_what_is_asked_of_a_study(phantoms):
    made = make_study(a_place(), phantoms)
    truth = Truth(made.study, made.facts)
    names = [s.name for s in asked_structures(truth, "", {"t1", "t1c", "t2", "flair"})]
    assert len(set(names)) == len(names)
    assert {"brain", "left thalamus", "whole tumour", "enhancing tumour", "oedema"} <= set(names)
    # The simulated world marks everything that it made, so that what it did not make is known to be absent.
    assert "white matter hyperintensities" in names and "left caudate" not in names
    seen = [s.name for s in asked_structures(truth, "", {"t1"})]
    assert "whole tumour" in seen and not {"enhancing tumour", "oedema"} & set(seen)


def test_cases_of_two_sessions(phantoms, monkeypatch):
    import sagittal.evaluation.frozen_world as module

    place = a_place("growth")
    made = make_study(place, phantoms)
    table = {**world_table(), "frozen": {"studies": {place.name: study_hash(place, made)}}}
    monkeypatch.setattr(module, "world_table", lambda: table)
    cases = list(world_cases(phantoms, [place]))
    assert [case.name for case in cases] == ["small/0/session-1", "small/0/session-2"]
    sessions = [session for session in made.study.sessions if session.images]
    for case, session in zip(cases, sessions, strict=True):
        assert [i.kind for i in case.images] == [i.kind for i in session.images]
        lesions = next(m for m in session.masks if m.name == "lesions")
        assert int(case.truth["lesion"].data.sum()) == int((lesions.data != 0).sum())
        np.testing.assert_array_equal(case.truth["brainstem"].data != 0, made.study.masks[0].data == 16)


def test_what_is_found():
    def lesion(ml, *words):
        signal = {f"i{n}": {"word": word} for n, word in enumerate(words)}
        return {"voxels": 5 if ml else 0, "volume_ml": ml, "signal": signal}

    iso, bright = "isointense", "hyperintense"
    facts = [
        {"sessions": [{"lesions": [lesion(1.0, iso, bright), lesion(4.0, iso, iso)]}]},
        {"sessions": [{"lesions": [lesion(2.0, bright)]}, {"lesions": [lesion(3.0, bright)]}]},
        {"sessions": [{"lesions": [lesion(0.0)]}]},
    ]
    assert what_is_found(facts) == {
        "studies": 3, "studies_without_lesion": 1, "lesions": 4,
        "lesion_ml": {"smallest": 1.0, "median": 2.5, "largest": 4.0},
        "isointense_on_every_image": 0.25, "isointense_on_some_image": 0.5,
    }  # fmt: skip
    assert what_is_found(facts[2:]) == {"studies": 1, "studies_without_lesion": 1, "lesions": 0}


@pytest.mark.shared_data
def test_the_first_studies_are_what_they_were(shared_data, tmp_path):
    heads = world_heads(shared_data / HEADS)
    some = [place for place in places() if place.name in ("gli/0", "gli/1")]
    for place, made in frozen_world(heads, some):
        assert made.facts["head"] in world_table()["frozen"]["heads"]
        assert made.study.images[0].geometry.orientation == place.config.orientation
    name = f"{heads.names[0]}.nii.gz"
    shutil.copy(shared_data / HEADS / name, tmp_path / name)
    with pytest.raises(LayoutError, match="lacks heads"):
        world_heads(tmp_path)
