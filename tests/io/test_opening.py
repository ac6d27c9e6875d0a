"""What a person gives on the command line becomes one study."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as Pictures
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sagittal.errors import FileFormatError, InputError, LayoutError, StorageError
from sagittal.io.labels import load_labels
from sagittal.io.opening import open_study


def volume(path: Path, value: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.full((3, 4, 5), value, np.int16), np.eye(4)), path)
    return path


def dicom_slice(path: Path, z: float, patient: str = "P9", series: str = "1.5") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = pydicom.uid.generate_uid()
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.PatientID, ds.Modality = series, "1.4", patient, "CT"
    ds.Rows = ds.Columns = 2
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelSpacing, ds.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [0, 0, z]
    ds.PixelData = np.full((2, 2), z, np.uint16).tobytes()
    ds.save_as(path, enforce_file_format=True)
    return path


def test_volumes_with_and_without_a_word_for_what_they_show(tmp_path: Path) -> None:
    scan, other = volume(tmp_path / "p1_t1c.nii.gz"), volume(tmp_path / "scan=2.nii.gz")
    study = open_study(
        [scan, f"flair={other}", f"seg={volume(tmp_path / 'm.nii')}"], labels=load_labels("gli")
    )
    assert [i.kind for i in study.images] == ["t1c", "flair"]
    assert study.masks[0].labels[1] == "NETC" and study.name == study.patient == "p1_t1c"
    assert open_study([str(other)]).images[0].kind == "unknown"
    assert open_study([f"ct={scan}"], name="n", patient="q").images[0].kind == "ct"


def test_a_picture_with_and_without_spacing(tmp_path: Path) -> None:
    Pictures.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "film.png")
    film = open_study([f"cxr={tmp_path / 'film.png'}"]).images[0]
    assert film.kind == "cxr" and not film.geometry.spacing_known
    assert open_study([tmp_path / "film.png"], spacing=0.2).images[0].geometry.spacing_known
    study = open_study([tmp_path / "film.png", f"seg={tmp_path / 'film.png'}"])
    assert study.masks[0].values() == [1]


def test_a_dicom_folder_a_dicom_file_and_patients_that_differ(tmp_path: Path) -> None:
    for k in range(3):
        dicom_slice(tmp_path / "a" / f"IM{k}", 2.0 * k)
    study = open_study([tmp_path / "a"])
    assert study.patient == "P9" and study.images[0].shape == (2, 2, 3) and study.images[0].kind == "ct"
    assert open_study([tmp_path / "a" / "IM1"]).images[0].shape == (2, 2, 1)
    dicom_slice(tmp_path / "b" / "IM0", 0, patient="P10", series="1.6")
    with pytest.raises(InputError, match="several patients"):
        open_study([tmp_path / "a", tmp_path / "b"])
    both = open_study([tmp_path / "a", tmp_path / "b"], patient="same")
    assert both.patient == "same" and len(both.images) == 2
    with pytest.raises(FileFormatError, match="mask"):
        open_study([f"seg={tmp_path / 'a'}"])


def test_a_brats_folder_with_what_it_has_and_two_sessions_of_one_patient(tmp_path: Path) -> None:
    for session in ("000", "001"):
        for ending in ("t1c", "t2f", "seg"):
            name = f"BraTS-GLI-00001-{session}"
            volume(tmp_path / name / f"{name}-{ending}.nii.gz")
    study = open_study([tmp_path / "BraTS-GLI-00001-000"], labels=load_labels("gli"))
    assert [i.kind for i in study.images] == ["t1c", "flair"] and len(study.masks) == 1
    assert (study.name, study.patient) == ("BraTS-GLI-00001-000", "BraTS-GLI-00001")
    both = open_study([tmp_path / "BraTS-GLI-00001-000", tmp_path / "BraTS-GLI-00001-001"])
    assert [s.name for s in both.sessions] == ["000", "001"] and len(both.images) == 4


def test_names_that_repeat_are_numbered(tmp_path: Path) -> None:
    study = open_study([volume(tmp_path / "a" / "scan.nii"), volume(tmp_path / "b" / "scan.nii")])
    assert [i.name for i in study.images] == ["scan.nii (1)", "scan.nii (2)"]


@pytest.mark.parametrize("given", ["", " ", "t1=", "seg= ", "a\0b.nii"])
def test_no_path_is_not_the_folder_one_is_in(given: str) -> None:
    with pytest.raises(StorageError, match="empty"):
        open_study([given])


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello " * 50)
    (tmp_path / "empty").mkdir()
    volume(tmp_path / "loose" / "scan.nii")
    for paths, kind in (
        ([], InputError),
        ([tmp_path / "notes.txt"], FileFormatError),
        ([tmp_path / "empty"], LayoutError),
        ([tmp_path / "loose"], LayoutError),
        ([tmp_path / "absent.nii"], StorageError),
        ([tmp_path / "absent"], StorageError),
    ):
        with pytest.raises(kind):
            open_study(paths)


@pytest.mark.shared_data
def test_real_folders(shared_data: Path) -> None:
    ct = open_study([shared_data / "totalseg_refs" / "example_ct_dicom"])
    assert [i.kind for i in ct.images] == ["ct"] and ct.images[0].shape == (512, 512, 20)
    glioma = open_study([shared_data / "brats_gli_00001"])
    assert glioma.patient == "BraTS-GLI-00001" and len(glioma.images) == 4
