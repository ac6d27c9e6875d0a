"""Files that lie, are cut, or are something else. Every one is an InputError, fast and in little memory."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from sagittal.errors import FileFormatError, GeometryError, InputError, StorageError
from sagittal.io.nifti import read_image, read_mask, write_mask
from sagittal.io.volume_file import MAX_VOXEL_BYTES, VolumePlan, check_claims
from sagittal.study import Mask


def plain_bytes(shape: tuple[int, ...] = (10, 11, 12), dtype: str = "i2") -> bytes:
    data = np.random.default_rng(1).integers(0, 99, shape).astype(dtype)
    return nib.Nifti1Image(data, np.diag([1.0, 1, 2, 1])).to_bytes()


def patched(offset: int, *values: int | float, code: str = "<i2", blob: bytes | None = None) -> bytes:
    out = bytearray(blob or plain_bytes())
    raw = np.array(values, code).tobytes()
    out[offset : offset + len(raw)] = raw
    return bytes(out)


def nan_bytes(value: float) -> bytes:
    data = np.zeros((4, 4, 4), np.float32)
    data[1, 2, 3] = data[0, 0, 0] = value
    return nib.Nifti1Image(data, np.eye(4)).to_bytes()


def singular() -> bytes:
    return patched(280, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, code="<f4")


def qform_only(at: int, *values: float) -> bytes:
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
    image.header.set_qform(np.diag([-1.0, -1, 2, 1]), 1)
    image.header["sform_code"] = 0
    blob = nib.Nifti1Image(image.dataobj, None, image.header).to_bytes()
    return patched(at, *values, code="<f4", blob=blob)


BAD: dict[str, tuple[bytes, type[InputError], str]] = {
    "zero.nii": (b"", FileFormatError, "empty"),
    "zero.nii.gz": (b"", FileFormatError, "empty"),
    "one.nii": (b"\x5c", FileFormatError, "too short"),
    "text.nii": (b"this is not an image at all\n" * 40, FileFormatError, "not a NIfTI"),
    "text.nii.gz": (b"this is not an image at all\n" * 40, FileFormatError, "named as a gzip"),
    "gztext.nii.gz": (gzip.compress(b"plain words " * 99), FileFormatError, "not a NIfTI"),
    "plain.nii.gz": (plain_bytes(), FileFormatError, "take .gz off"),
    "packed.nii": (gzip.compress(plain_bytes()), FileFormatError, "add .gz"),
    "cut.nii": (plain_bytes()[:-1], FileFormatError, "too small"),
    "cut-header.nii": (plain_bytes()[:200], FileFormatError, "too short"),
    "cut.nii.gz": (gzip.compress(plain_bytes())[:-900], FileFormatError, "damaged"),
    "cut-crc.nii.gz": (gzip.compress(plain_bytes())[:-5], FileFormatError, "damaged"),
    "short.nii.gz": (gzip.compress(plain_bytes()[:-2]), FileFormatError, "before its last voxel"),
    "crc.nii.gz": (
        gzip.compress(plain_bytes())[:-8] + b"\1\2\3\4" + gzip.compress(plain_bytes())[-4:],
        FileFormatError,
        "damaged",
    ),
    "flipped.nii.gz": (
        (lambda z: z[:900] + bytes([z[900] ^ 255]) + z[901:])(gzip.compress(plain_bytes())),
        FileFormatError,
        "damaged",
    ),
    "junk.nii.gz": (gzip.compress(plain_bytes()) + b"junk", FileFormatError, "damaged"),
    "longer.nii": (plain_bytes() + bytes(5000), FileFormatError, "more data"),
    "longer.nii.gz": (gzip.compress(plain_bytes() + bytes(5000)), FileFormatError, "more data"),
    "terabytes.nii": (patched(40, 3, 32767, 32767, 32767), FileFormatError, "more voxels"),
    "terabytes.nii.gz": (gzip.compress(patched(40, 3, 32767, 32767, 32767)), FileFormatError, "more voxels"),
    "gigabyte.nii.gz": (gzip.compress(patched(40, 3, 1000, 1000, 900)), FileFormatError, "too small"),
    "seven.nii": (patched(40, 7, *[30000] * 7), FileFormatError, "several volumes"),
    "many-axes.nii": (patched(40, 9, 1, 1, 1), FileFormatError, "impossible"),
    "negative.nii": (patched(40, 3, -10, 11, 12), FileFormatError, "impossible"),
    "no-voxels.nii": (patched(40, 3, 10, 0, 12), FileFormatError, "impossible"),
    "two-by-four.nii": (plain_bytes((3, 3, 3, 2)), FileFormatError, "several volumes"),
    "complex.nii": (patched(70, 32, 64), FileFormatError, "complex"),
    "rgb.nii": (patched(70, 128, 24), FileFormatError, "RGB"),
    "strange.nii": (patched(70, 9999, 16), FileFormatError, "9999"),
    "bits.nii": (patched(72, 8), FileFormatError, "contradicts"),
    "offset.nii": (patched(108, 100, code="<f4"), FileFormatError, "inside its header"),
    "offset-nan.nii": (patched(108, np.nan, code="<f4"), FileFormatError, "inside its header"),
    "offset-far.nii.gz": (gzip.compress(patched(108, 1e12, code="<f4")), FileFormatError, "far into"),
    "slope.nii": (patched(112, np.inf, 0, code="<f4"), FileFormatError, "infinity"),
    "intercept.nii": (patched(112, 1, np.nan, code="<f4"), FileFormatError, "infinity"),
    "magic.nii": (patched(344, 1, 2, 3, 4, code="u1"), FileFormatError, "not a NIfTI"),
    "analyze.nii": (patched(344, 0, code="<i4"), FileFormatError, "Analyze"),
    "pair.nii": (patched(344, *b"ni1", code="u1"), FileFormatError, "pair"),
    "nan.nii": (nan_bytes(np.nan), FileFormatError, "2 of 64"),
    "inf.nii.gz": (gzip.compress(nan_bytes(np.inf)), FileFormatError, "2 of 64"),
    "singular.nii": (singular(), GeometryError, "singular"),
    "affine-nan.nii": (patched(280, np.nan, code="<f4"), GeometryError, "NaN"),
    "affine-inf.nii": (patched(284, np.inf, code="<f4"), GeometryError, "NaN or infinity"),
    "missing.nii": (patched(252, 0, 0), GeometryError, "does not say where"),
    "qfac.nii": (qform_only(76, 7), GeometryError, "not a rotation"),
    "pixdim.nii": (qform_only(80, -1), GeometryError, "not a rotation"),
    "quaternion.nii": (qform_only(256, 1, 1, 1), GeometryError, "not a rotation"),
    "mgh.mgz": (gzip.compress(b"\0\0\0\2" + bytes(300)), FileFormatError, "not an MGH"),
    "short.mgh": (b"\0\0\0\1", FileFormatError, "too short"),
    "big.mgh": (
        np.array([1, 2**31 - 1, 2**31 - 1, 2**31 - 1, 1, 3, 0], ">i4").tobytes()
        + b"\0\1"
        + np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], ">f4").tobytes()
        + bytes(300),
        FileFormatError,
        "more voxels",
    ),
    "picture.png": (b"\x89PNG\r\n", FileFormatError, "not named as a volume"),
    "größe 脳 тест.nii.gz": (b"\x1f\x8bxxxx", FileFormatError, "größe 脳 тест"),
}


@pytest.mark.parametrize("reader", [read_image, read_mask])
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_name(name: str, reader: Callable[[Path], object], tmp_path: Path) -> None:
    blob, kind, word = BAD[name]
    (tmp_path / name).write_bytes(blob)
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(kind, match=word) as caught:
            reader(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert name in str(caught.value) and caught.value.exit_code == 2
    assert peak < 40e6 and time.perf_counter() - began < 5
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_gzip_bomb_does_not_fill_memory(tmp_path: Path) -> None:
    header = patched(40, 3, 1000, 1000, 100, blob=plain_bytes())[:352]  # 200 MB of int16 from a small file
    with gzip.open(tmp_path / "bomb.nii.gz", "wb") as handle:
        handle.write(header + bytes(1000) + bytes(300_000_000))
    with pytest.raises(FileFormatError, match="more data"):
        tracemalloc.start()
        try:
            read_image(tmp_path / "bomb.nii.gz")
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peak < 300e6


def test_the_limit_is_a_limit_on_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "sparse.nii"
    with path.open("wb") as handle:
        handle.truncate(MAX_VOXEL_BYTES + 352)  # a hole: no disk is used
    most = VolumePlan((1 << 10, 1 << 10, MAX_VOXEL_BYTES >> 20), np.dtype("u1"), 352)
    check_claims(most, path, compressed=False)
    over = VolumePlan((1 << 10, 1 << 10, (MAX_VOXEL_BYTES >> 20) + 1), np.dtype("u1"), 352)
    with pytest.raises(FileFormatError, match="more voxels"):
        check_claims(over, path, compressed=False)


def test_folders_missing_files_and_loops_are_storage_errors(tmp_path: Path) -> None:
    (tmp_path / "folder.nii.gz").mkdir()
    (tmp_path / "loop.nii").symlink_to(tmp_path / "loop.nii")
    for name in ("folder.nii.gz", "loop.nii", "absent.nii", "absent/inner.nii", "x" * 300 + ".nii"):
        with pytest.raises(StorageError):
            read_image(tmp_path / name)
        with pytest.raises(StorageError):
            read_mask(tmp_path / name)


_AS_NOBODY = """
import os, sys
from pathlib import Path
from sagittal.errors import StorageError
from sagittal.io.nifti import read_image, read_mask, write_mask
folder = Path(sys.argv[1])
mask = read_mask(folder / "open.nii")  # before the change of user: it imports what it needs
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def refused(call, *args):
    try: call(*args)
    except StorageError as error: return "Permission" in str(error)
    return False
