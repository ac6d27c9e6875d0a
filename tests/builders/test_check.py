"""The check finds each kind of damage, and says where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tumour_cases import BuiltSet

from sagittal.builders.check import Report, check_folder
from sagittal.builders.shards import Row, read_rows, to_row, write_shard
from sagittal.errors import FileFormatError, IntegrityError, StorageError
from sagittal.example import Example
from sagittal.files import sha256_file, sha256_json, write_json

Edit = Callable[[list[dict[str, Any]]], None]


@pytest.fixture
def copy(built_set: BuiltSet, tmp_path: Path) -> BuiltSet:
    shutil.copytree(built_set.images, tmp_path / "images")
    shutil.copytree(built_set.folder, tmp_path / "vqa")
    return BuiltSet(tmp_path / "images", tmp_path / "vqa")


def rewrite(folder: Path, edit: Edit, shard: int = 0) -> None:
    """Change a shard's examples and make all hashes and counts of files agree again."""
    path = folder / "shards" / f"part-{shard:06d}.parquet"
    examples = [json.loads(values[0]) for values in read_rows(path, ("example",))]
    edit(examples)
    write_shard(path, [to_row(Example.from_json(value)) for value in examples])
    reseal(folder, shard)


def reseal(folder: Path, shard: int = 0) -> None:
    path = folder / "shards" / f"part-{shard:06d}.parquet"
    record = json.loads(path.with_suffix(".json").read_text())
    record["sha256"] = sha256_file(path)
    write_json(path.with_suffix(".json"), record)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["shards"][shard]["sha256"] = record["sha256"]
    manifest["shards"][shard]["record"] = sha256_json(record)
    write_json(folder / "manifest.json", manifest)


def found(report: Report, *words: str) -> bool:
    return any(all(word in problem for word in words) for problem in report.problems)


def test_a_sound_set_has_no_problem(built_set: BuiltSet) -> None:
    report = check_folder(built_set.folder, built_set.images)
    assert report.problems == []
    assert report.to_json()["counts"]["files"] == 40
    assert check_folder(built_set.folder).counts["files"] == 0
    assert report.summary().endswith("3 shards, 8 studies, 4 patients, 192 examples, 40 files; no problem.")
    report.add("here", "something")
    report.counts = {"studies": 1, "files": 1}
    assert report.summary().endswith("1 study, 1 file; 1 problem.")


def test_rewriting_without_an_edit_changes_nothing(copy: BuiltSet, built_set: BuiltSet) -> None:
    """The other tests' tool is sound: what they find is their edit."""
    rewrite(copy.folder, lambda examples: None)
    assert check_folder(copy.folder, copy.images).problems == []
    shard = "shards/part-000000.parquet"
    assert (copy.folder / shard).read_bytes() == (built_set.folder / shard).read_bytes()


@pytest.mark.parametrize("position", [0.01, 0.3, 0.5, 0.7, 0.99])
def test_a_flipped_byte_in_a_shard(copy: BuiltSet, position: float) -> None:
    shard = copy.folder / "shards" / "part-000001.parquet"
    data = bytearray(shard.read_bytes())
    data[int(position * len(data))] ^= 0x10
    shard.write_bytes(data)
    assert found(check_folder(copy.folder), "part-000001.parquet", "SHA-256 differs")


def say(example: dict[str, Any], text: str, turn: int = -1) -> None:
    example["messages"][turn]["parts"][-1]["text"] = text


def an_answer(examples: list[dict[str, Any]]) -> None:
    said = examples[1]["messages"][-1]["parts"][-1]["text"]
    say(examples[1], said.replace("is", "is not", 1))


def a_question(examples: list[dict[str, Any]]) -> None:
    say(examples[2], "How large is it?", 0)


def an_empty_answer(examples: list[dict[str, Any]]) -> None:
    say(examples[2], " ")


def a_class(examples: list[dict[str, Any]]) -> None:
    for example in examples[:6]:
        example["targets"]["volume"] = "25-50%"


def an_unknown_class(examples: list[dict[str, Any]]) -> None:
    examples[0]["targets"]["shape"] = "spiky"


def a_region(examples: list[dict[str, Any]]) -> None:
    examples[0]["targets"]["regions"] = ["left foot"]


def a_double_id(examples: list[dict[str, Any]]) -> None:
    examples[3]["id"] = examples[2]["id"]


