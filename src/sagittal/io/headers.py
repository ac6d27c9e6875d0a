"""Headers of volume files, NIfTI-1/2 and FreeSurfer MGH: bytes → :class:`VolumePlan`.

Nothing here trusts a field: each is checked before it is used.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, GeometryError
from sagittal.geometry import Geometry
from sagittal.io.volume_file import VolumePlan, read_exactly

#: sform and qform may differ by this many millimetres at any corner before it is worth a word.
FORMS_AGREE_MM = 0.1
_NIFTI_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_MGH_TYPES = {0: "u1", 1: "i4", 3: "f4", 4: "i2", 10: "u2"}
# xyzt_units: 1 metre, 2 millimetre, 3 micrometre; anything else is taken as millimetres.
_TO_MM = {1: 1e3, 3: 1e-3}


def read_nifti_header(handle: IO[bytes], path: Path) -> tuple[VolumePlan, int]:
    """The plan of a single-file NIfTI-1 or NIfTI-2, and how many bytes were read.

    Raises:
        FileFormatError: not NIfTI, or a field that cannot be.
        GeometryError: the header's quaternion is needed and is not one.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    start = read_exactly(handle, 4, path)
    little, big = struct.unpack("<i", start)[0], struct.unpack(">i", start)[0]
    order = "<" if little in (348, 540) else ">"
    size = little if order == "<" else big
    if size not in (348, 540):
        raise FileFormatError(
            f"{path.name} is not a NIfTI image.",
            expected="a NIfTI-1 or NIfTI-2 header",
            got=f"first bytes {start!r}",
        )
    block = start + read_exactly(handle, size - 4, path)
    kind = Nifti1Header if size == 348 else Nifti2Header
    header = kind(block, endianness=order, check=False)
    _check_magic(bytes(header["magic"].tobytes()), size, path)
    slope, intercept = _scaling(header, path)
    offset = float(header["vox_offset"])
    if not (np.isfinite(offset) and offset == int(offset) and size <= offset):
        raise FileFormatError(f"{path.name} says that its voxels begin inside its header.", got=offset)
    affine, notes = _nifti_affine(header, path)
    scale = _TO_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    if affine is not None:
        affine[:3] *= scale
    x, y, z = (float(abs(v)) * scale for v in header["pixdim"][1:4])
    plan = VolumePlan(
        _nifti_shape(header, path), _nifti_dtype(header, order, path), int(offset), slope, intercept,
        affine, (x, y, z), notes,
    )  # fmt: skip
    return plan, size


def _check_magic(magic: bytes, size: int, path: Path) -> None:
    if magic[:3] in (b"n+1", b"n+2"):
        return
    if magic[:3] in (b"ni1", b"ni2"):
        message, remedy = "is half of a pair (.hdr and .img).", "convert it to one .nii file"
    elif not magic.strip(b"\0"):
        message, remedy = (
            "is in the Analyze format, which does not say where left is.",
            "convert it to NIfTI from its source",
        )
    else:
        message, remedy = "is not a NIfTI image.", "check what wrote it"
    raise FileFormatError(f"{path.name} {message}", expected="a single NIfTI file", got=magic, remedy=remedy)


def _nifti_shape(header: Any, path: Path) -> tuple[int, ...]:
    dim = [int(n) for n in header["dim"]]
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise FileFormatError(f"{path.name} has impossible dimensions.", got=dim)
    return tuple(dim[1 : dim[0] + 1])


def _nifti_dtype(header: Any, order: str, path: Path) -> np.dtype[Any]:
    from nibabel.nifti1 import data_type_codes

    code = int(header["datatype"])
    if code not in _NIFTI_TYPES:
        name = data_type_codes.label.get(code, f"code {code}")
        raise FileFormatError(
            f"{path.name} holds voxels of a type that is not read.",
            expected="whole numbers or floats of up to 64 bits",
            got=name,
            remedy="convert it; a colour picture as PNG, a complex image as its magnitude",
        )
    dtype = np.dtype(order + _NIFTI_TYPES[code])
    if int(header["bitpix"]) != dtype.itemsize * 8:
        raise FileFormatError(
            f"{path.name} contradicts itself about the size of a voxel.",
            expected=f"{dtype.itemsize * 8} bits",
            got=int(header["bitpix"]),
        )
    return dtype