ok = refused(read_image, folder / "locked.nii"), refused(read_mask, folder / "locked.nii")
ok += refused(write_mask, folder / "new.nii.gz", mask),
print("refused" if all(ok) else ok)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions of this kind are POSIX's")
def test_no_permission_is_a_storage_error() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        for file in ("locked.nii", "open.nii"):
            (folder / file).write_bytes(plain_bytes((2, 2, 2)))
        (folder / "locked.nii").chmod(0)
        if os.geteuid() == 0:  # root may read anything: look as nobody
            folder.chmod(0o755)
            script = [sys.executable, "-c", _AS_NOBODY, name]
            done = subprocess.run(script, capture_output=True, text=True, timeout=60)
            assert done.stdout.strip() == "refused", done.stderr
        else:
            with pytest.raises(StorageError, match="Permission"):
                read_image(folder / "locked.nii")
        assert sorted(p.name for p in folder.iterdir()) == ["locked.nii", "open.nii"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.nii").write_bytes(plain_bytes((2, 2, 2)))
    mask: Mask = read_mask(tmp_path / "m.nii")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        write_mask(tmp_path / "file" / "m.nii.gz", mask)
    (tmp_path / "taken.nii.gz").mkdir()
    with pytest.raises(StorageError):
        write_mask(tmp_path / "taken.nii.gz", mask)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "m.nii", "taken.nii.gz"]
