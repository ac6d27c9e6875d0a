"""The real sets that MedPLIB is measured on: apart from what it learns from, marked as their labels say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sagittal.evaluation.medplib.asked import grounding_questions, region_questions
from sagittal.evaluation.medplib.real import RealSet, _slices, real_sets
from sagittal.geometry import Geometry
from sagittal.models.medplib.pictures import frame_of
from sagittal.score.cases import Case
from sagittal.study import Image, Mask
from sagittal.train.packaged import packaged_table
from sagittal.train.real_pictures import film_pictures

SHAPE = (40, 36, 30)
BOXES = {
    "caudate nucleus": ("caudate", (slice(6, 16), slice(8, 20), slice(5, 22))),
    "brain tumour": ("whole tumour", (slice(22, 34), slice(4, 18), slice(9, 25))),
}


def box_case() -> tuple[Case, dict[str, np.ndarray]]:
    """A case of two boxes, stored in another order than it is shown, and its truth in RAS by our names."""
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    truth, masks = {}, {}
    for name, (theirs, box) in BOXES.items():
        truth[name] = np.zeros(SHAPE, bool)
        truth[name][box] = True
        mask = Mask(truth[name].astype(np.uint8), Geometry(SHAPE, affine), {1: theirs}, theirs)
        masks[theirs] = mask.reorient("LSA")
    pixels = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
    image = Image(pixels, Geometry(SHAPE, affine), "t1", "t1").reorient("LSA")
    return Case("Subj8 T1", "nichart, labels", (image,), masks), truth


def test_slices_of_a_case_are_its_own_classes_under_our_names() -> None:
    case, truth = box_case()
    found = list(_slices(case))
    assert {p.facts.orientation for p in found} == {"axial", "coronal", "sagittal"}
    assert {p.facts.patient for p in found} == {"Subj8"} and {p.facts.dataset for p in found} == {"Subj8 T1"}
    for picture in found:
        assert set(picture.facts.classes) <= {"caudate nucleus", "brain tumour"}
        plane, at = picture.facts.name.rpartition("/")[2].split("-")
        axis = {"sagittal": 0, "coronal": 1, "axial": 2}[plane]
        for name in picture.facts.classes:
            wanted = np.take(truth[name], int(at), axis=axis)[::-1, ::-1]
            np.testing.assert_array_equal(picture.of_class(name), wanted)


# -- the real ones ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sets(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[RealSet]:
    """All of them; of the four tumours that are alike one, since they take longest to read."""
    folder = tmp_path_factory.mktemp("data")
    for path in shared_data.iterdir():
        if path.name != "brats_deepmedic":
            (folder / path.name).symlink_to(path)
    [one] = (shared_data / "brats_deepmedic").glob("*/brats_2013_pat0001_1")
    (folder / "brats_deepmedic" / one.parent.name).mkdir(parents=True)
    (folder / "brats_deepmedic" / one.parent.name / one.name).symlink_to(one)
    return list(real_sets(folder))


@pytest.mark.shared_data
def test_every_set_has_a_name_and_marked_pictures(sets: list[RealSet]) -> None:
    assert len({own.name for own in sets}) == len(sets) == 9
    for own in sets:
        assert own.pictures and own.source
        for picture in own.pictures:
            facts, count = picture.facts, len(picture.facts.classes)
            assert picture.marks.shape == picture.pixels.shape[:2] and picture.pixels.dtype == np.uint8
            assert set(np.unique(picture.marks)) - {0} == set(range(1, count + 1)) and count
            assert not set(facts.small) & set(facts.classes)


@pytest.mark.shared_data
def test_every_question_about_them_can_be_put(sets: list[RealSet]) -> None:
    for own in sets:
        frames = [frame_of(picture.image, 192) for picture in own.pictures]
        for one in region_questions(own.pictures, "test"):
            assert frames[one.picture].place(one.region).any()
        for one in grounding_questions(own.pictures, "test"):
            classes = own.pictures[one.picture].facts.classes
            assert (one.asked[0] not in classes) == one.absent and set(one.masks) <= set(classes)


@pytest.mark.shared_data
def test_no_patient_is_learnt_from_and_measured(shared_data: Path, sets: list[RealSet]) -> None:
    scans = packaged_table("real_pictures").values()
    learnt = {
        split: {entry["patient"] for entry in scans if entry["split"] == split}
        | {p.facts.patient for p in film_pictures(shared_data, "montgomery", split)}
        for split in ("train", "validation")
    }
    measured = {p.facts.patient for own in sets for p in own.pictures}
    assert len(learnt["train"]) > 50 and not learnt["train"] & (learnt["validation"] | measured)
    assert learnt["validation"] and not learnt["validation"] & measured
