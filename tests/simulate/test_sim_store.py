"""Banks and folders: atomic, resumable to the same bytes, refusing another world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sagittal.errors import ConfigError, InputError, IntegrityError, LayoutError, StorageError
from sagittal.geometry import Geometry
from sagittal.io.nifti import read_image, read_mask, write_mask
from sagittal.simulate import Bank, HeadSet, make_bank, preset, simulate, with_spacing, write_studies
from sagittal.study import Mask

TINY = preset("gli").model_copy(update={"shape": (40, 46, 38), "spacing": (4.5, 4.5, 4.5)})


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_bank_gives_back_what_was_made(tmp_path: Path, phantoms: HeadSet) -> None:
    seen: list[tuple[int, int]] = []
    bank = make_bank(TINY, phantoms, tmp_path / "bank", 2, 0, on_progress=lambda a, b: seen.append((a, b)))
    assert seen == [(1, 2), (2, 2)]
    assert len(bank) == 2
    for index, made in enumerate(simulate(TINY, phantoms, [0, 1], 0)):
        read = bank.load(index)
        assert read.facts == made.facts
        for a, b in zip(read.study.images, made.study.images, strict=True):
            assert a.kind == b.kind
            assert a.geometry == b.geometry
            assert np.allclose(a.data, b.data, rtol=1e-3, atol=1e-3)
        for a, b in zip(read.study.masks, made.study.masks, strict=True):
            assert np.array_equal(a.data, b.data)
            assert a.labels == b.labels


def test_a_bank_resumes_to_the_same_bytes(tmp_path: Path, phantoms: HeadSet) -> None:
    make_bank(TINY, phantoms, tmp_path / "one", 2, 0)
    make_bank(TINY, phantoms, tmp_path / "two", 1, 0)
    make_bank(TINY, phantoms, tmp_path / "two", 2, 0)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_another_world_does_not_enter_a_bank(tmp_path: Path, phantoms: HeadSet) -> None:
    make_bank(TINY, phantoms, tmp_path / "bank", 1, 0)
    with pytest.raises(IntegrityError, match="seed: 0 there, 1 asked for"):
        make_bank(TINY, phantoms, tmp_path / "bank", 1, 1)
    with pytest.raises(IntegrityError, match="inputs"):
        make_bank(TINY, HeadSet.phantoms(1), tmp_path / "bank", 1, 0)
    with pytest.raises(LayoutError):
        Bank(tmp_path)


def test_folders_have_the_names_of_brats(tmp_path: Path, phantoms: HeadSet) -> None:
    [folder] = write_studies(TINY, phantoms, tmp_path, 1, 0)
    assert folder.name == "BraTS-SIM-00001-000"
    names = {p.name.removeprefix(f"{folder.name}-") for p in folder.iterdir()}
    assert names == {
        "t1n.nii.gz", "t1c.nii.gz", "t2w.nii.gz", "t2f.nii.gz", "seg.nii.gz", "seg.labels.json",
        "anatomy.nii.gz", "anatomy.labels.json", "facts.json",
    }  # fmt: skip
    facts = json.loads((folder / "facts.json").read_text())
    mask = read_mask(folder / f"{folder.name}-seg.nii.gz")
    [made] = simulate(TINY, phantoms, [0], 0)
    assert mask.geometry.same_grid(made.study.images[0].geometry)
    for label, truth in facts["sessions"][0]["labels"].items():
        assert int((mask.data == mask.value_of(label)).sum()) == truth["voxels"]
    image = read_image(folder / f"{folder.name}-t1c.nii.gz").data.astype(float)
    original = made.study.image("t1c").data
    assert np.corrcoef(image.ravel(), original.ravel())[0, 1] > 0.9999
    assert ((image == 0) == (original == 0)).mean() > 0.99


def test_a_killed_folder_is_finished_with_the_same_bytes(tmp_path: Path, phantoms: HeadSet) -> None:
    pair = preset("growth").model_copy(update={"shape": TINY.shape, "spacing": TINY.spacing})
    folders = write_studies(pair, phantoms, tmp_path / "one", 1, 0)
    assert [f.name[-3:] for f in folders] == ["000", "001"]
    whole = _bytes(tmp_path / "one")
    for path in folders[1].iterdir():
        path.unlink()
    folders[1].rmdir()
    write_studies(pair, phantoms, tmp_path / "one", 1, 0)
    assert _bytes(tmp_path / "one") == whole


def test_spacing_keeps_the_field_of_view() -> None:
    fine = with_spacing(preset("gli"), 1.0)
    assert fine.shape == (192, 224, 176)
    with pytest.raises(ConfigError):
        with_spacing(preset("gli"), 0.1)


def test_heads_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        HeadSet.from_folder(tmp_path / "nowhere")
    with pytest.raises(LayoutError):
        HeadSet.from_folder(tmp_path)


@pytest.mark.parametrize("make", [make_bank, write_studies])
def test_a_head_that_is_none_leaves_nothing_and_bars_nothing(make, tmp_path: Path, phantoms: HeadSet) -> None:
    (tmp_path / "heads").mkdir()
    mask = Mask(np.ones((9, 9, 9), np.uint8), Geometry((9, 9, 9), np.eye(4)), {1: "x"})
    write_mask(tmp_path / "heads" / "no-head.nii.gz", mask)
    with pytest.raises(InputError):
        make(TINY, HeadSet.from_folder(tmp_path / "heads"), tmp_path / "out", 1, 0)
    assert not (tmp_path / "out").exists()
    make(TINY, phantoms, tmp_path / "out", 1, 0)


@pytest.mark.parametrize("text", [b"not json", b"\xff\xfe", b"[]", b"[" * 100_000, b""])
def test_a_strange_manifest_is_another_world(text: bytes, tmp_path: Path, phantoms: HeadSet) -> None:
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(IntegrityError, match="another world"):
        write_studies(TINY, phantoms, tmp_path, 1, 0)
    assert (tmp_path / "manifest.json").read_bytes() == text
