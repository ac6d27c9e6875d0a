"""Voxels of a volume file, read in bounded memory: nothing is allocated on a header's word alone.

A reader (:mod:`sagittal.io.nifti`) turns a header into a :class:`VolumePlan`; here the plan is held
against the file's own size before a byte of voxels is allocated, and the voxels are read to the end so
that a damaged or cut file is found.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors

#: Endings of volume files, longest first.
SUFFIXES = (".nii.gz", ".nii", ".mgz", ".mgh")
#: Largest volume that is read, in bytes of voxels as stored.
MAX_VOXEL_BYTES = 2 << 30
# DEFLATE cannot shrink anything further than this.
_MAX_GZIP_RATIO = 1032
_MAX_OFFSET = 1 << 28
_CHUNK = 1 << 24


@dataclass(frozen=True)
class VolumePlan:
    """What a header claims about the voxels of its file.

    Attributes:
        shape: voxels along each axis, as many axes as the header names.
        dtype: type of a stored voxel, byte order included.
        offset: where the voxels begin, in bytes of the uncompressed file.
        slope, intercept: stored value → real value; 1 and 0 when the header scales nothing.
        affine: (4, 4) voxel index → RAS mm, or ``None`` when the header gives no position.
        pixdim: spacing in mm that the header states apart from the affine.
        notes: reservations to warn about.
        trailing: bytes that may follow the voxels.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float = 1.0
    intercept: float = 0.0
    affine: NDArray[np.float64] | None = None
    pixdim: tuple[float, float, float] = (1.0, 1.0, 1.0)
    notes: tuple[str, ...] = ()
    trailing: int = 4096

    @property
    def voxel_bytes(self) -> int:
        """Bytes of voxels that the header claims (exact: Python integers do not overflow)."""
        total = int(self.dtype.itemsize)
        for n in self.shape:
            total *= n
        return total


def suffix_of(path: Path) -> str | None:
    """The ending among :data:`SUFFIXES` that a file's name has, or ``None``."""
    lower = path.name.lower()
    return next((suffix for suffix in SUFFIXES if lower.endswith(suffix)), None)


@contextmanager
def opened(path: Path, *, compressed: bool) -> Iterator[IO[bytes]]:
    """The uncompressed bytes of a file whose compression must be what its name says.

    Raises:
        FileFormatError: mislabelled, empty, or damaged (also while the block reads).
        StorageError: it cannot be opened.
    """
    with storage_errors(path), path.open("rb") as raw:
        magic = raw.read(2)
        raw.seek(0)
        _check_compression(path, magic, compressed)
        if not compressed:
            yield raw
            return
        try:
            with gzip.GzipFile(fileobj=raw, mode="rb") as handle:
                yield handle  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileFormatError(
                f"{path.name} is damaged: its compressed data cannot be read to the end.",
                got=str(error),
                remedy="fetch or write the file again",
            ) from error


def _check_compression(path: Path, magic: bytes, compressed: bool) -> None:
    if not magic:
        raise FileFormatError(f"{path.name} is empty.", got="0 bytes", remedy="fetch or write the file again")
    if compressed and magic != b"\x1f\x8b":
        raise FileFormatError(
            f"{path.name} is named as a gzip file and is not one.",
            expected="gzip data",
            got=f"first bytes {magic!r}",
            remedy="if it is an uncompressed image, take .gz off its name",
        )
    if not compressed and magic == b"\x1f\x8b":
        raise FileFormatError(
            f"{path.name} is a gzip file and is not named as one.",
            got="gzip data",
            remedy="add .gz to its name (or .mgz for .mgh)",
        )


def read_exactly(handle: IO[bytes], count: int, path: Path) -> bytes:
    """``count`` bytes, for headers.

    Raises:
        FileFormatError: the file ends before.
    """
    data = handle.read(count)
    if len(data) < count:
        raise FileFormatError(
            f"{path.name} is too short for its header.", expected=f"{count} bytes", got=f"{len(data)} bytes"
        )
    return data


def check_claims(plan: VolumePlan, path: Path, *, compressed: bool) -> None:
    """Hold a header's claims against the limit and against the size of its file.

    Raises:
        FileFormatError: the voxels are too many, or cannot be in this file.
    """
    shape = "×".join(str(n) for n in plan.shape)
    claim = f"{shape} voxels of {plan.dtype.itemsize} bytes from byte {plan.offset}"
    if plan.voxel_bytes > MAX_VOXEL_BYTES:
        raise FileFormatError(
            f"{path.name} claims more voxels than are read at once.",
            expected=f"at most {MAX_VOXEL_BYTES >> 20} MiB",
            got=claim,
            remedy="crop it, or store it with fewer bytes a voxel",
        )
    if plan.offset > _MAX_OFFSET:
        raise FileFormatError(f"{path.name} has its voxels impossibly far into the file.", got=claim)
    with storage_errors(path):
        size = path.stat().st_size
    room = size * _MAX_GZIP_RATIO if compressed else size
    if plan.offset + plan.voxel_bytes > room:
        raise FileFormatError(
            f"{path.name} is too small for what its header claims.",
            expected=claim,
            got=f"a file of {size} bytes" + (" (compressed)" if compressed else ""),
            remedy="fetch or write the file again",
        )


def read_voxels(handle: IO[bytes], plan: VolumePlan, position: int, path: Path) -> NDArray[Any]:
    """The stored voxels, in the machine's byte order, first axis fastest; ``plan.shape``.

    Args:
        handle: from :func:`opened`; its claims are checked already (:func:`check_claims`).
        position: bytes that were read from it so far.

    Raises:
        FileFormatError: the file is cut, or holds more than its header says.
    """
    _skip(handle, plan.offset - position, path)
    buffer = np.empty(plan.voxel_bytes, dtype=np.uint8)
    view = buffer.data
    done = 0
    while done < len(view):
        # By chunks: a gzip reader allocates what it is asked for before it reads.
        got = handle.readinto(view[done : done + _CHUNK])  # type: ignore[attr-defined]
        if not got:
            raise FileFormatError(
                f"{path.name} ends before its last voxel.",
                expected=f"{plan.voxel_bytes} bytes of voxels",
                got=f"{done} bytes",
                remedy="fetch or write the file again",
            )
        done += got
    # Reading on to the end makes gzip compare its checksum.
    rest = 0
    while chunk := handle.read(4096):
        rest += len(chunk)
        if rest > plan.trailing:
            raise FileFormatError(
                f"{path.name} holds more data than its header says.",
                expected=f"{plan.voxel_bytes} bytes of voxels",
                remedy="the header or the file is damaged: write it again",
            )
    data = buffer.view(plan.dtype).reshape(plan.shape, order="F")
    return data.astype(plan.dtype.newbyteorder("="), copy=False)


def _skip(handle: IO[bytes], count: int, path: Path) -> None:
    while count > 0:
        chunk = handle.read(min(count, _CHUNK))
        if not chunk:
            raise FileFormatError(f"{path.name} ends before its first voxel.")
        count -= len(chunk)
