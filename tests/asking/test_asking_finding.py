"""What STUDY arguments name: kinds from names and metadata, and what is never guessed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from asking_world import brats_case, dicom_series, write_volume
from PIL import Image as Pictures

from sagittal.asking.finding import find_images
from sagittal.errors import FileFormatError, InputError, StorageError


def kinds(*paths) -> list[str]:
    return [found.kind for found in find_images(paths)[0]]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BraTS-GLI-00001-000-t1c.nii.gz", "t1c"),
        ("BraTS20_Training_001_t1ce.nii.gz", "t1c"),
        ("sub-01_ses-2_T1w.nii", "t1"),
        ("p7-T1post.nii.gz", "t1c"),
        ("UCSF_0004_FLAIR_bias.nii.gz", "flair"),
        ("x-t2f.nii", "flair"),
        ("x_t2w.nii", "t2"),
        ("x-t1n.nii.gz", "t1"),
        ("scan [v2] t1 gd.nii.gz", "t1c"),
    ],
)
def test_a_sequence_is_told_from_the_name_of_a_file(tmp_path, name, kind):
    path = write_volume(tmp_path / name)
    assert kinds(path) == kinds(tmp_path) == [kind]
    [found], _ = find_images([f"pd={path}"])
    assert found.kind == "pd" and found.explicit and found.read().kind == "pd"


def test_what_nothing_says_is_asked_for_and_not_guessed(tmp_path):
    path = write_volume(tmp_path / "scan_t1_post.nii.gz")
    with pytest.raises(InputError, match="Nothing says what") as error:
        find_images([path])
    assert f"t1={path}" in str(error.value)
    with pytest.raises(InputError, match="no image to ask about"):
        find_images([tmp_path])
    write_volume(tmp_path / "flair.nii.gz")
    found, left = find_images([tmp_path])
    assert [f.kind for f in found] == ["flair"]
    assert [(o.name, "KIND=PATH" in o.why) for o in left] == [("scan_t1_post.nii.gz", True)]


def test_segmentations_are_somebody_elses_answer(tmp_path):
    case = brats_case(tmp_path)
    seg = write_volume(case / "BraTS-GLI-00001-000-seg.nii.gz")
    write_volume(case / "t1_brain_mask.nii.gz")
    found, left = find_images([case])
    assert len(found) == 2 and len(left) == 2 and all("segmentation" in o.why for o in left)
    for given in (seg, f"seg={seg}"):
        with pytest.raises(InputError, match="segmentation"):
            find_images([given])
    assert kinds(f"t1={seg}") == ["t1"]


def test_dicom_by_its_metadata_from_a_folder_and_from_its_slices(tmp_path):
    folder = dicom_series(tmp_path / "t2 by name")
    slices = sorted(folder.iterdir())
    for given in ([folder], slices):
        [found], left = find_images(given)
        assert (found.kind, found.patient, found.explicit) == ("t1", "P9", given == slices) and not left
        assert found.read().shape == (30, 34, 28)
    [found], _ = find_images([f"t2={folder}", folder])
    assert found.kind == "t2" and found.explicit


def test_series_of_a_folder_that_say_nothing_or_show_another_part_are_left_out(tmp_path):
    dicom_series(tmp_path / "a")
    dicom_series(tmp_path / "b", SeriesInstanceUID="1.6", SeriesDescription="loc", SeriesNumber=2)
    dicom_series(tmp_path / "c", SeriesInstanceUID="1.7", SeriesNumber=3, BodyPartExamined="CSPINE")
    found, left = find_images([tmp_path])
    assert [f.name for f in found] == ["AX T1"]
    assert [(o.name, w in o.why) for o, w in zip(left, ("KIND=PATH", "CSPINE"), strict=True)] == [
        ("002 loc", True),
        ("003 AX T1", True),
    ]
    with pytest.raises(InputError, match="CSPINE"):
        find_images(sorted((tmp_path / "c").iterdir()))
    with pytest.raises(InputError, match="do not say which sequence"):
        find_images(sorted((tmp_path / "b").iterdir()))
    assert kinds(f"flair={tmp_path / 'b'}") == ["flair"]
    # The head, and anything that no table lists, is let through.
    dicom_series(tmp_path / "d", SeriesInstanceUID="1.8", BodyPartExamined="HEAD ROUTINE")
    assert kinds(tmp_path / "d") == ["t1"]


def test_one_image_named_twice_is_one(tmp_path):
    case = brats_case(tmp_path)
    path = case / "BraTS-GLI-00001-000-t1n.nii.gz"
    found, _ = find_images([case, path])
    assert [(f.kind, f.explicit) for f in found] == [("t1", True), ("flair", False)]
    write_volume(case / "._BraTS-GLI-00001-000-t1n.nii.gz")
    assert len(find_images([case])[0]) == 2


def test_several_patients_are_refused(tmp_path):
    one = brats_case(tmp_path)
    other = tmp_path / "BraTS-GLI-00002-000"
    shutil.copytree(one, other)
    for path in other.iterdir():
        path.rename(path.with_name(path.name.replace("00001", "00002")))
    with pytest.raises(InputError, match="several patients"):
        find_images([one, other])


def test_what_cannot_be_asked_about(tmp_path):
    Pictures.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "film.png")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    for paths, kind, words in (
        ([], InputError, "nothing to ask about"),
        ([tmp_path / "film.png"], InputError, "picture"),
        ([tmp_path / "notes.txt"], FileFormatError, "not a file that is read"),
        ([tmp_path / "empty"], InputError, "no image"),
        ([tmp_path / "absent_t1.nii.gz"], StorageError, "no such file"),
        ([""], StorageError, "empty"),
        (["a\0b.nii"], StorageError, "zero byte"),
        (["t1="], StorageError, "empty"),
    ):
        with pytest.raises(kind, match=words):
            find_images(paths)


def test_names_cannot_steer_a_terminal(tmp_path):
    path = write_volume(tmp_path / "\x1b[31mred\x1b[0m_t1.nii.gz")
    [found], _ = find_images([path])
    assert "\x1b" not in found.name and found.name.endswith("_t1.nii.gz")
    assert Path(found.path) == path


@pytest.mark.shared_data
def test_real_folders(shared_data):
    for folder in ("brats_gli_00001", "tcga_du_7294"):
        found, left = find_images([shared_data / folder])
        assert sorted(f.kind for f in found) == ["flair", "t1", "t1c", "t2"]
        assert all("segmentation" in o.why for o in left)
    [found], _ = find_images([shared_data / "totalseg_refs" / "example_ct_dicom"])
    assert found.kind == "ct"
    with pytest.raises(InputError, match="Nothing says what"):
        find_images([shared_data / "totalseg_refs" / "example_mr_sm.nii.gz"])
