"""NIfTI and MGH volumes: geometry, types, scaling and units against nibabel; exact round trips."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.errors import FileFormatError, GeometryError, LabelError, SagittalWarning
from sagittal.geometry import Geometry
from sagittal.io.labels import load_labels
from sagittal.io.mask_values import labels_path
from sagittal.io.nifti import read_image, read_mask, write_image, write_mask
from sagittal.study import Image, Mask

OBLIQUE = np.array([[0.0, 0.3, 3.9, -20], [-1.1, 0.1, 0.2, 30], [0.05, 0.9, -0.7, 40], [0, 0, 0, 1]])


def make(
    path: Path, data: np.ndarray, affine: np.ndarray | None = None, kind: type = nib.Nifti1Image
) -> Path:
    nib.save(kind(data, np.eye(4) if affine is None else affine), path)
    return path


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_reads_what_nibabel_writes(dtype: str, name: str, kind: type, tmp_path: Path) -> None:
    data = np.arange(24).reshape(2, 3, 4).astype(dtype)
    image = nib.Nifti1Image if kind is nib.Nifti1Image else nib.Nifti2Image
    nib.save(image(data, OBLIQUE, dtype=np.dtype(dtype)), tmp_path / name)
    read = read_image(tmp_path / name, kind="t1", session="2")
    assert np.array_equal(read.data, data) and read.data.dtype == np.dtype(dtype)
    np.testing.assert_allclose(read.geometry.affine, OBLIQUE, atol=1e-5)
    assert (read.kind, read.name, read.session) == ("t1", name, "2")


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_big_endian_files(kind: type, tmp_path: Path) -> None:
    data = np.arange(24, dtype=">i2").reshape(2, 3, 4) * 1000
    header = kind.header_class(endianness=">")
    header.set_data_dtype(">i2")
    nib.save(kind(data, OBLIQUE, header), tmp_path / "b.nii")
    assert (tmp_path / "b.nii").read_bytes()[:2] in (b"\x00\x00",)
    read = read_image(tmp_path / "b.nii")
    assert np.array_equal(read.data, data) and read.data.dtype.isnative


def test_slope_and_intercept_are_applied_and_identity_keeps_integers(tmp_path: Path) -> None:
    data = np.array([0, 1, 500, -3], dtype=np.int16).reshape(2, 2, 1)
    for slope, intercept, dtype in [(1, 0, np.int16), (0, 5, np.int16), (2.5, -10, np.float32)]:
        image = nib.Nifti1Image(data, np.eye(4))
        image.to_filename(tmp_path / "s.nii")
        blob = bytearray((tmp_path / "s.nii").read_bytes())
        blob[112:120] = np.array([slope, intercept], "<f4").tobytes()
        (tmp_path / "s.nii").write_bytes(blob)
        read = read_image(tmp_path / "s.nii")
        assert read.data.dtype == dtype
        expected = data * slope + intercept if slope else data
        np.testing.assert_allclose(read.data, expected)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1), ("unknown", 1)])
def test_spatial_units_become_millimetres(unit: str, factor: float, tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.diag([2.0, 3, 4, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "u.nii")
    np.testing.assert_allclose(read_image(tmp_path / "u.nii").geometry.spacing, np.array([2, 3, 4]) * factor)


def test_trailing_singletons_go_and_missing_axes_come(tmp_path: Path) -> None:
    assert read_image(make(tmp_path / "a.nii", np.zeros((4, 3, 2, 1), np.uint8))).shape == (4, 3, 2)
    assert read_image(make(tmp_path / "b.nii", np.zeros((4, 3, 2, 1, 1), np.uint8))).shape == (4, 3, 2)
    flat = read_image(make(tmp_path / "c.nii", np.arange(12, dtype=np.uint8).reshape(4, 3)))
    assert flat.shape == (4, 3, 1) and flat.data[2, 1, 0] == 7


def forms(path: Path, sform: np.ndarray, sc: int, qform: np.ndarray, qc: int) -> Path:
    image = nib.Nifti1Image(np.zeros((10, 10, 10), np.uint8), None)
    image.header.set_qform(qform, qc)
    image.header.set_sform(sform, sc)
    nib.save(nib.Nifti1Image(image.dataobj, None, image.header), path)
    return path


def test_sform_decides_then_qform_then_refusal(tmp_path: Path) -> None:
    s, q = np.diag([1.0, 1, 2, 1]), np.diag([1.0, 1, 2, 1])
    q[0, 3] = 5
    with pytest.warns(SagittalWarning, match="differ by 5 mm"):
        read = read_image(forms(tmp_path / "a.nii", s, 1, q, 1))
    np.testing.assert_allclose(read.geometry.affine, s)
    np.testing.assert_allclose(read_image(forms(tmp_path / "b.nii", s, 0, q, 1)).geometry.affine, q)
    np.testing.assert_allclose(read_image(forms(tmp_path / "c.nii", s, 1, q, 0)).geometry.affine, s)
    nowhere = forms(tmp_path / "d.nii", s, 0, q, 0)
    with pytest.raises(GeometryError, match="does not say where") as caught:
        read_image(nowhere)
    assert "allow_missing_affine" in str(caught.value)
    with pytest.raises(GeometryError, match="does not say where"):
        read_mask(nowhere)
    with pytest.warns(SagittalWarning, match="no affine"):
        allowed = read_image(nowhere, allow_missing_affine=True)
    np.testing.assert_allclose(allowed.geometry.affine, np.diag([1, 1, 2, 1]))


@pytest.mark.parametrize(("apart", "warned"), [(0.099, False), (0.101, True)])
def test_a_difference_of_forms_is_a_warning_beyond_its_tolerance(
    apart: float, warned: bool, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    s = np.eye(4)
    q = np.eye(4)
    q[1, 3] = apart
    import warnings

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        read_image(forms(tmp_path / "a.nii", s, 1, q, 1))
    assert bool(seen) == warned


def test_a_bad_quaternion_matters_only_where_it_is_needed(tmp_path: Path) -> None:
    blob = bytearray(forms(tmp_path / "a.nii", np.eye(4), 1, np.eye(4), 1).read_bytes())
    blob[256:268] = np.array([1, 1, 1], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(blob)
    with pytest.warns(SagittalWarning, match="not a rotation"):
        read_image(tmp_path / "a.nii")
    blob[254:256] = b"\0\0"
    (tmp_path / "a.nii").write_bytes(blob)
    with pytest.raises(GeometryError, match="not a rotation"):
        read_image(tmp_path / "a.nii")


@pytest.mark.parametrize("name", ["m.mgz", "m.mgh"])
def test_mgh_as_nibabel_reads_it(name: str, tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    make(tmp_path / name, data, OBLIQUE, nib.MGHImage)
    read = read_image(tmp_path / name)
    np.testing.assert_array_equal(read.data, data)
    np.testing.assert_allclose(read.geometry.affine, nib.load(tmp_path / name).affine, atol=1e-4)


# -- masks ---------------------------------------------------------------------------------------


def test_float_labels_are_converted_exactly(tmp_path: Path) -> None:
    data = np.array([0, 1, 2, 4], np.float32).reshape(2, 2, 1)
    mask = read_mask(make(tmp_path / "m.nii", data), load_labels("brats2018"))
    assert mask.data.dtype == np.uint8 and np.array_equal(mask.data, data)
    assert mask.labels == {1: "NCR_NET", 2: "ED", 4: "ET"}
    assert read_mask(tmp_path / "m.nii").labels == {1: "label_1", 2: "label_2", 4: "label_4"}


@pytest.mark.parametrize("value", [0.5, 1e-4, -1, 5e9])
def test_values_that_no_label_can_have(value: float, tmp_path: Path) -> None:
    data = np.zeros((2, 2, 2), np.float64)
    data[0, 0, 0] = value
    with pytest.raises(LabelError):
        read_mask(make(tmp_path / "m.nii", data))


def test_values_that_the_table_does_not_name(tmp_path: Path) -> None:
    path = make(tmp_path / "m.nii", np.array([0, 3], np.uint8).reshape(2, 1, 1))
    with pytest.raises(LabelError, match="does not name"):
        read_mask(path, load_labels("brats2018"))


def test_an_image_given_as_a_mask_is_found_out(tmp_path: Path) -> None:
    many = np.arange(2200, dtype=np.int16).reshape(22, 10, 10)
    with pytest.raises(LabelError, match="looks like an image"):
        read_mask(make(tmp_path / "m.nii", many))
    assert len(read_mask(make(tmp_path / "n.nii", np.minimum(many, 2000))).labels) == 2000


def mask_of(data: np.ndarray, affine: np.ndarray = OBLIQUE) -> Mask:
    names = {int(v): f"n{v}" for v in np.unique(data) if v}
    return Mask(data, Geometry(data.shape, affine), names, "seg")


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    top=st.sampled_from([1, 255, 256, 65535, 65536, 2**32 - 1]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    fortran=st.booleans(),
    seed=st.integers(0, 99),
)
def test_masks_round_trip(
    tmp_path_factory: pytest.TempPathFactory, shape, top: int, suffix: str, fortran: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    data = np.where(rng.random(shape) < 0.5, 0, top).astype(np.uint32)
    data = np.asfortranarray(data) if fortran else data
    affine = OBLIQUE + np.pad(rng.normal(scale=0.05, size=(3, 4)), ((0, 1), (0, 0)))
    path = tmp_path_factory.mktemp("r") / f"m{suffix}"
    mask = mask_of(data, affine)
    write_mask(path, mask)
    again = read_mask(path)
    assert np.array_equal(again.data, data) and dict(again.labels) == dict(mask.labels)
    assert again.geometry.same_grid(mask.geometry)
    assert again.data.dtype == np.min_scalar_type(int(data.max()))
    other = nib.load(path)  # an independent reader sees the same
    assert np.array_equal(np.asarray(other.dataobj), data)
    np.testing.assert_allclose(other.affine, affine, atol=1e-4)
    assert other.header.get_xyzt_units()[0] == "mm"


def test_a_rigid_grid_has_both_forms_and_a_sheared_one_only_the_sform(tmp_path: Path) -> None:
    data = np.ones((3, 4, 5), np.uint8)
    turn = np.diag([-2.0, -2, 3, 1])
    write_mask(tmp_path / "r.nii", mask_of(data, turn))
    header = nib.load(tmp_path / "r.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 2)
    np.testing.assert_allclose(header.get_qform(), turn, atol=1e-5)
    write_mask(tmp_path / "s.nii", mask_of(data, OBLIQUE))
    header = nib.load(tmp_path / "s.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 0)
    np.testing.assert_allclose(header.get_zooms(), Geometry((3, 4, 5), OBLIQUE).spacing, rtol=1e-5)


def test_equal_masks_are_equal_files(tmp_path: Path) -> None:
    mask = mask_of(np.eye(5, dtype=np.uint8).reshape(5, 5, 1))
    (tmp_path / "x").mkdir()
    write_mask(tmp_path / "a.nii.gz", mask)
    write_mask(tmp_path / "x" / "other.nii.gz", mask)
    first, second = (tmp_path / "a.nii.gz").read_bytes(), (tmp_path / "x" / "other.nii.gz").read_bytes()
    assert first == second
    assert first[3] == 0 and first[4:8] == bytes(4)  # no name flag, no time
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.labels.json", "a.nii.gz", "x"]
    assert json.loads((tmp_path / "a.labels.json").read_text())["labels"] == {
        "1": {"long": "n1", "name": "n1"}
    }


def test_an_empty_mask_leaves_no_stale_table(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    write_mask(path, mask_of(np.ones((2, 2, 2), np.uint8)))
    assert labels_path(path).exists()
    write_mask(path, mask_of(np.zeros((2, 2, 2), np.uint8)))
    assert not labels_path(path).exists() and read_mask(path).labels == {}


def test_a_mask_without_names_is_not_written(tmp_path: Path) -> None:
    nameless = Mask(np.ones((2, 2, 2), np.uint8), Geometry((2, 2, 2), np.eye(4)))
    with pytest.raises(LabelError):
        write_mask(tmp_path / "a.nii.gz", nameless)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "?", "f2", "i8"])
def test_images_round_trip(dtype: str, tmp_path: Path) -> None:
    data = (np.arange(24).reshape(2, 3, 4) % 2).astype(dtype)
    image = Image(data, Geometry((2, 3, 4), OBLIQUE), "t1")
    write_image(tmp_path / "i.nii.gz", image)
    again = read_image(tmp_path / "i.nii.gz")
    assert np.array_equal(again.data, data) and again.geometry.same_grid(image.geometry)


def test_what_nifti_cannot_say_is_not_written(tmp_path: Path) -> None:
    film = Image(np.zeros((4, 4, 1), np.uint8), Geometry((4, 4, 1), np.eye(4), spacing_known=False))
    with pytest.raises(GeometryError, match="unknown"):
        write_image(tmp_path / "f.nii", film)
    colour = Image(np.zeros((4, 4, 1, 3), np.uint8), Geometry((4, 4, 1), np.eye(4)))
    with pytest.raises(FileFormatError, match="colour"):
        write_image(tmp_path / "c.nii", colour)
    with pytest.raises(FileFormatError, match="written as NIfTI"):
        write_mask(tmp_path / "m.mgz", mask_of(np.ones((2, 2, 2), np.uint8)))
    long = Image(np.zeros((32768, 1, 1), np.uint8), Geometry((32768, 1, 1), np.eye(4)))
    with pytest.raises(FileFormatError, match="too long"):
        write_image(tmp_path / "l.nii", long)
    assert list(tmp_path.iterdir()) == []


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    plain = make(tmp_path / "p.nii", np.arange(1000, dtype=np.int16).reshape(10, 10, 10)).read_bytes()
    (tmp_path / "p.nii.gz").write_bytes(gzip.compress(plain[:700]) + gzip.compress(plain[700:]))
    assert np.array_equal(read_image(tmp_path / "p.nii.gz").data, read_image(tmp_path / "p.nii").data)


@pytest.mark.shared_data
def test_real_files_read_as_nibabel_reads_them(shared_data: Path) -> None:
    names = [
        "brats_gli_00001/BraTS-GLI-00001-000-t1c.nii.gz",
        "sri24_lpba40/lpba40.nii.gz",
        "totalseg_refs/example_ct_sm.nii.gz",
        "brats_deepmedic/train/brats_2013_pat0005_1/Flair_subtrMeanDivStd.nii.gz",
    ]
    for name in names:
        read, other = read_image(shared_data / name), nib.load(shared_data / name)
        assert np.array_equal(read.data, np.asarray(other.dataobj).reshape(read.shape))
        np.testing.assert_allclose(read.geometry.affine, other.affine)
    folder = shared_data / "brats_deepmedic" / "train" / "brats_2013_pat0005_1"
    mask = read_mask(folder / "OTMultiClass.nii.gz", load_labels("brats2015"))
    assert mask.data.dtype == np.uint8 and set(mask.values()) <= {1, 2, 3, 4} and mask.values()


@pytest.mark.parametrize(("off", "accepted"), [(3e-8, True), (9e-6, True), (1.1e-5, False), (0.5, False)])
def test_a_mask_may_be_off_by_a_scalings_round_off_and_no_more(
    tmp_path: Path, off: float, accepted: bool
) -> None:
    data = np.zeros((4, 4, 4), np.float32)
    data[1:3] = 1 - off
    nib.Nifti1Image(data, np.eye(4)).to_filename(tmp_path / "m.nii.gz")
    if accepted:
        assert read_mask(tmp_path / "m.nii.gz").data.sum() == 32
    else:
        with pytest.raises(LabelError, match="not whole"):
            read_mask(tmp_path / "m.nii.gz")
