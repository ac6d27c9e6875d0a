"""Nothing is half-written; errors are the caller's words."""

from __future__ import annotations

import errno
import json
import os

import pytest

from sagittal.errors import StorageError
from sagittal.files import (
    atomic_folder,
    atomic_path,
    data_home,
    manifest,
    sha256_bytes,
    sha256_file,
    sha256_json,
    write_bytes,
    write_json,
    write_text,
)


def test_write_and_hash(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "héllo")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "héllo".encode()
    assert sha256_file(tmp_path / "a" / "b.txt") == sha256_bytes("héllo".encode())


def test_json_is_canonical(tmp_path):
    write_json(tmp_path / "x.json", {"b": 1, "a": [1, 2]})
    assert (tmp_path / "x.json").read_text().index('"a"') < (tmp_path / "x.json").read_text().index('"b"')
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    with pytest.raises(ValueError):
        write_json(tmp_path / "y.json", {"a": float("nan")})
    assert not (tmp_path / "y.json").exists()


def test_a_failing_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    target = tmp_path / "x"
    write_bytes(target, b"old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(StorageError, match="No space"), atomic_path(tmp_path / "x") as temporary:
        temporary.write_bytes(b"part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_suffix_is_kept_for_writers_that_decide_by_it(tmp_path):
    with atomic_path(tmp_path / "x.nii.gz", keep_suffix=".nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"1")
    assert (tmp_path / "x.nii.gz").read_bytes() == b"1"


def test_atomic_folder(tmp_path):
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a").read_text() == "1"
    with pytest.raises(StorageError, match="already there"), atomic_folder(tmp_path / "out"):
        pass
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "other") as temporary:
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_missing_file_and_file_as_parent(tmp_path):
    with pytest.raises(StorageError, match="no such file"):
        sha256_file(tmp_path / "none")
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError):
        write_text(tmp_path / "f" / "x", "1")


def test_manifest_has_no_clock_and_is_stable(tmp_path):
    one = manifest(
        kind="k", config={"a": 1}, seed=3, inputs={"f": "0" * 64}, libraries=("numpy", "nothing-such")
    )
    two = manifest(
        kind="k", config={"a": 1}, seed=3, inputs={"f": "0" * 64}, libraries=("numpy", "nothing-such")
    )
    assert json.dumps(one) == json.dumps(two)
    assert one["versions"]["nothing-such"] == "not installed"
    assert set(one) == {"schema", "kind", "config", "seed", "versions", "inputs"}


def test_data_home_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path))
    assert data_home() == tmp_path
    monkeypatch.delenv("SAGITTAL_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "x"))
    assert data_home() == tmp_path / "x" / "sagittal"
