"""Parquet shards of examples: one fixed schema, the same bytes for the same examples.

A row holds plain columns that any Parquet reader can filter and show (id, patient, study, split,
task, question, answer) and the whole example as JSON, from which nothing is lost. A shard holds a
fixed number of studies in sorted order, so its content does not depend on how it was computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from sagittal.builders.manifests import shard_paths
from sagittal.errors import FileFormatError
from sagittal.example import EXAMPLE_SCHEMA, Example
from sagittal.files import atomic_path, storage_errors
from sagittal.splits import Split

SHARD_SCHEMA = "sagittal.shard/1"
#: Rows decoded at a time when reading.
_BATCH = 256
#: Rows a row group holds; part of the format, for it shapes the bytes.
_ROW_GROUP = 4096


class Row(NamedTuple):
    """One row of a shard. ``example`` is canonical JSON; the other columns repeat parts of it."""

    id: str
    patient: str
    study: str
    split: str
    task: str
    question: str
    answer: str
    example: str


def to_row(example: Example) -> Row:
    """The row of an example."""
    text = json.dumps(
        example.to_json(), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    question, answer = question_and_answer(example)
    return Row(
        example.id, example.patient, example.study, example.split, example.task, question, answer, text
    )


def question_and_answer(example: Example) -> tuple[str, str]:
    """The words of the last user turn and of the reference answer."""
    asked = [m.text for m in example.messages if m.role == "user"]
    said = [m.text for m in example.messages if m.role == "assistant"]
    return (asked[-1] if asked else ""), (said[-1] if said else "")


def shard_name(index: int) -> str:
    """File name of shard number ``index``."""
    return f"part-{index:06d}.parquet"


def write_shard(path: Path, rows: Sequence[Row]) -> None:
    """Write rows to a Parquet file, atomically; the bytes follow from the rows and pyarrow's version.

    Raises:
        StorageError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([pa.field(name, pa.string(), nullable=False) for name in Row._fields])
    schema = schema.with_metadata({"schema": SHARD_SCHEMA, "example": EXAMPLE_SCHEMA})
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(Row._fields)
    table = pa.table([pa.array(column, pa.string()) for column in columns], schema=schema)
    with atomic_path(path) as temporary:
        pq.write_table(
            table,
            temporary,
            version="2.6",
            data_page_version="1.0",
            compression="zstd",
            compression_level=3,
            use_dictionary=["patient", "study", "split", "task"],
            row_group_size=_ROW_GROUP,
        )


def read_rows(path: Path, columns: Sequence[str] = Row._fields) -> Iterator[tuple[str, ...]]:
    """The rows of one shard in order, a few hundred in memory at a time.

    Raises:
        FileFormatError: not a shard of ours, or damaged.
        StorageError: the file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with storage_errors(path):
        handle = path.open("rb")
    with handle:
        try:
            file = pq.ParquetFile(handle)
            held = (file.schema_arrow.metadata or {}).get(b"schema", b"").decode("utf-8", "replace")
            if held != SHARD_SCHEMA or tuple(file.schema_arrow.names) != Row._fields:
                raise FileFormatError(
                    "The file is not a shard of examples.",
                    expected=SHARD_SCHEMA,
                    got=f"{path}: {held or 'none'}",
                )
            for batch in file.iter_batches(_BATCH, columns=list(columns)):
                yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        # Arrow reports damage below the page level as OSError.
        except (pa.ArrowException, OSError) as error:
            raise FileFormatError(
                "The shard is damaged.", got=f"{path}: {error}", remedy="build it again"
            ) from error


def parse_example(text: str, where: str) -> Example:
    """The example in a row's JSON.

    Raises:
        FileFormatError: not JSON, or not an example; says what does not fit.
    """
    try:
        return Example.from_json(json.loads(text))
    except (ValidationError, json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(f"{where} does not hold an example.", got=str(error)) from error


def read_examples(folder: str | Path, split: Split | None = None) -> Iterator[Example]:
    """The examples of a finished build in their fixed order, in bounded memory.

    Args:
        folder: what ``sagittal build`` made.
        split: only examples of this split.

    Raises:
        StorageError, FileFormatError, IntegrityError: no build, a damaged one, or an unfinished one.
    """
    for path in shard_paths(folder):
        for number, (held, text) in enumerate(read_rows(path, ("split", "example"))):
            if split is None or held == split:
                yield parse_example(text, f"{path.name}, row {number}")
