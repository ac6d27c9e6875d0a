"""Rating sheets: blinded, safe in a spreadsheet, read back with row numbers, scored as by hand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tumour_cases import BuiltSet

from sagittal.builders.rating import score_sheets, to_markdown
from sagittal.builders.rating_sheet import export_answers, export_questions, read_key, safe_cell
from sagittal.builders.shards import read_examples
from sagittal.errors import ConfigError, FileFormatError, InputError


def write_answers(path: Path, answers: Iterable[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"id": i, "text": t, "seconds": 1}) + "\n" for i, t in answers))
    return path


def rows_of(sheet: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sheet.read_bytes().decode("utf-8-sig"), newline="")))


def fill(sheet: Path, out: Path, ratings: dict[str, str], delimiter: str = ",") -> Path:
    """What a reader's spreadsheet would save."""
    rows = rows_of(sheet)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {"rating": ratings[row["item"]], "comment": "a, b; c"})
    out.write_bytes(text.getvalue().encode("utf-8-sig"))
    return out


@pytest.fixture
def exported(built_set: BuiltSet, tmp_path: Path) -> tuple[Path, Path, list[str]]:
    """Sheet and key of two models' answers to 20 questions of three studies."""
    ids = [e.id for e in read_examples(built_set.folder)][:60:3]
    good = write_answers(tmp_path / "good.jsonl", [(i, f"Good answer {i}") for i in ids])
    poor = write_answers(tmp_path / "poor.jsonl", [(i, "=cmd|' /C calc'!A0") for i in reversed(ids)])
    sheet, key = tmp_path / "sheet.csv", tmp_path / "key.json"
    assert export_answers(built_set.folder, {"good": good, "poor": poor}, sheet, key, seed=4) == 40
    return sheet, key, ids


def test_the_sheet_is_blinded_shuffled_and_the_same_every_time(
    built_set: BuiltSet, exported: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    sheet, key, ids = exported
    rows = rows_of(sheet)
    assert list(rows[0]) == ["item", "study", "question", "answer", "rating", "comment"]
    assert len({row["item"] for row in rows}) == 40
    assert "poor" not in sheet.read_text() and "good" not in sheet.read_text()
    held = read_key(key).items
    assert {row["item"] for row in rows} == set(held)
    assert sorted((k.example, k.model) for k in held.values()) == sorted(
        (i, m) for i in ids for m in ("good", "poor")
    )
    # Rows of a study stay together; models alternate irregularly.
    studies = [row["study"] for row in rows]
    assert len([1 for a, b in pairwise(studies) if a != b]) == len(set(studies)) - 1
    models = [held[row["item"]].model for row in rows]
    assert 5 < sum(a != b for a, b in pairwise(models)) < 39
    first = tmp_path / "again.csv"
    answers = {"good": tmp_path / "good.jsonl", "poor": tmp_path / "poor.jsonl"}
    export_answers(built_set.folder, answers, first, tmp_path / "again.json", seed=4)
    assert first.read_bytes() == sheet.read_bytes()
    export_answers(built_set.folder, answers, first, tmp_path / "again.json", seed=5)
    assert first.read_bytes() != sheet.read_bytes()


def test_no_cell_is_a_formula(exported: tuple[Path, Path, list[str]]) -> None:
    for row in rows_of(exported[0]):
        assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for value in row.values())
    assert "'=cmd" in exported[0].read_text()
    assert exported[0].read_bytes().startswith(b"\xef\xbb\xbf")
    assert [safe_cell(t) for t in ("=1", "+1", "-1", "@a", "\ta", "1-5%", "<1%", "")] == [
        "'=1", "'+1", "'-1", "'@a", "'\ta", "1-5%", "<1%", "",
    ]  # fmt: skip
    # A code that a spreadsheet would read as a number would come back changed.
    assert all(row["item"].startswith("R") for row in rows_of(exported[0]))


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_scores_are_those_counted_by_hand(
    exported: tuple[Path, Path, list[str]], tmp_path: Path, delimiter: str
) -> None:
    sheet, key, ids = exported
    items = read_key(key).items
    accepted = {"good": set(ids[:15]), "poor": {*ids[:4], ids[19]}}
    ratings = {code: str(int(k.example in accepted[k.model])) for code, k in items.items()}
    filled = fill(sheet, tmp_path / "filled.csv", ratings, delimiter)
    scores = score_sheets({"reader": filled}, key)
    held = scores["readers"]["reader"]
    assert held["models"]["good"]["rate"] == 15 / 20
    assert held["models"]["poor"]["accepted"] == 5
    assert held["models"]["poor"]["wilson"] == pytest.approx(wilson(5, 20), abs=1e-6)
    (pair,) = held["paired"]
    assert (pair["models"], pair["only_first"], pair["only_second"]) == (["good", "poor"], 11, 1)
    assert pair["difference"] == pytest.approx(-0.5)
    assert pair["mcnemar_p"] == pytest.approx(2 * (1 + 12) / 2**12)
    assert scores["agreement"] is None
    assert scores["studies"] == 3
    low, high = held["models"]["good"]["bootstrap_by_study"]
    assert low <= 15 / 20 <= high
    assert "McNemar" in to_markdown(scores)


