"""CheXmask's tables: rows found again by their bytes, against the csv module; and tables that are refused."""

from __future__ import annotations

import csv
import io
import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sagittal.errors import ConfigError, FileFormatError, LayoutError
from sagittal.io.films import byte_rows as rows_module
from sagittal.io.films.byte_rows import byte_rows, split_cells
from sagittal.io.films.chexmask import CheXmask
from sagittal.io.films.statement import FilmStatement, MaskRow
from sagittal.io.raster import picture_geometry
from sagittal.io.run_lengths import parse_runs, runs_of
from sagittal.measure.chest import STRUCTURES
from sagittal.study import Mask

NAMES = ["dicom_id", "Dice RCA (Mean)", "Dice RCA (Max)", "Landmarks", "Left Lung", "Right Lung", "Heart",
         "Height", "Width"]  # fmt: skip
COLUMNS = {"Left Lung": "left lung", "Right Lung": "right lung", "Heart": "heart"}


def dicom(number: int) -> str:
    return "-".join(f"{number * 7 + part:08x}" for part in range(5))


def runs(inside: np.ndarray) -> str:
    mask = Mask(inside[:, :, None].astype(np.uint8), picture_geometry(*inside.shape), {1: "x"})
    return runs_of(mask, "x").to_text()


def film(rng: np.random.Generator, number: int) -> dict[str, str]:
    width, height = (int(edge) for edge in rng.integers(1, 40, 2))
    made = {
        column: runs(rng.random((width, height)) < rng.choice([0.0, 0.2, 0.6, 1.0])) for column in COLUMNS
    }
    # As numpy prints landmarks: over several lines.
    landmarks = str(rng.integers(0, 1024, (int(rng.integers(1, 30)), 2)))
    return {"dicom_id": dicom(number), "Dice RCA (Mean)": str(rng.random()), "Dice RCA (Max)": "0.9",
            "Landmarks": landmarks, "Height": str(height), "Width": str(width), **made}  # fmt: skip


def table_of(films: list[dict[str, str]], **form: object) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, NAMES, **form)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(films)
    return text.getvalue()


