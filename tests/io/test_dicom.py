"""DICOM series that the tests write themselves, held against the formula of PS3.3 C.7.6.2.1.1."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from sagittal.errors import FileFormatError, InputError, MissingExtraError, StorageError
from sagittal.io.dicom import Series, find_series, read_series
from sagittal.io.dicom_kinds import kind_of

AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)
OBLIQUE = tuple(np.concatenate([np.array([0.8, 0.6, 0]), np.array([-0.48, 0.64, -0.6])]).round(6))


def base(**tags: object) -> Dataset:
    ds = Dataset()
    values = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": generate_uid(),
        "SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "PatientID": "P1",
        "PatientName": "Secret^Name",
        "PatientBirthDate": "19500101", "Modality": "CT", "SeriesNumber": 2, "SeriesDescription": "axial",
        "StudyDate": "20240131", "Rows": 3, "Columns": 4, "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15,
        "PixelRepresentation": 0, "PixelSpacing": [0.5, 0.7], "SliceThickness": 5,
        "ImageOrientationPatient": list(AXIAL), "ImagePositionPatient": [0, 0, 0],
        **tags,
    }  # fmt: skip
    for key, value in values.items():
        if value is not None:
            setattr(ds, key, value)
    return ds


def save(ds: Dataset, path: Path, pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.PixelData = np.ascontiguousarray(pixels).tobytes()
    if syntax == RLELossless:
        ds.compress(RLELossless, generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)
    return path


def pixels_of(k: int, rows: int = 3, columns: int = 4) -> np.ndarray:
    return (np.arange(rows * columns).reshape(rows, columns) + 100 * k).astype(np.uint16)


def normal(orientation: tuple) -> np.ndarray:
    return np.cross(orientation[:3], orientation[3:])


def stack(
    folder: Path,
    orientation: tuple = AXIAL,
    steps: list[float] | None = None,
    first: tuple = (-10, -20, 30),
    **tags,
) -> Path:
    """A series whose slice k lies ``steps[k]`` mm along the normal and holds ``pixels_of(k)``."""
    for k, at in enumerate(steps if steps is not None else [0, 2.5, 5, 7.5, 10]):
        position = np.array(first) + at * normal(orientation)
        ds = base(ImageOrientationPatient=list(orientation), ImagePositionPatient=position.tolist(), **tags)
        ds.InstanceNumber = 50 - k  # a number that says the opposite of the position
        save(ds, folder / f"f{k}.dcm", pixels_of(k))
    return folder


def standard_affine(ds: Dataset, step: np.ndarray) -> np.ndarray:
    """C.7.6.2.1.1 written out, from (column, row, slice) to LPS, then the sign of x and y for RAS."""
    xx, xy, xz, yx, yy, yz = (float(v) for v in ds.ImageOrientationPatient)
    sx, sy, sz = (float(v) for v in ds.ImagePositionPatient)
    di, dj = float(ds.PixelSpacing[1]), float(ds.PixelSpacing[0])  # column (i) and row (j) spacing
    m = np.array(
        [
            [xx * di, yx * dj, step[0], sx],
            [xy * di, yy * dj, step[1], sy],
            [xz * di, yz * dj, step[2], sz],
            [0, 0, 0, 1],
        ]
    )
    return np.diag([-1, -1, 1, 1]) @ m


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE, (-1, 0, 0, 0, -1, 0), (1, 0, 0, 0, 0, -1)])
@pytest.mark.parametrize("syntax", ["names in order", "names reversed"])
def test_affine_and_order_by_the_standards_formula(orientation: tuple, syntax: str, tmp_path: Path) -> None:
    stack(tmp_path, orientation)
    if syntax == "names reversed":
        for k in range(5):
            (tmp_path / f"f{k}.dcm").rename(tmp_path / f"z{9 - k}.dcm")
    (series,) = find_series(tmp_path)
    image = read_series(series)
    assert image.shape == (4, 3, 5) and image.geometry.slice_axis == 2
    zeroth = pydicom.dcmread(series.paths[0])
    np.testing.assert_allclose(
        image.geometry.affine, standard_affine(zeroth, 2.5 * normal(orientation)), atol=1e-4
    )
    for k in range(5):
        assert np.array_equal(image.data[:, :, k].T, pixels_of(k))
    # Any pixel, by the formula of its own file alone.
    last = pydicom.dcmread(series.paths[4])
    np.testing.assert_allclose(
        image.geometry.to_world([3, 2, 4]), (standard_affine(last, np.zeros(3)) @ [3, 2, 0, 1])[:3], atol=1e-4
    )


def test_identity_of_patient_and_visit_and_nothing_else(tmp_path: Path) -> None:
    (series,) = find_series(stack(tmp_path))
    image = read_series(series)
    assert (series.patient, series.study, image.session, image.name) == ("P1", "1.2", "1.2", "002 axial")
    assert image.acquired.isoformat() == "2024-01-31" and image.kind == "ct"
    assert "Secret" not in repr(series) and "1950" not in repr(series)


def test_other_files_are_passed_over_and_series_told_apart(tmp_path: Path) -> None:
    stack(tmp_path / "a", SeriesInstanceUID="1.1", SeriesNumber=1, SeriesDescription="one")
    stack(tmp_path / "a" / "deep", SAGITTAL, SeriesInstanceUID="1.2", SeriesNumber=2, SeriesDescription="two")
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "empty").write_text("")
    directory = base(SOPClassUID="1.2.840.10008.1.3.10", Rows=None, Columns=None)
    save(directory, tmp_path / "DICOMDIR", np.zeros(1, np.uint16))
    assert [(s.name, len(s.frames)) for s in find_series(tmp_path)] == [("001 one", 5), ("002 two", 5)]


def test_one_uid_with_several_orientations_is_several_series(tmp_path: Path) -> None:
    stack(tmp_path / "x", AXIAL)
    stack(tmp_path / "y", SAGITTAL)
    found = find_series(tmp_path)
    assert len(found) == 2 and {len(s.frames) for s in found} == {5}
    assert {read_series(s).geometry.orientation for s in found} == {"LPS", "PIR"}


@pytest.mark.parametrize(
    ("key", "values"),
    [("DiffusionBValue", (0.0, 1000.0)), ("EchoTime", (20, 80)), ("TemporalPositionIdentifier", (1, 2))],
)
def test_frames_at_one_place_are_told_apart_by_metadata(key: str, values: tuple, tmp_path: Path) -> None:
    for value in values:
        stack(tmp_path / str(value), Modality="MR", **{key: value})
    found = find_series(tmp_path)
    assert [len(s.frames) for s in found] == [5, 5]
    assert all(read_series(s).shape == (4, 3, 5) for s in found)


def test_acquisition_numbers_alone_do_not_split_a_stack(tmp_path: Path) -> None:
    for k in range(4):
        ds = base(AcquisitionNumber=k, ImagePositionPatient=[0, 0, 3.0 * k])
        save(ds, tmp_path / f"{k}.dcm", pixels_of(k))
    (series,) = find_series(tmp_path)
    assert len(series.frames) == 4


# -- stacks that are not stacks ------------------------------------------------------------------


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        for series in find_series(folder):
            read_series(series)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_missing_slice_is_counted_and_named(tmp_path: Path) -> None:
    refused(stack(tmp_path, steps=[0, 2.5, 5, 12.5, 15, 17.5]), "missing", "f2.dcm", "f3.dcm", "2 missing")


@pytest.mark.parametrize(("shift", "good"), [(0.019, True), (0.03, False), (0.6, False)])
def test_uneven_slices_beyond_the_tolerance_are_refused(shift: float, good: bool, tmp_path: Path) -> None:
    stack(tmp_path, steps=[0, 1, 2, 3 + shift, 4, 5])
    if good:
        assert read_series(find_series(tmp_path)[0]).shape == (4, 3, 6)
    else:
        refused(tmp_path, "unevenly spaced", "f2.dcm", "f3.dcm")


def test_a_duplicate_is_refused_by_name(tmp_path: Path) -> None:
    stack(tmp_path)
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "f2.dcm").read_bytes())
    refused(tmp_path, "at one place", "copy.dcm", "f2.dcm")


def test_mixed_sizes_are_refused_by_name(tmp_path: Path) -> None:
    stack(tmp_path)
    ds = base(ImagePositionPatient=[-10, -20, 42.5], Rows=6)
    save(ds, tmp_path / "odd.dcm", pixels_of(5, rows=6))
    refused(tmp_path, "odd.dcm", "4×6")


def test_mixed_spacings_and_orientations_made_into_one_series_are_refused(tmp_path: Path) -> None:
    (axial,) = find_series(stack(tmp_path / "a"))
    (other,) = find_series(stack(tmp_path / "b", SAGITTAL, first=(0, 0, 99)))
    mixed: Series = dataclasses.replace(axial, frames=axial.frames + other.frames)
    with pytest.raises(FileFormatError, match="one size, orientation"):
        read_series(mixed)
    (wide,) = find_series(stack(tmp_path / "c", PixelSpacing=[1, 1], first=(-10, -20, 42.5)))
    with pytest.raises(FileFormatError, match="spacing"):
        read_series(dataclasses.replace(axial, frames=axial.frames + wide.frames))


def test_a_tilted_gantry_gives_the_sheared_grid_that_it_is(tmp_path: Path) -> None:
    step = np.array([0, np.sin(0.3), np.cos(0.3)]) * 3
    for k in range(4):
        save(base(ImagePositionPatient=(k * step).tolist()), tmp_path / f"{k}.dcm", pixels_of(k))
    image = read_series(find_series(tmp_path)[0])
    np.testing.assert_allclose(image.geometry.affine[:3, 2], step * [-1, -1, 1], atol=1e-6)
    np.testing.assert_allclose(image.geometry.voxel_volume, 0.5 * 0.7 * 3 * np.cos(0.3), rtol=1e-6)


def test_a_stack_that_bends_is_refused(tmp_path: Path) -> None:
    for k, drift in enumerate([0, 0, 0, 3]):
        save(base(ImagePositionPatient=[drift, 0, 2.0 * k]), tmp_path / f"{k}.dcm", pixels_of(k))
    refused(tmp_path, "straight line")


# -- values --------------------------------------------------------------------------------------


def one(tmp_path: Path, pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags):
    save(base(Rows=pixels.shape[0], Columns=pixels.shape[1], **tags), tmp_path / "one.dcm", pixels, syntax)
    return read_series(find_series(tmp_path)[0])


def test_rescale_is_applied_slice_by_slice(tmp_path: Path) -> None:
    for k, slope in enumerate([1.0, 2.5]):
        ds = base(ImagePositionPatient=[0, 0, k], RescaleSlope=slope, RescaleIntercept=-10, Modality="PT")
        save(ds, tmp_path / f"{k}.dcm", pixels_of(k))
    image = read_series(find_series(tmp_path)[0])
    assert image.data.dtype == np.float32
    for k, slope in enumerate([1.0, 2.5]):
        np.testing.assert_allclose(image.data[:, :, k].T, pixels_of(k) * slope - 10)


def test_hounsfield_units_stay_whole_and_narrow(tmp_path: Path) -> None:
    pixels = np.array([[0, 4095], [1024, 1]], np.uint16)
    image = one(tmp_path, pixels, BitsStored=12, HighBit=11, RescaleSlope=1, RescaleIntercept=-1024)
    assert image.data.dtype == np.int16
    assert np.array_equal(image.data[:, :, 0].T, pixels.astype(int) - 1024)


def test_signed_pixels_and_unused_bits(tmp_path: Path) -> None:
    # 12 bits stored: -1 is 0x0FFF; the four bits above hold an overlay.
    pixels = np.array([[0x0FFF, 0xF800], [0x7001, 0x07FF]], np.uint16)
    image = one(tmp_path, pixels, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert np.array_equal(image.data[:, :, 0].T, [[-1, -2048], [1, 2047]])


@pytest.mark.parametrize(("modality", "turned"), [("DX", True), ("CR", True), ("CT", False)])
def test_monochrome1_is_turned_round_on_films_only(modality: str, turned: bool, tmp_path: Path) -> None:
    pixels = np.array([[0, 4095], [100, 1]], np.uint16)
    image = one(
        tmp_path,
        pixels,
        Modality=modality,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
    )
    assert np.array_equal(image.data[:, :, 0].T, 4095 - pixels if turned else pixels)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless])
def test_transfer_syntaxes(syntax: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (16, 12)).astype(np.uint16)
    assert np.array_equal(one(tmp_path, pixels, syntax).data[:, :, 0].T, pixels)


def test_a_missing_decoder_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pydicom.pixels

    class Absent:
        is_available = False

    one(tmp_path, pixels_of(0), RLELossless)
    monkeypatch.setattr(pydicom.pixels, "get_decoder", lambda syntax: Absent())
    with pytest.raises(MissingExtraError, match=r"sagittal\[dicom\]"):
        read_series(find_series(tmp_path)[0])


def test_colour_and_palette(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (3, 4, 3)).astype(np.uint8)
    tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Modality": "XC", "ImagePositionPatient": None}
    image = one(
        tmp_path, rgb, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, **tags
    )
    assert image.kind == "photo" and np.array_equal(image.data[:, :, 0], rgb.swapaxes(0, 1))
    # Four colours of 16 bits, red and green and blue tables apart.
    colours = np.array([[0, 0, 0], [255, 0, 9], [1, 255, 8], [200, 100, 7]], np.uint16) * 257
    names = ("Red", "Green", "Blue")
    tables = {f"{n}PaletteColorLookupTableData": colours[:, k].tobytes() for k, n in enumerate(names)}
    tables |= {f"{n}PaletteColorLookupTableDescriptor": [4, 0, 16] for n in names}
    indices = np.array([[0, 1, 2, 3]] * 3, np.uint8)
    image = one(tmp_path, indices, PhotometricInterpretation="PALETTE COLOR", **tables, **tags)
    assert np.array_equal(image.data[:, 0, 0], colours // 257)


# -- films ---------------------------------------------------------------------------------------

FILM = {
    "ImagePositionPatient": None,
    "ImageOrientationPatient": None,
    "Modality": "DX",
    "BodyPartExamined": "CHEST",
}


@pytest.mark.parametrize(
    ("spacing", "imager", "calibration", "known"),
    [
        ([0.2, 0.3], None, None, False),
        (None, [0.2, 0.3], None, False),
        ([0.2, 0.3], [0.2, 0.3], None, False),
        ([0.2, 0.3], [0.2, 0.3], "GEOMETRY", True),
        ([0.2, 0.3], [0.25, 0.35], None, True),
        (None, None, None, False),
    ],
)
def test_a_films_spacing_is_known_only_in_the_patient(
    spacing, imager, calibration, known, tmp_path: Path
) -> None:
    image = one(
        tmp_path, pixels_of(0), PixelSpacing=spacing, ImagerPixelSpacing=imager,
        PixelSpacingCalibrationType=calibration, **FILM,
    )  # fmt: skip
    assert image.geometry.spacing_known == known and image.kind == "cxr"
    if known:
        assert image.geometry.spacing[:2] == (0.3, 0.2)


@pytest.mark.parametrize(
    ("stated", "codes"),
    [(["L", "F"], "LIP"), (["R", "F"], "RIA"), (["A", "F"], "AIL"), (["P"], "LIP"), (None, "LIP")],
)
def test_a_films_orientation_is_the_stated_one(stated, codes: str, tmp_path: Path) -> None:
    image = one(tmp_path, pixels_of(0), PixelSpacing=None, PatientOrientation=stated, **FILM)
    assert image.geometry.orientation == codes
    assert np.linalg.det(image.geometry.affine) > 0


def test_two_films_of_one_series_are_two_images(tmp_path: Path) -> None:
    for k in range(2):
        save(base(**FILM), tmp_path / f"{k}.dcm", pixels_of(k))
    assert [read_series(s).shape for s in find_series(tmp_path)] == [(4, 3, 1)] * 2


# -- multi-frame ---------------------------------------------------------------------------------


def enhanced(path: Path, order: list[int], times: int = 1, **tags) -> None:
    ds = base(
        Modality="MR", NumberOfFrames=len(order) * times, PixelSpacing=None, ImagePositionPatient=None,
        ImageOrientationPatient=None, SliceThickness=None, **tags,
    )  # fmt: skip
    orientation, measures, shared = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient, measures.PixelSpacing = list(OBLIQUE), [0.5, 0.7]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = (
        Sequence([orientation]),
        Sequence([measures]),
    )
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    frames, planes = [], []
    for time in range(times):
        for k in order:
            group, position, content, value = Dataset(), Dataset(), Dataset(), Dataset()
            position.ImagePositionPatient = (k * 4 * normal(OBLIQUE)).tolist()
            content.TemporalPositionIndex = time + 1
            value.RescaleSlope, value.RescaleIntercept, value.RescaleType = 2, 1, "US"
            group.PlanePositionSequence, group.FrameContentSequence = (
                Sequence([position]),
                Sequence([content]),
            )
            group.PixelValueTransformationSequence = Sequence([value])
            frames.append(group)
            planes.append(pixels_of(k) + 1000 * time)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    save(ds, path, np.stack(planes))


def test_enhanced_multi_frame(tmp_path: Path) -> None:
    enhanced(tmp_path / "e.dcm", [2, 0, 3, 1])
    image = read_series(find_series(tmp_path)[0])
    assert image.shape == (4, 3, 4) and image.data.dtype == np.float32
    for k in range(4):
        assert np.array_equal(image.data[:, :, k].T, pixels_of(k) * 2.0 + 1)
    np.testing.assert_allclose(image.geometry.spacing, (0.7, 0.5, 4), atol=1e-5)


def test_enhanced_multi_frame_with_time_points(tmp_path: Path) -> None:
    enhanced(tmp_path / "e.dcm", [1, 0, 2], times=2)
    images = [read_series(s) for s in find_series(tmp_path)]
    assert [i.shape for i in images] == [(4, 3, 3)] * 2
    assert float(images[1].data[0, 0, 0] - images[0].data[0, 0, 0]) == 2000


def test_multi_frame_without_positions_is_refused(tmp_path: Path) -> None:
    save(base(NumberOfFrames=2), tmp_path / "cine.dcm", np.stack([pixels_of(0), pixels_of(1)]))
    refused(tmp_path, "cine.dcm", "several frames")


# -- kinds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"Modality": "CT", "SeriesDescription": "T1"}, "ct"),
        ({"Modality": "DX", "BodyPartExamined": "CHEST"}, "cxr"),
        ({"Modality": "DX", "BodyPartExamined": "HAND"}, "unknown"),
        ({"Modality": "OP"}, "photo"),
        ({"Modality": "MR"}, "mr"),
        ({"Modality": "MR", "SeriesDescription": "AX T2 FLAIR"}, "flair"),
        ({"Modality": "MR", "SeriesDescription": "AX T1", "ContrastBolusAgent": "Gadovist"}, "t1c"),
        ({"Modality": "MR", "SeriesDescription": "AX T2", "ContrastBolusAgent": "Gadovist"}, "t2"),
        ({"Modality": "MR", "SeriesDescription": "AX T1", "ContrastBolusAgent": "none"}, "t1"),
        ({"Modality": "MR", "ImageType": ["DERIVED", "PRIMARY", "ADC"], "SeriesDescription": "T2"}, "adc"),
        ({"Modality": "MR", "DiffusionBValue": 1000.0}, "dwi"),
        ({"Modality": "MR", "ScanningSequence": "SE", "EchoTime": 100, "RepetitionTime": 4000}, "t2"),
        ({"Modality": "MR", "ScanningSequence": "SE", "EchoTime": 15, "RepetitionTime": 500}, "t1"),
        ({"Modality": "MR", "ScanningSequence": "SE", "EchoTime": 55, "RepetitionTime": 3000}, "mr"),
        (
            {
                "Modality": "MR", "ScanningSequence": ["SE", "IR"], "EchoTime": 120, "RepetitionTime": 9000,
                "InversionTime": 2500,
            },
            "flair",
        ),
        (
            {
                "Modality": "MR", "ScanningSequence": ["GR", "IR"], "EchoTime": 3, "RepetitionTime": 2300,
                "InversionTime": 900,
            },
            "t1",
        ),
        ({"Modality": "US"}, "unknown"),
        ({}, "unknown"),
    ],
)  # fmt: skip
def test_kind_from_metadata(tags: dict, kind: str) -> None:
    ds = Dataset()
    for key, value in tags.items():
        setattr(ds, key, value)
    assert kind_of(ds) == kind


# -- hostile -------------------------------------------------------------------------------------


def test_hostile_dicom(tmp_path: Path) -> None:
    good = (stack(tmp_path / "good") / "f0.dcm").read_bytes()
    at = good.index(b"PixelData") if b"PixelData" in good else len(good) - 24
    cases = {
        "cut-header": good[:200],
        "cut-pixels": good[:-5],
        "bits": good.replace(b"US\x02\x00\x10\x00", b"US\x02\x00\xff\x00"),
        "no-pixels": good[: at - 12],
    }
    for name, blob in cases.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.dcm").write_bytes(blob)
        with pytest.raises(InputError) as caught:
            for series in find_series(tmp_path / name):
                read_series(series)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "tags",
    [
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"PixelSpacing": [0, 1]},
        {"PixelSpacing": [-1, 1]},
        {"Rows": 60000, "Columns": 60000},
        {"HighBit": 3},
    ],
)
def test_headers_that_cannot_be(tags: dict, tmp_path: Path) -> None:
    save(base(**tags), tmp_path / "x.dcm", pixels_of(0))
    refused(tmp_path, "" if "Rows" in tags else "x.dcm")


def test_random_damage_never_escapes_the_tree_of_errors(tmp_path: Path) -> None:
    """A hundred files, each with a few bytes changed: read, or refused as bad input; never another error."""
    rng = np.random.default_rng(7)
    good = (stack(tmp_path / "good") / "f0.dcm").read_bytes()
    target = tmp_path / "bad" / "x.dcm"
    target.parent.mkdir()
    outcomes = set()
    for _ in range(150):
        blob = bytearray(good)
        for at in rng.integers(132, len(good), 4):
            blob[at] = rng.integers(0, 256)
        target.write_bytes(bytes(blob))
        try:
            for series in find_series(target.parent):
                read_series(series)
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_folders_without_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 500)
    with pytest.raises(FileFormatError, match="no DICOM image"):
        find_series(tmp_path)
    with pytest.raises(StorageError):
        find_series(tmp_path / "absent")


@pytest.mark.shared_data
def test_a_real_ct_lies_where_its_segmentation_lies(shared_data: Path) -> None:
    from sagittal.io.nifti import read_mask

    folder = shared_data / "totalseg_refs"
    (series,) = find_series(folder / "example_ct_dicom")
    image = read_series(series)
    mask = read_mask(folder / "example_seg_dicom.nii.gz")
    turned = image.reorient(mask.geometry.orientation)
    assert image.kind == "ct" and image.data.dtype == np.int16 and turned.geometry.same_grid(mask.geometry)
    # What another program segmented on this scan is tissue, not air: the pixels lie where the grid says.
    assert np.median(turned.data[mask.data > 0]) > -200 > np.median(turned.data[mask.data == 0])
