"""Rating sheets for a reader, blinded: which answers suffice (mpLLM, Table 8), which questions are valid.

A sheet is a CSV file that a spreadsheet opens as it is; its key, a file apart, says which model each
row is from. Studies come in a random order and rows within a study, too; a row's code tells neither
model nor example. The reader writes 1 (sufficient, valid) or 0 (lacking, invalid) in ``rating``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sagittal.builders.manifests import read_object
from sagittal.builders.shards import question_and_answer, read_examples
from sagittal.errors import ConfigError, FileFormatError, InputError
from sagittal.example import Example
from sagittal.files import storage_errors, write_bytes, write_json
from sagittal.splits import Split

COLUMNS = ("item", "study", "question", "answer", "rating", "comment")
Purpose = Literal["answers", "questions"]
#: The name under which the data set's own questions are rated.
QUESTIONS = "questions"
_MAX_BYTES = 200_000_000
# A cell that starts like this is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class KeyItem(BaseModel):
    """Where one row of a sheet is from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    example: str
    study: str
    model: str


class Key(BaseModel):
    """The key of a sheet: item code → where the row is from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal["sagittal.rating-key/1"] = Field(default="sagittal.rating-key/1", alias="schema")
    purpose: Purpose
    seed: int
    items: dict[str, KeyItem] = Field(min_length=1)


@dataclass(frozen=True)
class _Line:
    key: KeyItem
    question: str
    answer: str


def export_answers(
    folder: str | Path,
    answers: Mapping[str, str | Path],
    sheet: str | Path,
    key: str | Path,
    *,
    seed: int = 0,
) -> int:
    """Write a sheet of models' answers to the same questions.

    Args:
        folder: the built examples that the questions are from.
        answers: model → JSON lines, each ``{"id": example, "text": answer}``; every model must have
            answered the same examples.
        sheet: the CSV file for the reader.
        key: the JSON file that the reader must not see.
        seed: of the order and the codes.

    Returns:
        How many rows there are to rate.

    Raises:
        InputError: models answered different examples, one that the set does not have, or none.
        FileFormatError: a line is not an answer; the line is named.
    """
    if not answers:
        raise ConfigError("At least one model's answers are needed.")
    texts = {model: read_answers(path) for model, path in answers.items()}
    wanted = _same_examples(texts)
    found = {e.id: e for e in read_examples(folder) if e.id in wanted}
    unknown = sorted(wanted - set(found))
    if unknown:
        raise InputError("The set has no such example.", got=", ".join(unknown[:5]))
    lines = [
        _Line(KeyItem(example=id_, study=e.study, model=model), question_and_answer(e)[0], text[id_])
        for id_, e in found.items()
        for model, text in texts.items()
    ]
    return _write(lines, "answers", sheet, key, seed)


def export_questions(
    folder: str | Path,
    sheet: str | Path,
    key: str | Path,
    *,
    studies: int,
    split: Split = "test",
    seed: int = 0,
) -> int:
    """Write a sheet of the set's own questions, to rate their validity.

    Args:
        folder: the built examples.
        sheet, key: as for :func:`export_answers`.
        studies: how many studies to draw; all their questions are rated.
        split: which patients' studies.
        seed: of the draw, the order and the codes.

    Returns:
        How many rows there are to rate.

    Raises:
        InputError: the split has fewer studies.
    """
    by_study: dict[str, list[Example]] = {}
    for example in read_examples(folder, split):
        by_study.setdefault(example.study, []).append(example)
    if not 1 <= studies <= len(by_study):
        raise InputError(
            f"So many studies cannot be drawn from the {split} split.",
            expected=f"1 to {len(by_study)}",
            got=studies,
        )
    names = sorted(by_study)
    drawn = np.random.default_rng(seed).choice(len(names), size=studies, replace=False)
    lines = [
        _Line(KeyItem(example=e.id, study=e.study, model=QUESTIONS), *question_and_answer(e))
        for index in drawn
        for e in by_study[names[int(index)]]
    ]
    return _write(lines, "questions", sheet, key, seed)


def read_answers(path: str | Path) -> dict[str, str]:
    """Answers by example: JSON lines ``{"id": …, "text": …}``; further keys are left alone.

    Raises:
        FileFormatError: a line is not an answer, or an example is answered twice.
        StorageError: the file cannot be read.
    """
    path = Path(path)
    with storage_errors(path), path.open("rb") as handle:
        data = handle.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FileFormatError("The file of answers is too large.", expected=f"at most {_MAX_BYTES} bytes")
    answers: dict[str, str] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            id_, text = value["id"], value["text"]
            if not (isinstance(id_, str) and isinstance(text, str)):
                raise TypeError("id and text must be texts")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise FileFormatError(
                f"{path.name}, line {number} is not an answer.", expected='{"id": …, "text": …}', got=error
            ) from error
        if id_ in answers:
            raise FileFormatError(f"{path.name}, line {number} answers an example again.", got=id_)
        answers[id_] = text
    return answers


def _same_examples(texts: Mapping[str, Mapping[str, str]]) -> set[str]:
    every = set().union(*texts.values())
    for model, text in texts.items():
        missing = sorted(every - set(text))
        if missing:
            raise InputError(
                f"{model} did not answer every question that another model answered.",
                expected=f"{len(every)} answers",
                got=f"{len(text)}; missing {', '.join(missing[:5])}",
                remedy="give every model the same questions",
            )
    if not every:
        raise InputError("There are no answers to rate.")
    return every


def _write(lines: Sequence[_Line], purpose: Purpose, sheet: str | Path, key: str | Path, seed: int) -> int:
    if Path(sheet).absolute() == Path(key).absolute():
        raise ConfigError("The sheet and its key are two files.", got=sheet)
    coded = {_code(seed, line.key): line for line in lines}
    if len(coded) != len(lines):
        raise InputError("Two rows have one code.", remedy="choose another seed")
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for code, line in _shuffled(coded, seed):
        # The answer of a question that is to be rated would sway the reader.
        answer = line.answer if purpose == "answers" else ""
        writer.writerow([safe_cell(v) for v in (code, line.key.study, line.question, answer, "", "")])
    held = Key(purpose=purpose, seed=seed, items={code: coded[code].key for code in sorted(coded)})
    write_json(key, held.model_dump(by_alias=True))
    # The mark at the start tells spreadsheets that the text is UTF-8.
    write_bytes(sheet, text.getvalue().encode("utf-8-sig"))
    return len(lines)


def _code(seed: int, item: KeyItem) -> str:
    digest = hashlib.sha256(json.dumps([seed, item.example, item.model]).encode()).hexdigest()
    # A letter first: a spreadsheet would turn 12345678 or 1234e567 into a number.
    return "R" + digest[:8]


def _shuffled(coded: Mapping[str, _Line], seed: int) -> list[tuple[str, _Line]]:
    """Studies in random order, so that each is opened once; within a study, rows in random order."""
    rng = np.random.default_rng([seed, 1])
    ordered = sorted(coded.items(), key=lambda pair: (pair[1].key.study, pair[0]))
    groups = [list(group) for _, group in groupby(ordered, key=lambda pair: pair[1].key.study)]
    return [groups[g][i] for g in rng.permutation(len(groups)) for i in rng.permutation(len(groups[g]))]


def safe_cell(text: str) -> str:
    """``text`` as a cell that no spreadsheet computes: a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def read_key(path: str | Path) -> Key:
    """A sheet's key.

    Raises:
        FileFormatError: it is not one.
        StorageError: the file cannot be read.
    """
    try:
        return Key.model_validate(read_object(Path(path)))
    except ValidationError as error:
        raise FileFormatError("The file is not the key of a rating sheet.", got=f"{path}: {error}") from error