def an_id_of_another_study(examples: list[dict[str, Any]]) -> None:
    examples[3]["id"] = "elsewhere/ET/0"


def a_leak(examples: list[dict[str, Any]]) -> None:
    other = {"train": "test", "test": "train", "validation": "train"}
    last = examples[-1]["study"]
    for example in examples:
        if example["study"] == last:
            example["split"] = other[example["split"]]


def another_patient(examples: list[dict[str, Any]]) -> None:
    examples[0]["patient"] = "someone"


def a_missing_question(examples: list[dict[str, Any]]) -> None:
    del examples[4]


def a_swapped_type(examples: list[dict[str, Any]]) -> None:
    examples[0]["targets"]["asked"] = examples[1]["targets"]["asked"]


def a_wrong_kind(examples: list[dict[str, Any]]) -> None:
    examples[5]["targets"]["out_of_scope"] = False


def a_pool(examples: list[dict[str, Any]]) -> None:
    wording = examples[0]["targets"]["wording"]
    wording["withheld"] = not wording["withheld"]


def a_wording(examples: list[dict[str, Any]]) -> None:
    target = examples[0]
    target["targets"]["wording"]["question"] = "Wie groß ist der Tumor und wo ist {label} von der Seite?"
    say(target, f"Wie groß ist der Tumor und wo ist {target['targets']['label_text']} von der Seite?", 0)


def an_unknown_slot(examples: list[dict[str, Any]]) -> None:
    examples[0]["targets"]["wording"]["answer"] = "{label} is {colour}."


def a_target_too_few(examples: list[dict[str, Any]]) -> None:
    del examples[0]["targets"]["numbers"]


def a_target_of_another_type(examples: list[dict[str, Any]]) -> None:
    examples[0]["targets"]["regions"] = 5


def a_task(examples: list[dict[str, Any]]) -> None:
    examples[0]["task"] = "segmentation"


def another_label(examples: list[dict[str, Any]]) -> None:
    examples[0]["targets"]["label"] = "WT"


def an_image_hash(examples: list[dict[str, Any]]) -> None:
    examples[0]["images"][0]["sha256"] = "0" * 64


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (an_answer, ("/NETC/1", "does not state")),
        (a_question, ("/NETC/2", "does not state")),
        (an_empty_answer, ("/NETC/2", "no words")),
        (a_class, ("/NETC/", "does not state")),
        (an_unknown_class, ("/NETC/0", "unknown class spiky")),
        (a_region, ("/NETC/0", "left foot")),
        (a_double_id, ("/NETC/2", "two examples have this id")),
        (an_id_of_another_study, ("elsewhere/ET/0", "does not start with its study")),
        (a_leak, ("belongs to",)),
        (a_leak, ("patient BraTS-GLI-00001 is in",)),
        (another_patient, ("several patients",)),
        (another_patient, ("manifest.json", "patients")),
        (a_missing_question, ("/NETC:", "5 questions")),
        (a_missing_question, ("manifest.json", "192 examples; there are 191")),
        (a_missing_question, ("the record says 24 examples",)),
        (a_swapped_type, ("/NETC:", "two in-scope questions have one type")),
        (a_wrong_kind, ("/NETC/5", "out_of_scope does not follow")),
        (a_pool, ("/NETC/0", "withheld pool")),
        (a_wording, ("/NETC/0", "not_english")),
        (an_unknown_slot, ("/NETC/0", "cannot be filled")),
        (a_target_too_few, ("/NETC/0", "targets do not have their form")),
        (a_target_of_another_type, ("/NETC/0", "targets do not have their form")),
        (a_task, ("/NETC/0", "the task is segmentation")),
        (another_label, ("/WT", "no label of this name")),
        (an_image_hash, ("/NETC/0", "another SHA-256")),
    ],
)
def test_an_edit_that_all_hashes_agree_with(copy: BuiltSet, edit: Edit, words: tuple[str, ...]) -> None:
    rewrite(copy.folder, edit)
    report = check_folder(copy.folder)
    assert found(report, *words), report.problems


