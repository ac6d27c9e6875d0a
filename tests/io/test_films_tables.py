"""Tables and lists that films are read from: small ones made here, and hostile ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sagittal.errors import FileFormatError, LayoutError, StorageError
from sagittal.io.films import csv_tables, json_lists
from sagittal.io.films.columns import Wanted
from sagittal.io.films.csv_tables import find_table, find_tables, read_table
from sagittal.io.films.json_lists import read_json_list
from sagittal.io.films.record import Record


def rows(path: Path, *wanted: Wanted) -> list[tuple[str, dict[str, str]]]:
    return [(record.where, dict(record.cells)) for record in read_table(path, wanted)]


def table(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_however_it_was_written(tmp_path: Path, name: str, end: str, mark: str) -> None:
    lines = ['a,"b, c",,', f'1,"x{end}y",,', "", '2,"say ""no""",,', "3,z,,"]
    path = table(tmp_path, mark + end.join(lines), name)
    assert rows(path, "a", "b, c") == [
        (f"line 2 of {name}", {"a": "1", "b, c": f"x{end}y"}),
        # A quoted cell goes on into line 3; line 4 is blank and is passed over.
        (f"line 5 of {name}", {"a": "2", "b, c": 'say "no"'}),
        (f"line 6 of {name}", {"a": "3", "b, c": "z"}),
    ]


def test_a_column_has_the_first_of_its_names(tmp_path: Path) -> None:
    path = table(tmp_path, "Sex,n\nM,1\n")
    assert rows(path, ("Gender", "Sex"), "n")[0][1] == {"Sex": "M", "n": "1", "Gender": "M"}


@pytest.mark.parametrize(("text", "words"), [
    ("", r"t\.csv lacks a column.*expected: a\n"),
    ("b,c\n1,2\n", r"lacks a column.*expected: a\n.*got: +b, c"),
    ("a,b,a\n1,2,3\n", "has a column twice.*got: +a"),
])  # fmt: skip
def test_another_table_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LayoutError, match=f"(?s){words}"):
        rows(table(tmp_path, text), "a")


@pytest.mark.parametrize(("text", "words"), [
    (b"a,b\n1\n", r"Line 2 of t\.csv.*has not 2 cells"),
    (b"a,b\n1,2\n1,2,3\n", r"Line 3 of t\.csv.*has not 2 cells"),
    (b'a,b\n1,"2\n', "damaged.*line"),
    (b'a,b\n1,"2"x\n', "damaged.*line 2"),
    (b"a,b\n1,\xff\n", "damaged.*after line 2"),
    (b"a,b\n1,2\x00\n3\r4,5\n", "damaged"),
    (b"a,b\n1," + b"x" * 200_000 + b"\n", "damaged.*field"),
])  # fmt: skip
def test_damage_is_named(tmp_path: Path, text: bytes, words: str) -> None:
    with pytest.raises(FileFormatError, match=f"(?s){words}"):
        rows(table(tmp_path, text), "a", "b")


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_tables, "MAX_LINE", 1000)
    with pytest.raises(FileFormatError, match="line 2 has more than 1000"):
        rows(table(tmp_path, "a\n" + "1" * 1001), "a")