def read_sheet(path: str | Path, key: Key) -> dict[str, bool]:
    """A filled sheet: item → accepted.

    Comma or semicolon between cells, as spreadsheets of different languages save it.

    Raises:
        FileFormatError: not a sheet, or rows that are missing, foreign, doubled, unfilled or filled with
            something else than 1 and 0; every such row is named, up to twenty.
        StorageError: the file cannot be read.
    """
    path = Path(path)
    rows = _rows(path)
    faults: list[str] = []
    ratings: dict[str, bool] = {}
    for number, cells in rows:
        item, rating = cells.get("item", "").strip(), cells.get("rating", "").strip()
        if not any(value.strip() for value in cells.values()):
            continue
        if item not in key.items:
            faults.append(f"row {number}: {item!r} is not an item of this key")
        elif item in ratings:
            faults.append(f"row {number}: {item} is there twice")
        else:
            ratings[item] = rating == "1"
            if rating not in ("0", "1"):
                faults.append(f"row {number}: {item} is rated {rating!r}")
    faults += [f"{item} has no row" for item in key.items if item not in ratings]
    if faults:
        more = f"; and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise FileFormatError(
            f"{path.name} is not a wholly filled sheet.",
            expected="each item once, rated 1 or 0",
            got="; ".join(faults[:20]) + more,
            remedy="fill or mend these rows",
        )
    return ratings


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    with storage_errors(path), path.open("rb") as handle:
        data = handle.read(_MAX_BYTES + 1)
    try:
        text = data.decode("utf-8-sig")
        head = text.split("\n", 1)[0]
        delimiter = ";" if head.count(";") > head.count(",") else ","
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        names = [name.strip().lower() for name in next(reader, [])]
        if len(data) > _MAX_BYTES or not {"item", "rating"} <= set(names):
            raise ValueError(f"the first row is {', '.join(names[:8]) or 'empty'}")
        # Rows are numbered as a spreadsheet does: the head is row 1.
        return [
            (number, dict(zip(names, cells, strict=False))) for number, cells in enumerate(reader, start=2)
        ]
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise FileFormatError(
            f"{path.name} is not a rating sheet.",
            expected=f"UTF-8 CSV with the columns {', '.join(COLUMNS)}",
            got=error,
            remedy='save it as "CSV UTF-8"',
        ) from error