def test_a_patient_in_two_splits_across_shards(copy: BuiltSet) -> None:
    """Studies 2 (shard 0) and 3 (shard 1) are of one patient."""

    def move(examples: list[dict[str, Any]]) -> None:
        for example in examples:
            if example["study"] == "BraTS-GLI-00001-001":
                example["split"] = {"train": "test", "test": "train", "validation": "test"}[example["split"]]

    rewrite(copy.folder, move, shard=1)
    assert found(check_folder(copy.folder), "BraTS-GLI-00001-001/", "patient BraTS-GLI-00001 is in")


def test_a_study_in_two_shards(copy: BuiltSet) -> None:
    rows = [Row(*values) for values in read_rows(copy.folder / "shards" / "part-000000.parquet")]
    write_shard(copy.folder / "shards" / "part-000001.parquet", rows)
    reseal(copy.folder, 1)
    report = check_folder(copy.folder)
    assert found(report, "in two places")
    assert found(report, "manifest.json", "its 8 studies are not the 5 that are there")
    assert found(report, "record does not list the study")


def test_columns_that_do_not_repeat_the_example(copy: BuiltSet) -> None:
    shard = copy.folder / "shards" / "part-000000.parquet"
    rows = [Row(*values) for values in read_rows(shard)]
    rows[0] = rows[0]._replace(answer="Nothing.")
    rows[1] = rows[1]._replace(example="{}")
    rows[2] = rows[2]._replace(example="[" * 100_000)
    write_shard(shard, rows)
    reseal(copy.folder)
    report = check_folder(copy.folder)
    assert found(report, "row 0", "columns do not repeat")
    assert found(report, "row 1", "not an example")
    assert found(report, "row 2", "not an example")


def test_files_missing_foreign_or_changed(copy: BuiltSet) -> None:
    study = "BraTS-GLI-00000-000"
    image, mask = (copy.images / study / f"{study}-{kind}.nii.gz" for kind in ("t1c", "seg"))
    image.unlink()
    mask.write_bytes(mask.read_bytes() + b" ")
    (copy.folder / "notes.txt").write_text("hello")
    (copy.folder / "shards" / "part-000009.parquet").write_bytes(b"PAR1")
    (copy.folder / "shards" / "part-000002.parquet").unlink()
    report = check_folder(copy.folder, copy.images)
    assert found(report, study, "t1c.nii.gz is not under")
    assert found(report, study, "seg.nii.gz is not the file")
    assert found(report, "notes.txt", "not part of the set")
    assert found(report, "shards/part-000009.parquet", "not part of the set")
    assert found(report, "part-000002.parquet", "missing")
    assert not found(check_folder(copy.folder), "t1c.nii.gz")


def test_a_foreign_parquet_file_in_a_shards_place(copy: BuiltSet) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": [1]}), copy.folder / "shards" / "part-000000.parquet")
    reseal(copy.folder)
    assert found(check_folder(copy.folder), "part-000000.parquet", "not a shard of examples")


def edit_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    write_json(folder / "manifest.json", manifest | changes)


def test_an_edited_record_and_edited_counts(copy: BuiltSet) -> None:
    path = copy.folder / "shards" / "part-000000.json"
    path.write_text(path.read_text().replace("BraTS-GLI-00000", "BraTS-GLI-90000"))
    manifest = json.loads((copy.folder / "manifest.json").read_text())
    edit_manifest(copy.folder, counts=manifest["counts"] | {"studies": 9})
    report = check_folder(copy.folder)
    assert found(report, "part-000000.json", "SHA-256 differs")
    assert found(report, "manifest.json", "it counts 9 studies; there are 8")


@pytest.mark.parametrize(
    "changes",
    [
        {"shards": [{"file": "../../etc/part-000000.parquet"}]},
        {"shards": 3},
        {"counts": []},
        {"config": {"preset": {"name": "gli"}}},
        {"complete": "yes"},
        {"surprise": 1},
    ],
)
def test_a_manifest_of_another_form_is_refused(copy: BuiltSet, changes: dict[str, Any]) -> None:
    edit_manifest(copy.folder, **changes)
    with pytest.raises(FileFormatError):
        check_folder(copy.folder)


def test_no_manifest_or_an_unfinished_build(copy: BuiltSet, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        check_folder(tmp_path / "nowhere")
    edit_manifest(copy.folder, complete=False)
    with pytest.raises(IntegrityError, match=r"(?s)not finished.*run the same"):
        check_folder(copy.folder)
    (copy.folder / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(FileFormatError):
        check_folder(copy.folder)
