"""Shards: nothing is lost, equal rows are equal bytes, reading is bounded and distrustful."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tumour_cases import BuiltSet

from sagittal.builders import shards
from sagittal.builders.shards import (
    Row,
    parse_example,
    read_examples,
    read_rows,
    shard_name,
    to_row,
    write_shard,
)
from sagittal.errors import FileFormatError, StorageError


def rows(count: int) -> list[Row]:
    return [
        Row(f"s/{n}", "p", "s", "train", "t", f"q{n}?", "a ü\n\u2028\0", '{"n": 1}') for n in range(count)
    ]


def test_examples_come_back_as_they_went(built_set: BuiltSet, tmp_path: Path) -> None:
    examples = list(read_examples(built_set.folder))[:50]
    write_shard(tmp_path / "a.parquet", [to_row(e) for e in examples])
    back = [parse_example(text, "here") for (text,) in read_rows(tmp_path / "a.parquet", ("example",))]
    assert back == examples


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 5000])
def test_rows_of_any_number_and_equal_bytes(tmp_path: Path, count: int) -> None:
    write_shard(tmp_path / "a.parquet", rows(count))
    write_shard(tmp_path / "b.parquet", rows(count))
    assert [Row(*values) for values in read_rows(tmp_path / "a.parquet")] == rows(count)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_reading_takes_a_batch_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_BATCH", 10)
    write_shard(tmp_path / "a.parquet", rows(1000))
    reader = read_rows(tmp_path / "a.parquet", ("id", "split"))
    assert list(itertools.islice(reader, 3)) == [(f"s/{n}", "train") for n in range(3)]
    reader.close()  # type: ignore[attr-defined]


def test_names_sort_as_numbers() -> None:
    names = [shard_name(n) for n in (0, 9, 10, 99_999, 100_000, 999_999)]
    assert names == sorted(names)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"id,question\n"])
def test_what_is_not_parquet(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(FileFormatError):
        list(read_rows(tmp_path / "a.parquet"))


def test_a_truncated_or_absent_shard(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.parquet", rows(300))
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(data[:-20])
    with pytest.raises(FileFormatError, match="damaged"):
        list(read_rows(tmp_path / "b.parquet"))
    with pytest.raises(StorageError):
        list(read_rows(tmp_path / "c.parquet"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "a"}', "nul"])
def test_what_is_not_an_example(text: str) -> None:
    with pytest.raises(FileFormatError, match="row 3 does not hold"):
        parse_example(text, "row 3")
