"""A whole set: exact count, the same bytes whatever the workers, clear errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tumour_cases
from toy_builder import bytes_of
from tumour_cases import BuiltSet

from sagittal.builders.check import check_folder
from sagittal.builders.check_tumour import check_tumour_study, tumour_settings
from sagittal.builders.presets import PRESETS
from sagittal.builders.shards import read_examples
from sagittal.builders.tumour_set import TumourBuilder, atlas_hash, build_tumour_set
from sagittal.builders.tumour_vqa import Origin
from sagittal.errors import InputError, IntegrityError, StorageError
from sagittal.geometry import Geometry
from sagittal.io.layouts import find_cases
from sagittal.language.bank import WordingBank
from sagittal.language.wording import CANONICAL, Wording
from sagittal.splits import split_of

STUDIES = 8


def build(images: Path, out: Path, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "layout": "brats", "preset": "gli", "atlas": tumour_cases.ATLAS_NAME, "seed": 3,
    }  # fmt: skip
    return build_tumour_set(images, out, **(settings | options))


def test_exactly_six_questions_of_each_label_of_each_study(built_set: BuiltSet) -> None:
    examples = list(read_examples(built_set.folder))
    assert len(examples) == STUDIES * 4 * 6
    assert len({e.id for e in examples}) == len(examples)
    assert [e.study for e in examples] == sorted(e.study for e in examples)
    assert all(e.split == split_of(e.patient) for e in examples)
    assert {e.patient for e in examples} == {f"BraTS-GLI-{n:05d}" for n in range(STUDIES // 2)}
    manifest = json.loads((built_set.folder / "manifest.json").read_text())
    assert manifest["counts"]["examples"] == len(examples)
    assert manifest["config"]["regions"] == list(tumour_cases.REGIONS)
    assert manifest["config"]["atlas"]["sha256"] == atlas_hash(tumour_cases.atlas())
    for split in ("train", "validation", "test"):
        part = [e.id for e in read_examples(built_set.folder, split)]  # type: ignore[arg-type]
        assert part == [e.id for e in examples if e.split == split]


def test_two_workers_give_the_same_bytes_and_the_check_passes(built_set: BuiltSet, tmp_path: Path) -> None:
    build(built_set.images, tmp_path / "out", workers=2, studies_per_shard=3)
    assert bytes_of(tmp_path / "out") == bytes_of(built_set.folder)
    report = check_folder(tmp_path / "out", built_set.images)
    assert report.problems == []
    assert report.counts == {"shards": 3, "studies": 8, "patients": 4, "examples": 192, "files": 8 * 5}
    assert report.summary().endswith("no problem.")


def test_plain_columns_for_any_parquet_reader(built_set: BuiltSet) -> None:
    table = pq.read_table(built_set.folder / "shards" / "part-000000.parquet")
    assert table.column_names == [
        "id", "patient", "study", "split", "task", "question", "answer", "example",
    ]  # fmt: skip
    first = table.slice(0, 1).to_pylist()[0]
    example = json.loads(first["example"])
    assert example["messages"][1]["parts"][0]["text"] == first["answer"]
    assert example["images"][0]["path"] == f"{first['study']}/{first['study']}-t1n.nii.gz"
    assert b"schema" in table.schema.metadata


def test_a_bad_study_is_named(atlas_store: Path, tmp_path: Path) -> None:
    names = tumour_cases.make_cases(tmp_path / "in", 2)
    bad = tmp_path / "in" / names[1] / f"{names[1]}-seg.nii.gz"
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(InputError, match=f"{names[1]}: "):
        build(tmp_path / "in", tmp_path / "out")
    bad.unlink()
    case = find_cases(tmp_path / "in", "brats")[1]
    with pytest.raises(
        InputError, match=r"(?s)needs its images and a segmentation.*got: +t1, t1c, t2, flair\n"
    ):
        TumourBuilder.create(PRESETS["gli"], atlas=tumour_cases.ATLAS_NAME).files(case)


def test_without_an_atlas_the_build_says_how_to_add_one(
    built_set: BuiltSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "empty"))
    with pytest.raises(StorageError, match="sagittal atlas add"):
        build(built_set.images, tmp_path / "out", atlas=None)
    assert not (tmp_path / "out").exists()


def test_a_worker_refuses_another_atlas_or_bank(built_set: BuiltSet, tmp_path: Path) -> None:
    case = find_cases(built_set.images, "brats")[0]
    builder = TumourBuilder.create(PRESETS["gli"], atlas=tumour_cases.ATLAS_NAME)
    hashes = dict.fromkeys(builder.files(case), "0" * 64)
    assert len(builder.build(case, hashes)) == 24
    with pytest.raises(IntegrityError, match=f"atlas {tumour_cases.ATLAS_NAME}"):
        replace(builder, atlas_sha256="1" * 64).build(case, hashes)
    bank = tmp_path / "bank.jsonl"
    WordingBank(canonical_wordings()).save(bank)
    changed = TumourBuilder.create(PRESETS["gli"], atlas=tumour_cases.ATLAS_NAME, bank=bank)
    bank.write_text(bank.read_text() + "\n")
    with pytest.raises(IntegrityError, match="bank of wordings"):
        changed.build(case, hashes)


def canonical_wordings() -> list[Wording]:
    """The paper's own templates, and as little else as the protocol needs, in both pools."""
    made = []
    for withheld in (False, True):
        mark = "Again: " if withheld else ""
        for tasks, (question, answer) in CANONICAL.items():
            made.append(Wording("in_scope", tasks, mark + question, answer, (), withheld))
            more = f"{mark}{question} And what is the prognosis?"
            beyond = f"{answer} I cannot say what the prognosis is."
            made.append(Wording("partly_out_of_scope", tasks, more, beyond, (), withheld))
        made.append(
            Wording("out_of_scope", (), f"{mark}What is the prognosis with {{label}}?",
                    "I cannot say what the prognosis is.", (), withheld)
        )  # fmt: skip
    return made