def test_a_packed_table_that_is_cut_off_or_is_none(tmp_path: Path) -> None:
    text = "a\n" + "\n".join(map(str, range(5000)))
    path = table(tmp_path, text, "t.csv.gz")
    whole = path.read_bytes()
    assert len(rows(path, "a")) == 5000
    for data in (whole[: len(whole) // 2], whole[:-4], b"a\n1\n", whole[:40] + b"\0" * 40 + whole[80:]):
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match="damaged"):
            rows(path, "a")


def test_tables_are_found_plain_before_packed(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"(?s)lacks a table.*one\.csv or two\.csv.*an empty folder"):
        find_tables(tmp_path, "one.csv", "two.csv")
    packed = table(tmp_path, "a\n", "two.csv.gz")
    assert find_tables(tmp_path, "one.csv", "two.csv") == (packed,)
    plain = table(tmp_path, "a\n", "two.csv")
    assert find_table(tmp_path, "two.csv") == plain
    with pytest.raises(StorageError):
        find_tables(tmp_path / "not there", "one.csv")


@pytest.mark.parametrize("word", ["nan", "inf", "1_0", "１", "0x1", "1e999", "--1", "1 2", "one"])
def test_what_is_no_number(word: str) -> None:
    record = Record("line 2 of t.csv", {"x": word})
    for read in (record.number, record.whole):
        with pytest.raises(FileFormatError, match=r"(?s)Line 2 of t\.csv.*`x` is not a number"):
            read("x")


@pytest.mark.parametrize(("word", "value"), [("3", 3.0), (" 3.50 ", 3.5), ("-1e-2", -0.01), (".5", 0.5)])
def test_numbers(word: str, value: float) -> None:
    assert Record("", {"x": word}).number("x") == value
    assert Record("", {"x": " "}).number("x") is None


@pytest.mark.parametrize("word", ["-1", "1.5", "2e9"])
def test_what_is_no_whole_number(word: str) -> None:
    with pytest.raises(FileFormatError, match="not a whole number"):
        Record("", {"x": word}).whole("x")


@pytest.mark.parametrize("size", [("0", "5"), ("5", ""), ("100000", "100000"), ("-3", "4"), ("1.5", "2")])
def test_what_is_no_size(size: tuple[str, str]) -> None:
    with pytest.raises(FileFormatError):
        Record("", {"w": size[0], "h": size[1]}).size("w", "h")


@pytest.mark.parametrize("mm", [("0", "1"), ("0.1", ""), ("21", "1"), ("-0.1", "0.1"), ("nan", "nan")])
def test_what_is_no_spacing(mm: tuple[str, str]) -> None:
    with pytest.raises(FileFormatError):
        Record("", {"x": mm[0], "y": mm[1]}).spacing("x", "y")


@pytest.mark.parametrize(
    "path", ["", ".", "../a", "a/../b", "/a", "C:/a", "a\\b", "a\nb", "a/\x00", "//server/a"]
)
def test_paths_stay_in_their_folder(path: str) -> None:
    with pytest.raises(FileFormatError, match="leads out of its folder"):
        Record("", {}).path(path)


def test_half_characters_and_things_that_are_no_text() -> None:
    for value in ("\ud800", [1], {"a": 1}, True):
        with pytest.raises(FileFormatError):
            Record("", {"x": value}).words("x")


def test_an_error_shows_a_part_of_what_came() -> None:
    with pytest.raises(FileFormatError) as caught:
        Record("line 1 of t.csv", {"x": "y" * 100_000}).number("x")
    assert len(str(caught.value)) < 500


# -- lists ---------------------------------------------------------------------------------------


def json_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "l.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 18])
def test_a_list_in_pieces_is_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, chunk: int
) -> None:
    monkeypatch.setattr(json_lists, "_CHUNK", chunk)
    values = [{"n": n, "words": "ü\u2028] [{" * n, "deep": {"list": [1, {"x": [None]}]}} for n in range(9)]
    path = json_file(tmp_path, "\ufeff" + json.dumps(values, indent=indent, ensure_ascii=False) + " \n")
    assert [dict(record.cells) for record in read_json_list(path)] == values
    assert next(read_json_list(path)).where == "entry 1 of l.json"


@pytest.mark.parametrize("text", ["[]", " [ ] ", "[\n]\n"])
def test_an_empty_list(tmp_path: Path, text: str) -> None:
    assert list(read_json_list(json_file(tmp_path, text))) == []


@pytest.mark.parametrize("text", [
    "", "{}", "null", "[", "[{}", "[{},", "[{},]", "[,{}]", "[{} {}]", "[{}] x", "[{}]]", "[1]", '["a"]',
    "[[{}]]",
    '[{"a": NaN}]', '[{"a": Infinity}]', '[{"a": 1,}]', '[{"a": "\n"}]', '[{"a": 1]', b'[{"a": "\xff"}]',
    '[{"a": ' + "[" * 50_000 + "]" * 50_000 + "}]", '[{"a": ' + "9" * 5000 + "}]", b'[{"a": "\xe4',
])  # fmt: skip
def test_what_is_no_list_of_objects(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(FileFormatError, match=r"l\.json is not a JSON list of objects"):
        list(read_json_list(json_file(tmp_path, text)))


def test_an_object_without_end_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lists, "MAX_OBJECT", 1000)
    monkeypatch.setattr(json_lists, "_CHUNK", 100)
    with pytest.raises(FileFormatError, match="after entry 1"):
        list(read_json_list(json_file(tmp_path, '[{}, {"a": "' + "x" * 5000)))


def test_entries_before_the_damage_are_given(tmp_path: Path) -> None:
    found = read_json_list(json_file(tmp_path, '[{"a": 1}, {"a": 2}, oops]'))
    assert [next(found).cells["a"], next(found).cells["a"]] == [1, 2]
    with pytest.raises(FileFormatError, match="after entry 2"):
        next(found)
