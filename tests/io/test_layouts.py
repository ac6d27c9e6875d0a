"""Finding cases in data sets, and reading them as studies on one grid."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from sagittal.errors import (
    ConfigError,
    FileFormatError,
    GeometryError,
    InputError,
    LabelError,
    LayoutError,
    StorageError,
)
from sagittal.io.kinds import kind_from_words, recognise_kind
from sagittal.io.labels import load_labels
from sagittal.io.layouts import case_from_files, find_cases, load_case
from sagittal.io.layouts.nnunet import label_table

NEW = {"t1": "-t1n", "t1c": "-t1c", "t2": "-t2w", "flair": "-t2f", "seg": "-seg"}
OLD = {"t1": "_t1", "t1c": "_t1ce", "t2": "_t2", "flair": "_flair", "seg": "_seg"}
AFFINE = np.diag([-1.0, -1, 1, 1])


def volume(path: Path, value: int = 1, affine: np.ndarray = AFFINE, shape: tuple = (4, 5, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.full(shape, value, np.int16)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def brats_case(folder: Path, name: str, endings: dict[str, str], suffix: str = ".nii.gz") -> Path:
    for value, (kind, ending) in enumerate(endings.items(), start=1):
        volume(folder / f"{name}{ending}{suffix}", 1 if kind == "seg" else value)
    return folder


@pytest.mark.parametrize(("endings", "suffix"), [(NEW, ".nii.gz"), (OLD, ".nii.gz"), (OLD, ".nii")])
def test_brats_of_either_naming(endings: dict[str, str], suffix: str, tmp_path: Path) -> None:
    for name in ("BraTS-GLI-00002-001", "BraTS-GLI-00001-000", "BraTS-GLI-00001-001"):
        brats_case(tmp_path / "train" / name, name, endings, suffix)
    cases = find_cases(tmp_path, "brats")
    assert [(c.name, c.patient, c.session) for c in cases] == [
        ("BraTS-GLI-00001-000", "BraTS-GLI-00001", "000"),
        ("BraTS-GLI-00001-001", "BraTS-GLI-00001", "001"),
        ("BraTS-GLI-00002-001", "BraTS-GLI-00002", "001"),
    ]
    first = cases[0]
    ending = f"{endings['t1']}{suffix}"
    assert first.images[0] == ("t1", f"train/BraTS-GLI-00001-000/BraTS-GLI-00001-000{ending}")
    study = load_case(first, load_labels("brats2023"))
    assert [i.kind for i in study.images] == ["t1", "t1c", "t2", "flair"]
    assert [int(i.data[0, 0, 0]) for i in study.images] == [1, 2, 3, 4]
    assert study.masks[0].labels[1] == "NETC" and study.masks[0].session == "000"
    assert study.images[0].name == first.images[0][1] and study.patient == "BraTS-GLI-00001"


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("Brats18_CBICA_AAB_1", "Brats18_CBICA_AAB_1"),
        ("BraTS-GoAT-00007", "BraTS-GoAT-00007"),
        ("BraTS-MET-00007-003", "BraTS-MET-00007"),
    ],
)
def test_the_patient_is_read_from_the_identifier(name: str, patient: str, tmp_path: Path) -> None:
    brats_case(tmp_path / "HGG" / name, name, OLD)
    (case,) = find_cases(tmp_path, "brats")
    assert (case.name, case.patient) == (name, patient)


def test_a_case_folder_a_flat_folder_and_no_mask(tmp_path: Path) -> None:
    images = {k: e for k, e in NEW.items() if k != "seg"}
    brats_case(tmp_path, "a", images)
    brats_case(tmp_path, "b", images)
    cases = find_cases(tmp_path, "brats")
    assert [c.name for c in cases] == ["a", "b"] and cases[0].mask is None
    assert load_case(cases[0]).masks == ()


def test_a_missing_sequence_is_named_and_may_be_left_out(tmp_path: Path) -> None:
    brats_case(tmp_path, "a", {k: NEW[k] for k in ("t1", "flair", "seg")})
    with pytest.raises(LayoutError, match="lacks a sequence") as caught:
        find_cases(tmp_path, "brats")
    assert "t1c, t2" in str(caught.value)
    (case,) = find_cases(tmp_path, "brats", kinds=("flair",))
    assert [k for k, _ in case.images] == ["flair"]


def test_two_candidates_and_folders_with_an_images_name(tmp_path: Path) -> None:
    brats_case(tmp_path / "x", "a", NEW)
    volume(tmp_path / "x" / "a-t1n.nii")
    with pytest.raises(LayoutError, match="several files for t1"):
        find_cases(tmp_path, "brats")
    brats_case(tmp_path / "y", "a", NEW)
    (tmp_path / "y" / "a-t1n.nii.gz").unlink()
    (tmp_path / "y" / "a-t1n.nii.gz").mkdir()
    with pytest.raises(LayoutError, match="should be a file"):
        find_cases(tmp_path / "y", "brats")


def test_an_empty_or_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(LayoutError, match="no BraTS case"):
        find_cases(tmp_path, "brats")
    with pytest.raises(StorageError):
        find_cases(tmp_path / "absent", "brats")
    with pytest.raises(StorageError):
        find_cases(tmp_path / "notes.txt", "brats")
    with pytest.raises(ConfigError, match="layout"):
        find_cases(tmp_path, "bids")


def test_symlink_loops_and_broken_links_are_harmless(tmp_path: Path) -> None:
    brats_case(tmp_path / "a", "a", NEW)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    cases = find_cases(tmp_path, "brats")
    assert [c.name for c in cases] == ["a"]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "c-t1n.nii.gz").symlink_to(tmp_path / "gone.nii.gz")
    with pytest.raises(LayoutError, match="broken link"):
        find_cases(tmp_path, "brats", kinds=("t1",))


def test_finding_reads_no_pixels_and_loading_does(tmp_path: Path) -> None:
    brats_case(tmp_path, "a", NEW)
    (tmp_path / "a-t2w.nii.gz").write_text("not an image")
    (case,) = find_cases(tmp_path, "brats")
    with pytest.raises(FileFormatError, match="a-t2w"):
        load_case(case)


def test_one_grid_or_a_refusal_or_resampling_onto_the_mask(tmp_path: Path) -> None:
    brats_case(tmp_path, "a", NEW)
    volume(tmp_path / "a-t2w.nii.gz", 7, np.diag([-2.0, -2, 2, 1]))
    (case,) = find_cases(tmp_path, "brats")
    with pytest.raises(GeometryError, match=r"one grid.*a-t2w"):
        load_case(case)
    study = load_case(case, resample=True)
    assert all(i.geometry.same_grid(study.masks[0].geometry) for i in study.images)
    assert study.image("t2").data[1, 1, 1] == 7
    # A shift below the tolerance passes as the same grid, one above it does not.
    for shift, good in ((0.009, True), (0.011, False)):
        moved = AFFINE.copy()
        moved[0, 3] += shift
        volume(tmp_path / "a-t2w.nii.gz", 7, moved)
        if good:
            load_case(case)
        else:
            with pytest.raises(GeometryError):
                load_case(case)


# -- nnU-Net -------------------------------------------------------------------------------------


def nnunet(root: Path, **changes: object) -> Path:
    description = {
        "channel_names": {"0": "T1ce", "1": "FLAIR", "2": "CT", "3": "zscore"},
        "labels": {"background": 0, "core": 1, "edema": 2},
        "file_ending": ".nii.gz",
        **changes,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(description))
    for case in ("case_b", "case_a"):
        for channel in range(4):
            volume(root / "imagesTr" / f"{case}_{channel:04d}.nii.gz", channel)
        volume(root / "labelsTr" / f"{case}.nii.gz", 2)
    return root


def test_nnunet_raw(tmp_path: Path) -> None:
    cases = find_cases(nnunet(tmp_path), "nnunet")
    assert [c.name for c in cases] == ["case_a", "case_b"]
    assert [k for k, _ in cases[0].images] == ["t1c", "flair", "ct", "unknown"]
    study = load_case(cases[0])
    assert study.masks[0].labels == {1: "core", 2: "edema"} and study.masks[0].values() == [2]
    assert [int(i.data[0, 0, 0]) for i in study.images] == [0, 1, 2, 3]


def test_nnunet_label_dialects() -> None:
    assert label_table({"labels": {"0": "background", "1": "a", "2": "b"}}).names == {1: "a", 2: "b"}
    table = label_table({"labels": {"background": 0, "whole": [1, 2, 3], "tc": [2, 3], "et": 3}})
    assert table.names == {1: "label_1", 2: "label_2", 3: "et"}
    assert table.members("tc") == ("label_2", "et")
    for broken in ({"a": 1, "b": 1}, {"a": "x"}, {"a": 1.5}, {"a": True}, {"a": {}}, {"a": -1}):
        with pytest.raises(LabelError):
            label_table({"labels": broken})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"file_ending": ".png"}, "NIfTI"),
        ({"channel_names": {"0": "T1"}}, "channels"),
        ({"channel_names": []}, "channels"),
        ({"labels": []}, "labels"),
    ],
)
def test_nnunet_faults(changes: dict, word: str, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=word):
        find_cases(nnunet(tmp_path, **changes), "nnunet")


def test_nnunet_missing_parts(tmp_path: Path) -> None:
    root = nnunet(tmp_path)
    (root / "labelsTr" / "case_a.nii.gz").unlink()
    with pytest.raises(LayoutError, match="file of case_a"):
        find_cases(root, "nnunet")
    (root / "dataset.json").write_text("{")
    with pytest.raises(LayoutError, match="JSON"):
        find_cases(root, "nnunet")
    (root / "dataset.json").unlink()
    with pytest.raises(StorageError):
        find_cases(root, "nnunet")


# -- explicit files and kinds --------------------------------------------------------------------


def test_files_named_one_by_one(tmp_path: Path) -> None:
    t1, seg = volume(tmp_path / "p" / "imgs" / "x.nii", 3), volume(tmp_path / "p" / "segs" / "y.nii", 1)
    case = case_from_files({"t1": t1, "seg": seg}, patient="P7")
    assert (case.name, case.patient) == ("p", "P7")
    assert case.images == (("t1", "imgs/x.nii"),) and case.mask == "segs/y.nii"
    assert load_case(case).image("t1").data[0, 0, 0] == 3
    assert case_from_files({"t1": t1}, root=tmp_path).images == (("t1", "p/imgs/x.nii"),)
    for files, kind in (
        ({"seg": seg}, ConfigError),
        ({"t9": t1}, ConfigError),
        ({}, ConfigError),
        ({"t1": tmp_path / "absent.nii"}, LayoutError),
        ({"t1": tmp_path}, LayoutError),
    ):
        with pytest.raises(kind):
            case_from_files(files)
    with pytest.raises(InputError, match="outside"):
        case_from_files({"t1": t1}, root=tmp_path / "p" / "segs")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BraTS-GLI-00001-000-t1c.nii.gz", "t1c"),
        ("BraTS-GLI-00001-000-t1n.nii.gz", "t1"),
        ("BraTS20_Training_001_t1ce.nii", "t1c"),
        ("TCGA-DU-7294_fla_bet.nii.gz", "flair"),
        ("Flair_subtrMeanDivStd.nii.gz", "flair"),
        ("sub-01_T1w.nii.gz", "t1"),
        ("sub-01_ce-gadolinium_T1w.nii.gz", "t1c"),
        ("AX T2 FLAIR.nii", "flair"),
        ("AX T1 POST.nii", "unknown"),
        ("T1 without contrast.nii", "unknown"),
        ("T1_FLAIR.nii", "unknown"),
        ("t1_to_t2.nii", "unknown"),
        ("OTMultiClass.nii.gz", "unknown"),
        ("ct.nii.gz", "unknown"),
        ("at2b.nii.gz", "unknown"),
    ],
)
def test_a_kind_is_recognised_only_where_one_reading_is_left(name: str, kind: str) -> None:
    assert recognise_kind(name) == kind


def test_words_of_a_series() -> None:
    assert kind_from_words("Ax T2* GRE") == "gre"
    assert kind_from_words("") == "unknown"


@pytest.mark.shared_data
def test_real_cases(shared_data: Path) -> None:
    (case,) = find_cases(shared_data / "brats_gli_00001", "brats")
    assert (case.name, case.patient, case.session) == ("BraTS-GLI-00001-000", "BraTS-GLI-00001", "000")
    assert case.mask is None and len(load_case(case).images) == 4

    tcga = shared_data / "tcga_du_7294"
    names = {"t1": "t1_bet", "t1c": "t1c_bet", "t2": "t2_bet", "flair": "fla_bet", "seg": "seg_fusion"}
    files = {k: tcga / f"TCGA-DU-7294_{n}.nii.gz" for k, n in names.items()}
    assert all(recognise_kind(path) == kind for kind, path in files.items() if kind != "seg")
    study = load_case(case_from_files(files))
    assert study.masks[0].values() and len(study.images) == 4

    old = shared_data / "brats_deepmedic" / "test" / "brats_2013_pat0001_1"
    files = {
        "flair": old / "Flair_subtrMeanDivStd.nii.gz",
        "t1c": old / "T1c_subtrMeanDivStd.nii.gz",
        "seg": old / "OTMultiClass.nii.gz",
    }
    study = load_case(case_from_files(files), load_labels("brats2015"))
    assert set(study.masks[0].labels.values()) == {"NCR", "ED", "NET", "ET"}

    # Another mask of the same patient that was turned round lies elsewhere, and is refused.
    gli = shared_data / "brats_gli_00001"
    turned = {"t1": gli / "BraTS-GLI-00001-000-t1n.nii.gz", "seg": gli / "seg-BraTS23_1_mapped.nii.gz"}
    with pytest.raises(GeometryError, match="one grid"):
        load_case(case_from_files(turned))
