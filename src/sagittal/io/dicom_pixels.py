"""Pixels of DICOM frames: decoded, rid of unused bits, and scaled to real values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, MissingExtraError
from sagittal.io.dicom_headers import Frame, dicom_damage
from sagittal.io.volume_file import MAX_VOXEL_BYTES

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# These measure something: MONOCHROME1 there only says how to display it.
_MEASURED = ("CT", "PT", "MR", "NM")


def read_stack(frames: Sequence[Frame], modality: str) -> NDArray[Any]:
    """(columns, rows, slices) real values, or (columns, rows, slices, 3) colours.

    Integers where every slope is 1 and every intercept whole, else float32.

    Raises:
        FileFormatError: too large, or pixels that cannot be decoded.
        MissingExtraError: a compressed transfer syntax whose decoder is not installed.
        StorageError: a file cannot be opened.
    """
    first = frames[0]
    colour = first.samples > 1 or first.photometric == "PALETTE COLOR"
    dtype = np.dtype(np.uint8) if colour else _dtype(frames)
    shape = (first.columns, first.rows, len(frames)) + ((3,) if colour else ())
    claimed = dtype.itemsize * first.columns * first.rows * len(frames) * (3 if colour else 1)
    if claimed > MAX_VOXEL_BYTES:
        raise FileFormatError(
            "The series claims more pixels than are read at once.",
            expected=f"at most {MAX_VOXEL_BYTES >> 20} MiB",
            got=f"{shape} of {dtype}",
        )
    out = np.empty(shape, dtype=dtype, order="C" if colour else "F")
    opened: tuple[Path, Dataset] | None = None
    for k, frame in enumerate(frames):
        if opened is None or opened[0] != frame.path:
            opened = frame.path, _open(frame.path)
        stored = _decode(opened[1], frame, colour)
        out[:, :, k] = stored.swapaxes(0, 1) if colour else _real(stored, frame, modality, dtype).T
    return out


def _dtype(frames: Sequence[Frame]) -> np.dtype[Any]:
    low, high = 0, 0
    for frame in frames:
        if frame.slope != 1 or frame.intercept != int(frame.intercept):
            return np.dtype(np.float32)
        bottom = -(1 << (frame.bits - 1)) if frame.signed else 0
        top = (1 << (frame.bits - frame.signed)) - 1
        low, high = min(low, bottom + int(frame.intercept)), max(high, top + int(frame.intercept))
    if low >= 0:
        return np.dtype(np.min_scalar_type(high))
    return np.dtype(np.int16 if low >= -(1 << 15) and high < 1 << 15 else np.int32)


def _open(path: Path) -> Dataset:
    import pydicom
    from pydicom.pixels import get_decoder

    with dicom_damage(path), path.open("rb") as handle:
        ds = pydicom.dcmread(handle)
        syntax = ds.file_meta.TransferSyntaxUID
        if syntax.is_compressed and not get_decoder(syntax).is_available:
            raise MissingExtraError(f"{path.name}, compressed as {syntax.name},", "dicom")
        return ds


def _decode(ds: Dataset, frame: Frame, colour: bool) -> NDArray[Any]:
    from pydicom.pixels import apply_color_lut, pixel_array
    from pydicom.uid import RLELossless

    with dicom_damage(frame.path):
        try:
            several = int(ds.get("NumberOfFrames") or 1) > 1
            # pydicom's own RLE decoder raises on damage; the compiled one panics.
            plugin = "pydicom" if ds.file_meta.TransferSyntaxUID == RLELossless else ""
            pixels = pixel_array(ds, index=frame.index if several else None, decoding_plugin=plugin)
            if frame.photometric == "PALETTE COLOR":
                pixels = apply_color_lut(pixels, ds)
        except RuntimeError as error:  # what pydicom raises when a decoder gives up
            raise FileFormatError(
                f"{frame.path.name}: its pixels cannot be decoded.", got=str(error)
            ) from error
    expected = (frame.rows, frame.columns) + ((3,) if colour else ())
    if pixels.shape != expected:
        raise FileFormatError(
            f"{frame.path.name} holds pixels of another shape than it says.",
            expected=expected,
            got=pixels.shape,
        )
    if colour and pixels.dtype != np.uint8:
        pixels = (pixels >> (8 * pixels.dtype.itemsize - 8)).astype(np.uint8)
    return pixels


def _real(stored: NDArray[Any], frame: Frame, modality: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    values = stored.astype(np.int64)
    mask = (1 << frame.bits) - 1
    # Bits above those stored may hold overlays or nothing; the sign is the highest one stored.
    values &= mask
    if frame.signed:
        values = np.where(values >> (frame.bits - 1), values - (1 << frame.bits), values)
    if frame.photometric == "MONOCHROME1" and modality not in _MEASURED:
        # White is small: turned round, so that bright is dense as on every other film.
        values = (-1 if frame.signed else mask) - values
    if dtype.kind in "iu":
        return (values + int(frame.intercept)).astype(dtype)
    return (values * frame.slope + frame.intercept).astype(dtype)