def wilson(accepted: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    p = accepted / n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def test_two_readers_agree_as_by_hand(exported: tuple[Path, Path, list[str]], tmp_path: Path) -> None:
    sheet, key, _ = exported
    codes = sorted(read_key(key).items)
    one = {code: str(int(n < 20)) for n, code in enumerate(codes)}
    two = {code: str(int(5 <= n < 30)) for n, code in enumerate(codes)}
    sheets = {"a": fill(sheet, tmp_path / "a.csv", one), "b": fill(sheet, tmp_path / "b.csv", two)}
    agreement = score_sheets(sheets, key)["agreement"]
    assert (agreement["both"], agreement["only_first"], agreement["only_second"], agreement["neither"]) == (
        15, 5, 10, 10,
    )  # fmt: skip
    assert agreement["observed"] == 25 / 40
    chance = 0.5 * 0.625 + 0.5 * 0.375
    assert agreement["cohen_kappa"] == pytest.approx((25 / 40 - chance) / (1 - chance))
    assert "Cohen" in to_markdown(score_sheets(sheets, key))


def test_faults_in_a_filled_sheet_are_named_by_row(
    exported: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    sheet, key, _ = exported
    codes = [row["item"] for row in rows_of(sheet)]
    ratings = dict.fromkeys(codes, "1")

    def reading(edit: object, **changes: str) -> str:
        filled = fill(sheet, tmp_path / "filled.csv", ratings | changes)
        lines = filled.read_bytes().split(b"\r\n")
        edit(lines)  # type: ignore[operator]
        filled.write_bytes(b"\r\n".join(lines))
        with pytest.raises(FileFormatError) as caught:
            score_sheets({"reader": filled}, key)
        return str(caught.value)

    def nothing(lines: list[bytes]) -> None:
        pass

    text = reading(nothing, **{codes[0]: "", codes[3]: "yes", codes[38]: "2"})
    assert f"row 2: {codes[0]} is rated ''" in text
    assert f"row 5: {codes[3]} is rated 'yes'" in text
    assert f"row 40: {codes[38]} is rated '2'" in text
    assert f"{codes[6]} has no row" in reading(lambda lines: lines.pop(7))
    assert f"row 3: {codes[0]} is there twice" in reading(lambda lines: lines.insert(2, lines[1]))
    assert "row 2: 'R00000000' is not an item" in reading(
        lambda lines: lines.__setitem__(1, lines[1].replace(codes[0].encode(), b"R00000000"))
    )
    assert "is not a rating sheet" in reading(lambda lines: lines.__setitem__(0, b"a,b"))
    assert "is not a rating sheet" in reading(lambda lines: lines.__setitem__(3, b'"open'))
    assert "UTF-8" in reading(lambda lines: lines.__setitem__(3, "Größe".encode("latin-1")))
    # A blank line at the end is what spreadsheets leave; it is no fault.
    filled = fill(sheet, tmp_path / "filled.csv", ratings)
    filled.write_bytes(filled.read_bytes() + b",,,,,\r\n\r\n")
    assert score_sheets({"reader": filled}, key)["items"] == 40


def test_a_sheet_of_another_key_is_refused(
    built_set: BuiltSet, exported: tuple[Path, Path, list[str]], tmp_path: Path
) -> None:
    sheet, key, _ = exported
    ratings = dict.fromkeys(read_key(key).items, "1")
    filled = fill(sheet, tmp_path / "filled.csv", ratings)
    answers = {"good": tmp_path / "good.jsonl", "poor": tmp_path / "poor.jsonl"}
    export_answers(built_set.folder, answers, tmp_path / "s2.csv", tmp_path / "k2.json", seed=9)
    with pytest.raises(FileFormatError, match="not an item of this key"):
        score_sheets({"reader": filled}, tmp_path / "k2.json")
    (tmp_path / "k3.json").write_text('{"items": {}}')
    with pytest.raises(FileFormatError, match="not the key"):
        score_sheets({"reader": filled}, tmp_path / "k3.json")
    with pytest.raises(ConfigError, match="One or two"):
        score_sheets({"a": filled, "b": filled, "c": filled}, key)


def test_models_must_answer_the_same_questions(built_set: BuiltSet, tmp_path: Path) -> None:
    ids = [e.id for e in read_examples(built_set.folder)][:4]
    full = write_answers(tmp_path / "full.jsonl", [(i, "a") for i in ids])
    part = write_answers(tmp_path / "part.jsonl", [(i, "a") for i in ids[:3]])
    targets = (tmp_path / "s.csv", tmp_path / "k.json")
    with pytest.raises(InputError, match=f"(?s)part did not answer.*{ids[3]}"):
        export_answers(built_set.folder, {"full": full, "part": part}, *targets)
    strange = write_answers(tmp_path / "strange.jsonl", [("nobody/ET/0", "a")])
    with pytest.raises(InputError, match="nobody/ET/0"):
        export_answers(built_set.folder, {"m": strange}, *targets)
    for line in ("{", '{"id": "a"}', '{"id": 3, "text": "a"}', "[]", "\xff"):
        strange.write_bytes(b'{"id": "x", "text": "y"}\n\n' + line.encode("latin-1"))
        with pytest.raises(FileFormatError, match="line 3"):
            export_answers(built_set.folder, {"m": strange}, *targets)
    write_answers(strange, [(ids[0], "a"), (ids[0], "b")])
    with pytest.raises(FileFormatError, match="line 2 answers an example again"):
        export_answers(built_set.folder, {"m": strange}, *targets)
    with pytest.raises(InputError, match="no answers"):
        export_answers(built_set.folder, {"m": write_answers(strange, [])}, *targets)
    with pytest.raises(ConfigError, match="two files"):
        export_answers(built_set.folder, {"m": full}, targets[0], targets[0])
    assert not targets[0].exists()


def test_question_validity(built_set: BuiltSet, tmp_path: Path) -> None:
    splits = {e.split for e in read_examples(built_set.folder)}
    split = sorted(splits)[0]
    sheet, key = tmp_path / "s.csv", tmp_path / "k.json"
    rows = export_questions(built_set.folder, sheet, key, studies=1, split=split)
    assert rows == 24
    assert {row["answer"] for row in rows_of(sheet)} == {""}
    filled = fill(sheet, tmp_path / "f.csv", dict.fromkeys(read_key(key).items, "1"))
    scores = score_sheets({"radiologist": filled}, key)
    assert scores["purpose"] == "questions"
    assert scores["readers"]["radiologist"]["models"]["questions"]["rate"] == 1
    assert scores["readers"]["radiologist"]["models"]["questions"]["bootstrap_by_study"] is None
    with pytest.raises(InputError, match="So many studies"):
        export_questions(built_set.folder, sheet, key, studies=100, split=split)