def test_an_endpoints_bank_in_place_of_the_grammar(built_set: BuiltSet, tmp_path: Path) -> None:
    bank = tmp_path / "bank.jsonl"
    WordingBank(canonical_wordings()).save(bank)
    origin = Origin("simulated", "CC0")
    manifest = build(built_set.images, tmp_path / "out", bank=bank, origin=origin)
    assert set(manifest["config"]["wordings"]) == {"bank_sha256"}
    assert check_folder(tmp_path / "out", built_set.images).problems == []
    known = {w.question for w in canonical_wordings()}
    examples = list(read_examples(tmp_path / "out"))
    assert {e.targets["wording"]["question"] for e in examples} <= known
    assert {e.licence for e in examples} == {"CC0"}


def test_met_preset(atlas_store: Path, tmp_path: Path) -> None:
    tumour_cases.make_cases(tmp_path / "in", 1, labels="brats2023")
    (case,) = find_cases(tmp_path / "in", "brats")
    builder = TumourBuilder.create(PRESETS["met"], atlas=tumour_cases.ATLAS_NAME)
    examples = builder.build(case, dict.fromkeys(builder.files(case), "0" * 64))
    assert len(examples) == 3 * 6
    assert list(check_tumour_study(case.name, examples, tumour_settings(builder.config()))) == []


def test_atlas_hash_sees_every_part() -> None:
    atlas = tumour_cases.atlas()
    data = atlas.mask.data.copy()
    data[0, 0, 0] = 1
    assert atlas_hash(replace(atlas, mask=replace(atlas.mask, data=data))) != atlas_hash(atlas)
    assert atlas_hash(replace(atlas, space="MNI152")) != atlas_hash(atlas)
    moved = Geometry(atlas.mask.shape, atlas.mask.geometry.affine + np.eye(4, k=3))
    assert atlas_hash(replace(atlas, mask=replace(atlas.mask, geometry=moved))) != atlas_hash(atlas)
    # The file's name and the width of its numbers decide no region.
    wide = replace(atlas.mask, name="other file", data=atlas.mask.data.astype(np.uint16))
    assert atlas_hash(replace(atlas, mask=wide)) == atlas_hash(atlas)
