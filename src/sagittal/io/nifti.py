"""NIfTI (and FreeSurfer MGH) volumes ↔ :class:`Image` and :class:`Mask`.

The sform decides where voxels lie; the qform where there is no sform. Spatial units of metres and
micrometres are converted; unknown units are taken as millimetres. nibabel's fallback affine is never
used: it is not a position.
"""

from __future__ import annotations

import gzip
import warnings
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, GeometryError, SagittalWarning
from sagittal.files import atomic_path
from sagittal.geometry import Geometry, Triple
from sagittal.io.headers import geometry_of, read_mgh_header, read_nifti_header
from sagittal.io.labels import LabelTable
from sagittal.io.mask_values import require_finite, table_beside, to_labels, with_names, write_table_beside
from sagittal.io.volume_file import SUFFIXES, check_claims, opened, read_voxels, suffix_of
from sagittal.study import Image, Mask


def read_image(
    path: str | Path,
    *,
    kind: str = "unknown",
    name: str | None = None,
    session: str = "",
    acquired: date | None = None,
    allow_missing_affine: bool = False,
) -> Image:
    """A volume as an image.

    Args:
        path: ``.nii``, ``.nii.gz``, ``.mgh`` or ``.mgz``.
        kind, name, session, acquired: as in :class:`Image`; ``name`` is the file's when not given.
        allow_missing_affine: accept a header without a position: voxel sizes alone, RAS assumed, with a
            warning.

    Returns:
        Stored type where the header scales nothing; floats where it does.

    Raises:
        FileFormatError: damaged, mislabelled, 4D, impossible claims, NaN or infinity.
        GeometryError: no affine, or a singular one.
        StorageError: the file cannot be opened.
    """
    path = Path(path)
    data, geometry = _read(path, allow_missing_affine)
    require_finite(data, path)
    return Image(data, geometry, kind, path.name if name is None else name, acquired, session)


def read_mask(
    path: str | Path,
    labels: LabelTable | None = None,
    *,
    name: str | None = None,
    session: str = "",
    allow_missing_affine: bool = False,
) -> Mask:
    """A volume as a label map.

    Args:
        path: as for :func:`read_image`. Whole numbers stored as floats are converted exactly.
        labels: what the values mean. Without it, the table beside the file (``NAME.labels.json``) is
            read; without that, the values that are present are named ``label_1``, ….
        name, session: as in :class:`Mask`.

    Raises:
        LabelError: values that are not whole, are negative, or that the table does not name.
        FileFormatError, GeometryError, StorageError: as for :func:`read_image`.
    """
    path = Path(path)
    data, geometry = _read(path, allow_missing_affine)
    require_finite(data, path)
    mask = Mask(to_labels(data, path.name), geometry, {}, path.name if name is None else name, session)
    return with_names(mask, labels or table_beside(path))


def _read(path: Path, allow_missing_affine: bool) -> tuple[NDArray[Any], Geometry]:
    suffix = suffix_of(path)
    if suffix is None:
        raise FileFormatError(
            f"{path.name} is not named as a volume.", expected=", ".join(SUFFIXES), got=path.name
        )
    compressed = suffix in (".nii.gz", ".mgz")
    header = read_nifti_header if suffix.startswith(".nii") else read_mgh_header
    with opened(path, compressed=compressed) as handle:
        plan, position = header(handle, path)
        shape = _three_axes(plan.shape, path)
        geometry = geometry_of(plan, shape, path, assume=allow_missing_affine)
        check_claims(plan, path, compressed=compressed)
        data = read_voxels(handle, plan, position, path).reshape(shape, order="F")
    notes = list(plan.notes)
    if plan.affine is None:
        notes.append(f"{path.name}: no affine; voxel sizes alone are used and its axes are taken as R, A, S.")
    for note in notes:
        warnings.warn(note, SagittalWarning, stacklevel=3)
    return _scaled(data, plan.slope, plan.intercept), geometry


