"""One DICOM file → what is needed to place, sort and decode each of its frames.

Only the tags in :data:`TAGS` are asked for. The patient's name, birth date and address are not among them
and are never kept; PatientID is, because splits go by patient.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors
from sagittal.io.dicom_kinds import KIND_TAGS, kind_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Everything that is read of a header.
TAGS = [
    *KIND_TAGS,
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "PatientID",
    "AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "ImagePositionPatient", "ImageOrientationPatient", "PatientOrientation",
    "PixelSpacing", "ImagerPixelSpacing", "PixelSpacingCalibrationType", "SliceThickness",
    "EchoTime", "TemporalPositionIdentifier", "AcquisitionNumber",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_DEFLATED = "1.2.840.10008.1.2.1.99"
# Directory, segmentation and presentation objects are not images, though some have rows and columns.
_NOT_IMAGES = ("1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.66", "1.2.840.10008.5.1.4.1.1.481.3")
_PROJECTIONS = ("CR", "DX", "MG", "XA", "RF", "PX", "IO")
# What pydicom is known to raise on damaged files, besides errors of its own.
_DAMAGE = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, NotImplementedError, OverflowError,
    EOFError, RecursionError, struct.error, zlib.error,
)  # fmt: skip

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Frame:
    """One plane of pixels: where it lies and how its numbers are stored.

    Attributes:
        path, index: the file, and the frame in it.
        position: ImagePositionPatient, LPS mm; ``None`` for a film.
        orientation: ImageOrientationPatient, six cosines; ``None`` for a film.
        spacing: millimetres between rows, and between columns; ``None`` when not known.
        repeat: what tells apart frames at one place: b-value, echo, time point, acquisition, type.
    """

    path: Path
    index: int
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    rows: int
    columns: int
    samples: int
    photometric: str
    bits: int
    signed: bool
    slope: float
    intercept: float
    thickness: float | None
    repeat: tuple[str, ...]


@dataclass(frozen=True)
class FileHeader:
    """What a DICOM file says about itself, and its frames."""

    series: str
    study: str
    patient: str
    number: int | None
    modality: str
    description: str
    kind: str
    acquired: date | None
    patient_orientation: tuple[str, ...]
    frames: tuple[Frame, ...]


@contextmanager
def dicom_damage(path: Path) -> Iterator[None]:
    """Turn what pydicom raises on damaged files into :class:`FileFormatError`."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    with storage_errors(path), warnings.catch_warnings():
        # Values are checked here where they matter; pydicom's remarks on the others are not.
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield
        except (*_DAMAGE, BytesLengthException, InvalidDicomError) as error:
            raise FileFormatError(
                f"{path.name} is a damaged DICOM file, or one of a kind that is not read.",
                got=f"{type(error).__name__}: {str(error)[:200]}",
                remedy="fetch it again, or convert it to NIfTI",
            ) from error


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICOM preamble.

    Raises:
        StorageError: it cannot be opened.
    """
    with storage_errors(path), path.open("rb") as handle:
        return _has_preamble(handle)


def _has_preamble(handle: IO[bytes]) -> bool:
    start = handle.read(132)
    handle.seek(0)
    return start[128:] == b"DICM"


def read_header(path: Path) -> FileHeader | None:
    """The header of a DICOM image; ``None`` for a file that is not DICOM, or not an image.

    Raises:
        FileFormatError: a damaged header, or an image of a kind that is not read.
        StorageError: it cannot be opened.
    """
    import pydicom
    from pydicom.filereader import read_file_meta_info

    with dicom_damage(path), path.open("rb") as handle:
        if not _has_preamble(handle):
            return None
        if str(read_file_meta_info(path).get("TransferSyntaxUID", "")) == _DEFLATED:
            raise FileFormatError(f"{path.name} is a deflated DICOM file, which is not read.")
        ds = pydicom.dcmread(handle, stop_before_pixels=True, specific_tags=list(TAGS), defer_size="1 MB")
        if "Rows" not in ds or "Columns" not in ds or str(ds.get("SOPClassUID", "")).startswith(_NOT_IMAGES):
            return None
        return _header(ds, path)


def _header(ds: Dataset, path: Path) -> FileHeader:
    number = ds.get("SeriesNumber")
    return FileHeader(
        series=str(ds.get("SeriesInstanceUID", "")),
        study=str(ds.get("StudyInstanceUID", "")),
        patient=str(ds.get("PatientID", "") or ""),
        number=int(number) if number is not None else None,
        modality=str(ds.get("Modality", "") or ""),
        description=str(ds.get("SeriesDescription", "") or ""),
        kind=kind_of(ds),
        acquired=_date(ds),
        patient_orientation=tuple(str(v) for v in ds.get("PatientOrientation") or ()),
        frames=tuple(_frames(ds, path)),
    )


def _frames(ds: Dataset, path: Path) -> Iterator[Frame]:
    count = int(ds.get("NumberOfFrames") or 1)
    shared = _first(ds.get("SharedFunctionalGroupsSequence"))
    each = ds.get("PerFrameFunctionalGroupsSequence") or []
    if count != 1 and len(each) != count:
        raise FileFormatError(
            f"{path.name} holds several frames and does not say where each lies.",
            expected=f"functional groups for {count} frames",
            got=f"{len(each)}",
            remedy="export it as single frames, or as enhanced multi-frame",
        )
    _check_storage(ds, path)
    common: dict[str, Any] = {
        "rows": int(ds.Rows), "columns": int(ds.Columns), "samples": int(ds.get("SamplesPerPixel", 1)),
        "photometric": str(ds.get("PhotometricInterpretation", "MONOCHROME2")),
        "bits": int(ds.BitsStored), "signed": bool(ds.get("PixelRepresentation", 0)),
    }  # fmt: skip
    if not each:
        yield Frame(path, 0, **_placed(ds, [ds] * 4, path), repeat=_repeat(ds), **common)
        return
    for index, group in enumerate(each):
        parts = [
            _group(group, shared, name)
            for name in (
                "PlanePositionSequence",
                "PlaneOrientationSequence",
                "PixelMeasuresSequence",
                "PixelValueTransformationSequence",
            )
        ]
        placed = _placed(ds, parts, path)
        yield Frame(path, index, **placed, repeat=_repeat_of_frame(group, shared), **common)


def _check_storage(ds: Dataset, path: Path) -> None:
    stored, allocated = int(ds.BitsStored), int(ds.BitsAllocated)
    if "ModalityLUTSequence" in ds:
        raise FileFormatError(f"{path.name} maps its values by a modality table, which is not read.")
    if not 1 <= stored <= allocated <= 32 or int(ds.get("HighBit", stored - 1)) != stored - 1:
        raise FileFormatError(
            f"{path.name} stores its pixels in a way that is not read.",
            expected="at most 32 bits, the high bit at the top of those stored",
            got=f"{stored} of {allocated} bits, high bit {ds.get('HighBit')}",
        )
    if min(int(ds.Rows), int(ds.Columns)) < 1:
        raise FileFormatError(f"{path.name} has no pixels.", got=f"{ds.Columns}×{ds.Rows}")


def _placed(ds: Dataset, groups: Sequence[Dataset], path: Path) -> dict[str, Any]:
    position, orientation, measures, values = groups
    thickness = _numbers(measures, "SliceThickness", 1, path)
    slope = _numbers(values, "RescaleSlope", 1, path) or (1.0,)
    intercept = _numbers(values, "RescaleIntercept", 1, path) or (0.0,)
    return {
        "position": _numbers(position, "ImagePositionPatient", 3, path),
        "orientation": _cosines(_numbers(orientation, "ImageOrientationPatient", 6, path), path),
        "spacing": _spacing(ds, measures, path),
        "thickness": thickness[0] if thickness else None,
        "slope": slope[0],
        "intercept": intercept[0],
    }


def _cosines(values: Vector | None, path: Path) -> Vector | None:
    if values is None:
        return None
    row, column = np.array(values[:3]), np.array(values[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not np.allclose(lengths, 1, atol=1e-2) or abs(row @ column) > 1e-2:
        raise FileFormatError(
            f"{path.name} has an orientation that is not two directions at right angles.",
            expected="six cosines (ImageOrientationPatient)",
            got=values,
        )
    return tuple((row / lengths[0]).tolist() + (column / lengths[1]).tolist())


def _spacing(ds: Dataset, measures: Dataset, path: Path) -> Vector | None:
    """Millimetres between rows and between columns, in the patient.

    In a projection PixelSpacing equal to ImagerPixelSpacing is the detector's, magnified by an unknown
    factor (PS3.3 C.10.7.1.3): then the spacing in the patient is not known.
    """
    spacing = _numbers(measures, "PixelSpacing", 2, path)
    if spacing is None:
        return None
    if min(spacing) <= 0:
        raise FileFormatError(f"{path.name} has a pixel spacing that is not positive.", got=spacing)
    calibrated = bool(ds.get("PixelSpacingCalibrationType"))
    imager = _numbers(ds, "ImagerPixelSpacing", 2, path)
    if str(ds.get("Modality")) in _PROJECTIONS and not calibrated and imager in (None, spacing):
        return None
    return spacing


def _numbers(ds: Dataset, keyword: str, count: int, path: Path) -> Vector | None:
    """``count`` finite numbers, or ``None`` where the tag is absent or empty."""
    value = ds.get(keyword)
    if value is None or value == "" or (count > 1 and len(value) == 0):
        return None
    numbers = tuple(float(v) for v in (value if count > 1 else [value]))
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise FileFormatError(f"{path.name}: {keyword} is not {count} finite numbers.", got=str(value)[:80])
    return numbers


def _repeat(ds: Dataset) -> tuple[str, ...]:
    keys = ("DiffusionBValue", "EchoTime", "TemporalPositionIdentifier", "AcquisitionNumber", "ImageType")
    return tuple(str(ds.get(key, "")) for key in keys)


def _repeat_of_frame(group: Dataset, shared: Dataset) -> tuple[str, ...]:
    diffusion = _group(group, shared, "MRDiffusionSequence")
    echo = _group(group, shared, "MREchoSequence")
    content = _group(group, shared, "FrameContentSequence")
    kind = _group(group, shared, "MRImageFrameTypeSequence")
    values = (
        diffusion.get("DiffusionBValue", ""), echo.get("EffectiveEchoTime", ""),
        content.get("TemporalPositionIndex", ""), content.get("FrameAcquisitionNumber", ""),
        kind.get("FrameType", ""),
    )  # fmt: skip
    return tuple(str(v) for v in values)


def _group(group: Dataset, shared: Dataset, name: str) -> Dataset:
    return _first(group.get(name) or shared.get(name))


def _first(sequence: Any) -> Dataset:
    from pydicom.dataset import Dataset

    return sequence[0] if sequence else Dataset()


def _date(ds: Dataset) -> date | None:
    for key in ("AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate"):
        text = str(ds.get(key) or "").replace(".", "")
        if len(text) == 8 and text.isdecimal():
            try:
                return date.fromisoformat(text)
            except ValueError:
                continue  # a date that is on no calendar says nothing; the next tag may
    return None