def _scaling(header: Any, path: Path) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise FileFormatError(f"{path.name} scales its voxels by infinity.", got=(slope, intercept))
    return slope, intercept


def _nifti_affine(header: Any, path: Path) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    from nibabel.spatialimages import HeaderDataError

    sform = header.get_sform().astype(np.float64) if int(header["sform_code"]) > 0 else None
    if int(header["qform_code"]) <= 0:
        return sform, ()
    try:
        qform = header.get_qform().astype(np.float64)
    except (ValueError, HeaderDataError) as error:
        if sform is not None:
            return sform, (f"{path.name}: its qform is not a rotation; the sform is used.",)
        raise GeometryError(
            f"{path.name} has a qform that is not a rotation, and no sform.",
            got=f"{error} ({[float(header[f'quatern_{k}']) for k in 'bcd']})",
            remedy="write the file again with a valid sform",
        ) from error
    if sform is None:
        return qform, ()
    shape = np.maximum(1, [int(n) for n in header["dim"][1:4]])
    corners = np.array([(x, y, z, 1) for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64)
    corners[:, :3] *= shape - 1
    apart = float(np.abs(corners @ (sform - qform).T).max())
    if not apart <= FORMS_AGREE_MM:
        return sform, (f"{path.name}: its sform and qform differ by {apart:.3g} mm; the sform is used.",)
    return sform, ()


def read_mgh_header(handle: IO[bytes], path: Path) -> tuple[VolumePlan, int]:
    """The plan of a FreeSurfer MGH file, and how many bytes were read.

    Raises:
        FileFormatError: not MGH, or a field that cannot be.
    """
    fields = struct.unpack(">7ih15f", read_exactly(handle, 90, path))
    version, *dims, code = fields[:6]
    good, delta, directions, centre = fields[7], fields[8:11], fields[11:20], fields[20:23]
    if version != 1 or code not in _MGH_TYPES or min(dims) < 1:
        raise FileFormatError(
            f"{path.name} is not an MGH image that can be read.",
            expected=f"version 1, positive sizes, a type among {sorted(_MGH_TYPES)}",
            got=f"version {version}, sizes {dims}, type {code}",
        )
    affine = None
    if good > 0:
        # The columns of Mdc are stored one after another; c_ras is the centre of the grid.
        columns = np.array(directions, dtype=np.float64).reshape(3, 3).T * np.array(delta)
        affine = np.eye(4)
        affine[:3, :3] = columns
        affine[:3, 3] = np.array(centre) - columns @ (np.array(dims[:3]) / 2)
    shape = tuple(dims) if dims[3] > 1 else tuple(dims[:3])
    x, y, z = (float(abs(v)) for v in delta)
    # Scan parameters and a log of commands may follow the voxels.
    return VolumePlan(
        shape, np.dtype(">" + _MGH_TYPES[code]), 284, affine=affine, pixdim=(x, y, z), trailing=1 << 20
    ), 90


def geometry_of(plan: VolumePlan, shape: tuple[int, int, int], path: Path, *, assume: bool) -> Geometry:
    """The grid of a plan.

    Args:
        assume: take ``pixdim`` as spacing, axes along R, A, S from the origin, when the header gives no
            position.

    Raises:
        GeometryError: no position and not ``assume``, or a singular affine.
    """
    affine = plan.affine
    if affine is None:
        if not assume:
            raise GeometryError(
                f"{path.name} does not say where its voxels lie (sform_code and qform_code are both 0).",
                expected="a header with an sform or a qform",
                remedy="write it again from its source; or, if left and right do not matter to you, allow a "
                "missing affine (allow_missing_affine), which takes the voxel sizes alone",
            )
        affine = np.diag([*plan.pixdim, 1.0])
    try:
        return Geometry(shape, affine)
    except GeometryError as error:
        raise GeometryError(
            f"{path.name}: {error.message}", expected=error.expected, got=error.got,
            remedy=error.remedy or "write the file again with a valid sform or qform",
        ) from error  # fmt: skip