def _three_axes(shape: tuple[int, ...], path: Path) -> Triple:
    if any(n > 1 for n in shape[3:]):
        raise FileFormatError(
            f"{path.name} holds several volumes.",
            expected="three axes",
            got="×".join(str(n) for n in shape),
            remedy="split it, and give the volume you mean",
        )
    x, y, z = (*shape, 1, 1)[:3]
    return x, y, z


def _scaled(data: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    if (slope, intercept) == (1.0, 0.0):
        return data
    # float32 holds every 16-bit integer; wider ones need float64.
    narrow = data.dtype.itemsize <= 2 or data.dtype == np.float32
    scaled: NDArray[np.floating[Any]] = data.astype(np.float32 if narrow else np.float64)
    scaled *= slope
    scaled += intercept
    return scaled


# -- writing -------------------------------------------------------------------------------------


def write_image(path: str | Path, image: Image) -> None:
    """Write a grey image as NIfTI-1 on its own grid; the same image gives the same bytes.

    Args:
        path: ``.nii`` or ``.nii.gz``.

    Raises:
        FileFormatError: another ending, a colour image, or an axis too long for NIfTI-1.
        GeometryError: the image's pixel spacing is unknown, which NIfTI cannot say.
        StorageError: it cannot be written.
    """
    if image.channels != 1 or image.data.ndim != 3:
        raise FileFormatError("A colour image is not written as NIfTI.", got=image.name, remedy="use PNG")
    data = image.data
    if data.dtype.kind == "b":
        data = data.view(np.uint8)
    elif data.dtype == np.float16:
        data = data.astype(np.float32)
    _write(Path(path), data, image.geometry)


def write_mask(path: str | Path, mask: Mask) -> None:
    """Write a mask as NIfTI-1 on its own grid, and the table of its labels beside it (``NAME.labels.json``).

    Args:
        path: ``.nii`` or ``.nii.gz``. Voxels are 8-bit where the values fit, else 16- or 32-bit.

    Raises:
        LabelError: a value that is present has no name.
        FileFormatError, GeometryError, StorageError: as for :func:`write_image`.
    """
    mask.check_labels()
    _write(Path(path), to_labels(mask.data, mask.name or "The mask"), mask.geometry)
    write_table_beside(Path(path), mask)


def _write(path: Path, data: NDArray[Any], geometry: Geometry) -> None:
    suffix = suffix_of(path)
    if suffix not in (".nii", ".nii.gz"):
        raise FileFormatError("A volume is written as NIfTI.", expected=".nii or .nii.gz", got=path.name)
    if not geometry.spacing_known:
        raise GeometryError(
            "A NIfTI file cannot say that its pixel spacing is unknown.",
            got=geometry.describe(),
            remedy="write it as PNG, or give the spacing first",
        )
    head = _header(data, geometry, path)
    body = np.ascontiguousarray(data.T).data
    with atomic_path(path, keep_suffix=suffix) as temporary, temporary.open("wb") as raw:
        if suffix == ".nii":
            raw.write(head)
            raw.write(body)
            return
        # No name and no time in the gzip header: equal images are equal files.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as handle:
            handle.write(head)
            handle.write(body)


def _header(data: NDArray[Any], geometry: Geometry, path: Path) -> bytes:
    from nibabel.nifti1 import Nifti1Header

    if max(data.shape) > np.iinfo(np.int16).max:
        raise FileFormatError(
            f"{path.name}: an axis is too long for NIfTI-1.", expected="at most 32767", got=data.shape
        )
    header = Nifti1Header(endianness="<")
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_zooms(geometry.spacing)
    header.set_xyzt_units("mm")
    # Code 2, "aligned": the study's own world, whichever scanner or template that is.
    header.set_sform(geometry.affine, 2)
    header.set_qform(geometry.affine, 2)
    if not np.allclose(header.get_qform(), geometry.affine, atol=1e-3):
        header["qform_code"] = 0  # a sheared grid has no qform
        header.set_zooms(geometry.spacing)
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = 1, 0, 352
    return bytes(header.binaryblock) + bytes(4)