def write(folder: Path, data: str | bytes, name: str = "MIMIC-CXR-JPG.csv") -> CheXmask:
    (folder / "OriginalResolution").mkdir(exist_ok=True)
    (folder / "OriginalResolution" / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return CheXmask(folder)


def read(source: CheXmask) -> list[FilmStatement]:
    left_out: Counter[str] = Counter()
    found = list(source.statements(left_out))
    assert not left_out
    return found


@pytest.fixture
def wide_csv() -> Iterator[None]:
    before = csv.field_size_limit(1 << 30)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("wide_csv")
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("form", [
    {}, {"lineterminator": "\n"}, {"quoting": csv.QUOTE_ALL},
    {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"},
])  # fmt: skip
def test_rows_are_what_the_csv_module_reads(tmp_path: Path, mark: str, form: dict[str, object]) -> None:
    rng = np.random.default_rng(5)
    text = mark + table_of([film(rng, number) for number in range(40)], **form)
    source = write(tmp_path, text)
    assert source.collection == "mimic-cxr"
    [path] = source.tables
    with path.open(encoding="utf-8-sig", newline="") as handle:
        slow = list(csv.DictReader(handle))
    fast = read(pickle.loads(pickle.dumps(source)))  # noqa: S301
    assert len(slow) == len(fast) == 40
    # In any order: nothing is kept between rows.
    for number in rng.permutation(40):
        statement, row = fast[number], slow[number]
        assert (statement.image, statement.rca) == (row["dicom_id"], float(row["Dice RCA (Mean)"]))
        assert (statement.size, statement.view, statement.file) == (None, None, "")
        assert isinstance(statement.masks, MaskRow)
        masks = source.masks(statement.masks)
        assert masks.size == (int(row["Width"]), int(row["Height"]))
        assert masks.runs == {name: row[column] for column, name in COLUMNS.items()}
        for name in masks.runs:
            assert name in STRUCTURES
            again = parse_runs(masks.runs[name], picture_geometry(*masks.size))
            assert runs(again.to_mask(name).data[:, :, 0]) == masks.runs[name]
        there = statement.masks
        raw = path.read_bytes()[there.offset : there.offset + there.length].decode()
        assert next(csv.DictReader([",".join(NAMES) + "\n", *raw.splitlines(keepends=True)])) == row


def test_the_last_row_may_end_without_an_end_of_line(tmp_path: Path) -> None:
    made = film(np.random.default_rng(1), 1)
    source = write(tmp_path, table_of([made]).rstrip("\r\n"))
    [statement] = read(source)
    assert isinstance(statement.masks, MaskRow)
    assert source.masks(statement.masks).runs["heart"] == made["Heart"]


def test_masks_longer_than_the_csv_module_takes(tmp_path: Path) -> None:
    made = film(np.random.default_rng(1), 1) | {"Height": "2000", "Width": "2000"}
    made["Heart"] = " ".join(f"{start} 1" for start in range(1, 60_000, 2))
    assert len(made["Heart"]) > csv.field_size_limit()
    source = write(tmp_path, table_of([made, film(np.random.default_rng(2), 2)]))
    first, second = read(source)
    assert isinstance(first.masks, MaskRow)
    assert source.masks(first.masks).runs["heart"] == made["Heart"]
    assert second.image == dicom(2)


def test_five_collections_with_ids_of_their_own(tmp_path: Path) -> None:
    ids = {
        "MIMIC-CXR-JPG.csv": ("dicom_id", dicom(1)),
        "ChestX-Ray8.csv": ("Image Index", "00000001_000.png"),
        "CheXpert.csv": ("Path", "train/patient18591/study2/view1_frontal.jpg"),
        "Padchest.csv": ("ImageID", "2168_00-163-058.png"),
        "VinDr-CXR.csv": ("image_id", "0a1b"),
    }
    for name, (column, id) in ids.items():
        made = film(np.random.default_rng(1), 1) | {"dicom_id": id}
        source = write(tmp_path, table_of([made]).replace("dicom_id", column), name)
    assert source.collection == ""
    found = read(source)
    assert [(one.collection, one.image) for one in found] == [
        ("mimic-cxr", dicom(1)), ("nih", "00000001_000.png"),
        ("chexpert", "train/patient18591/study2/view1_frontal.jpg"), ("padchest", "2168_00-163-058.png"),
        ("vindr-cxr", "0a1b"),
    ]  # fmt: skip
    assert [one.masks.table for one in found if isinstance(one.masks, MaskRow)] == [0, 1, 2, 3, 4]
    assert (found[1].file, found[2].file) == (found[1].image, found[2].image)
    assert (found[2].patient, found[2].study) == ("patient18591", "patient18591/study2")


def test_tables_are_found_in_the_folder_itself(tmp_path: Path) -> None:
    write(tmp_path, table_of([film(np.random.default_rng(1), 1)]))
    assert len(read(CheXmask(tmp_path / "OriginalResolution"))) == 1


def test_folders_without_tables(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"(?s)lacks a table.*OriginalResolution/MIMIC-CXR-JPG\.csv"):
        _ = CheXmask(tmp_path).tables
    (tmp_path / "CheXpert.csv.gz").write_bytes(b"")
    with pytest.raises(LayoutError, match=r"(?s)packed table.*gunzip CheXpert\.csv\.gz"):
        _ = CheXmask(tmp_path).tables
    # A packed table beside plain ones would be passed over otherwise.
    (tmp_path / "VinDr-CXR.csv").write_bytes(b"")
    with pytest.raises(LayoutError, match="packed table"):
        _ = CheXmask(tmp_path).tables


@pytest.mark.parametrize("column", [name for name in NAMES if name not in ("Landmarks", "Dice RCA (Max)")])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    text = table_of([film(np.random.default_rng(1), 1)])
    source = write(tmp_path, text.replace(column, "Other", 1))
    with pytest.raises(LayoutError) as caught:
        read(source)
    assert caught.value.expected == column


@pytest.mark.parametrize(("change", "words"), [
    ({"Width": "0"}, "Line 2 of MIMIC.*no picture"),
    ({"Width": "100000", "Height": "100000"}, "no picture"),
    ({"Height": ""}, "no picture"),
    ({"Height": "1.5"}, "not a whole number"),
    ({"Dice RCA (Mean)": "1.5"}, r"Line 2 of MIMIC.*rca"),
    ({"Dice RCA (Mean)": "nan"}, "not a number"),
    ({"dicom_id": ""}, "`dicom_id` is blank"),
    ({"dicom_id": "../a"}, "leads out"),
])  # fmt: skip
def test_rows_that_are_refused(tmp_path: Path, change: dict[str, str], words: str) -> None:
    source = write(tmp_path, table_of([film(np.random.default_rng(1), 1) | change]))
    with pytest.raises(FileFormatError, match=f"(?s){words}"):
        read(source)


def test_no_rca_is_not_said(tmp_path: Path) -> None:
    made = film(np.random.default_rng(1), 1) | {"Dice RCA (Mean)": ""}
    assert read(write(tmp_path, table_of([made])))[0].rca is None


@pytest.mark.parametrize("tail", ["1,2\r\n", '"a', '"a"b,' + "1," * 7 + "1\r\n", "," * 9 + "x\r\n"])
def test_rows_of_another_form_are_named(tmp_path: Path, tail: str) -> None:
    made = film(np.random.default_rng(1), 1) | {"Landmarks": ""}
    source = write(tmp_path, table_of([made]) + tail)
    with pytest.raises(FileFormatError, match=r"(?i)line 3 of MIMIC-CXR-JPG\.csv"):
        read(source)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    text = table_of([film(np.random.default_rng(1), 1)]).encode()
    source = write(tmp_path, text.replace(dicom(1).encode(), b"\xff"))
    with pytest.raises(FileFormatError, match=r"Line 2 of MIMIC.*not text"):
        read(source)


@pytest.mark.parametrize("runs_text", ["1 2; 3", "a", "-1 2", "1\t2"])
def test_masks_that_are_none(tmp_path: Path, runs_text: str) -> None:
    source = write(tmp_path, table_of([film(np.random.default_rng(1), 1) | {"Heart": runs_text}]))
    [statement] = read(source)
    assert isinstance(statement.masks, MaskRow)
    with pytest.raises(FileFormatError, match=r"(?s)row at byte \d+ of MIMIC.*`Heart`"):
        source.masks(statement.masks)


def test_a_place_where_no_row_stands(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    source = write(tmp_path, table_of([film(rng, 1), film(rng, 2)]))
    [path] = source.tables
    there = read(source)[1].masks
    assert isinstance(there, MaskRow)
    for offset, length in (
        (there.offset + 1, there.length), (there.offset - 1, there.length), (there.offset, there.length - 1),
        (there.offset, there.length + 1), (there.offset, 1 << 40), (1 << 40, 5), (0, there.length),
    ):  # fmt: skip
        with pytest.raises(FileFormatError, match="no row at this place"):
            source.masks(MaskRow(table=0, offset=offset, length=length))
    with pytest.raises(ConfigError, match="no such table"):
        source.masks(MaskRow(table=1, offset=there.offset, length=there.length))
    # A row's end that stands inside of a quoted cell is no row, either.
    path.write_text(",".join(NAMES) + '\nx,1,1,"1\n2\n3",,,,5,5\n')
    with pytest.raises(FileFormatError, match="no row at this place"):
        source.masks(MaskRow(table=0, offset=path.read_bytes().index(b"\n2\n") + 1, length=1))


def test_rows_without_end_are_not_read_to_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_ROW", 1000)
    path = tmp_path / "t.csv"
    for data in (b"a\n" + b"x" * 1001, b"a\n" + b'"x\n' + b"y\n" * 1000, b"a\n" + b"x" * 999 + b"\n"):
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match="line 2"):
            list(byte_rows(path))


def test_cells_are_what_the_csv_module_splits() -> None:
    rng = np.random.default_rng(3)
    pool = ["", "a", ",", '"', '""', "\n", "a,b", '"a"', "1 2 3", "ü"]
    for _ in range(500):
        cells = ["".join(rng.choice(pool, rng.integers(0, 4))) for _ in range(rng.integers(2, 6))]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="").writerow(cells)
        assert [cell.decode() for cell in split_cells(text.getvalue().encode())] == cells
