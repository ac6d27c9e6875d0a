"""Statements and masks of one's own: there and back, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagittal.errors import ConfigError, FileFormatError, InputError, LayoutError, StorageError
from sagittal.io.films.mask_folder import STRUCTURES, MaskFolder
from sagittal.io.films.sources import open_source
from sagittal.io.films.statement import FilmMasks, FilmQuestion, FilmStatement, MaskRow, Sign
from sagittal.io.films.statement_lines import write_statements
from sagittal.io.raster import picture_geometry
from sagittal.io.run_lengths import parse_runs
from sagittal.measure import chest

FULL = FilmStatement(
    collection="nih", image="a.png", study="s", patient="p", file="b/a.png", view="AP", sex="female",
    size=(5, 4), spacing_mm=(0.143, 0.15), labels={"Edema": True, "Mass": None}, oedema=2, graded_by="expert",
    report='Words, "quoted",\nover lines ü', ctr=0.5, cpar=0.4, marking="unable to locate heart",
    masks=FilmMasks(size=(5, 4), runs={"heart": "2 3", "left lung": ""}), rca=0.8,
    signs=(Sign(name="Mass", side="left", zone="upper", size="small", box=(1, 1, 2, 2)),),
    questions=(
        FilmQuestion(id="1", semantic="verify", content="presence", question="Is it?", answers=("no",)),
    ),
    devices=("pacemaker",),
)  # fmt: skip
BARE = FilmStatement(collection="mimic-cxr")


def statements(folder: Path) -> list[FilmStatement]:
    left_out: Counter[str] = Counter()
    found = list(open_source("statements", folder).statements(left_out))
    assert not left_out
    return found


def line(**fields: object) -> str:
    return json.dumps({"collection": "nih"} | fields)


def test_statements_there_and_back(tmp_path: Path) -> None:
    assert write_statements(tmp_path / "b.jsonl", [BARE, FULL, BARE]) == 3
    assert write_statements(tmp_path / "a.jsonl", [FULL]) == 1
    assert write_statements(tmp_path / "c.jsonl", []) == 0
    source = open_source("statements", tmp_path)
    found = statements(tmp_path)
    assert [one.masks.table for one in found if isinstance(one.masks, MaskRow)] == [0, 1]
    whole = [
        one.model_copy(update={"masks": source.masks(one.masks)}) if isinstance(one.masks, MaskRow) else one
        for one in found
    ]
    assert whole == [FULL, BARE, FULL, BARE]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_lines_however_they_end(tmp_path: Path, end: bytes) -> None:
    text = end.join(one.model_dump_json().encode() for one in (BARE, FULL, FULL))
    (tmp_path / "x.jsonl").write_bytes(b"\xef\xbb\xbf" + text)
    found = statements(tmp_path)
    source = open_source("statements", tmp_path)
    assert found[0] == BARE
    for one in found[1:]:
        assert isinstance(one.masks, MaskRow)
        assert source.masks(one.masks) == FULL.masks


@pytest.mark.parametrize(("text", "words"), [
    ("x", "the line: Invalid JSON"),
    ("[]", "the line"),
    ("{}", "collection"),
    (line(collection=""), "collection"),
    (line(unknown=1), "unknown"),
    (line(view="PL"), "view"),
    (line(oedema=4), "oedema"),
    (line(ctr=0), "ctr"),
    ('{"collection": "a", "ctr": NaN}', "ctr"),
    ('{"collection": "a", "spacing_mm": [NaN, 1]}', "spacing"),
    (line(spacing_mm=[0, 1]), "spacing"),
    (line(size=[0, 4]), "size"),
    (line(size=[100_000, 100_000]), "size"),
    (line(size=[-4, -4]), "size"),
    (line(masks={"size": [1 << 20, 1 << 20], "runs": {}}), "size"),
    (line(masks={"table": 0, "offset": 0, "length": 1}), "another source"),
    (line(file="../a.png"), "leads out"),
    (line(file="/a.png"), "leads out"),
    (line(report="\ud800"), "JSON"),
    ('{"collection": ' + "[" * 50_000, "JSON"),
    (b'{"collection": "\xff"}', "JSON"),
])  # fmt: skip
def test_lines_that_are_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "x.jsonl").write_bytes(BARE.model_dump_json().encode() + b"\n" + data + b"\n")
    with pytest.raises(FileFormatError, match=rf"(?s)Line 2 of x\.jsonl cannot be used.*{words}"):
        statements(tmp_path)


def test_places_that_hold_no_masks(tmp_path: Path) -> None:
    write_statements(tmp_path / "x.jsonl", [BARE, FULL])
    source = open_source("statements", tmp_path)
    length = len(BARE.model_dump_json(exclude_defaults=True))
    for row in (MaskRow(table=0, offset=0, length=length), MaskRow(table=0, offset=1, length=length)):
        with pytest.raises(FileFormatError, match="no row at this place"):
            source.masks(row)


def test_masks_that_are_pointed_at_are_not_written(tmp_path: Path) -> None:
    pointing = FULL.model_copy(update={"masks": MaskRow(table=0, offset=0, length=1)})
    with pytest.raises(ConfigError, match="by value"):
        write_statements(tmp_path / "x.jsonl", [FULL, pointing])
    assert list(tmp_path.iterdir()) == []


# -- mask pictures -------------------------------------------------------------------------------


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def films(folder: Path, text: str) -> MaskFolder:
    (folder / "films.csv").write_text(text, newline="")
    return MaskFolder(folder)


def only(source: MaskFolder) -> FilmStatement:
    left_out: Counter[str] = Counter()
    [one] = source.statements(left_out)
    assert not left_out
    return one


def test_the_structures_are_those_that_are_measured() -> None:
    assert STRUCTURES == chest.STRUCTURES


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_folder_of_masks(tmp_path: Path, end: str) -> None:
    rng = np.random.default_rng(2)
    drawn = {name: rng.integers(0, 256, (6, 9), dtype=np.uint8) for name in ("heart", "left lung")}
    for name, pixels in drawn.items():
        picture(tmp_path / "masks" / f"{name}, 1.png", pixels)
    source = films(tmp_path, end.join([
        "\ufeffimage,patient,view,sex,spacing_x_mm,spacing_y_mm,left lung,heart,right lung",
        'a.png,"p, 1",PA,female,0.2,0.3,"masks/left lung, 1.png","masks/heart, 1.png",',
        "sub/b.png,,,,,,,,",
    ]))  # fmt: skip
    first, second = source.statements(Counter())
    assert second == FilmStatement(collection="masks", image="sub/b.png", file="sub/b.png")
    masks = first.masks
    assert isinstance(masks, MaskRow)
    assert first == FilmStatement(
        collection="masks", image="a.png", file="a.png", patient="p, 1", view="PA", sex="female",
        spacing_mm=(0.2, 0.3), masks=masks,
    )  # fmt: skip
    found = source.masks(masks)
    assert (found.size, list(found.runs)) == ((9, 6), ["heart", "left lung"])
    for name, pixels in drawn.items():
        mask = parse_runs(found.runs[name], picture_geometry(9, 6)).to_mask(name)
        assert np.array_equal(mask.data[:, :, 0].T, pixels > 127)


def test_an_empty_mask_is_one_without_runs(tmp_path: Path) -> None:
    picture(tmp_path / "m.png", np.zeros((3, 4), np.uint8))
    source = films(tmp_path, "image,collection,heart\na.png,nih,m.png\n")
    one = only(source)
    assert one.collection == "nih" and isinstance(one.masks, MaskRow)
    assert source.masks(one.masks) == FilmMasks(size=(4, 3), runs={"heart": ""})


def test_pictures_are_opened_when_they_are_asked_for(tmp_path: Path) -> None:
    source = films(tmp_path, "image,heart\na.png,m.png\n")
    one = only(source)
    assert isinstance(one.masks, MaskRow)
    with pytest.raises(StorageError):
        source.masks(one.masks)


@pytest.mark.parametrize("pixels", [
    np.ones((3, 4), np.uint8), np.full((3, 4), 127, np.uint8), np.full((3, 4), 65535, np.uint16),
    np.dstack([np.full((3, 4), 255, np.uint8), np.zeros((3, 4, 2), np.uint8)]),
])  # fmt: skip
def test_pictures_that_are_no_masks(tmp_path: Path, pixels: np.ndarray) -> None:
    picture(tmp_path / "m.png", pixels)
    source = films(tmp_path, "image,heart\na.png,m.png\n")
    one = only(source)
    assert isinstance(one.masks, MaskRow)
    with pytest.raises(FileFormatError, match=r"m\.png is not a mask's picture"):
        source.masks(one.masks)


def test_masks_of_one_film_have_one_size(tmp_path: Path) -> None:
    picture(tmp_path / "m.png", np.zeros((3, 4), np.uint8))
    picture(tmp_path / "n.png", np.zeros((4, 3), np.uint8))
    source = films(tmp_path, "image,heart,left lung\na.png,m.png,n.png\n")
    one = only(source)
    assert isinstance(one.masks, MaskRow)
    with pytest.raises(FileFormatError, match=r"films\.csv.*different sizes"):
        source.masks(one.masks)


@pytest.mark.parametrize(
    "names", ["image", "image,Heart", "image,heart,left_lung", "file,heart", "", "image,heart,heart"]
)
def test_tables_with_other_columns(tmp_path: Path, names: str) -> None:
    source = films(tmp_path, f"{names}\na.png,m.png,n.png\n")
    with pytest.raises(LayoutError, match=r"films\.csv"):
        list(source.statements(Counter()))


@pytest.mark.parametrize("row", [
    ",PA,m.png", "../a.png,PA,m.png", "/a.png,PA,m.png", "a.png,PL,m.png", "a.png,PA,../m.png", "a.png,PA",
    "a.png,PA,m.png,x", "a.png,PA,C:/m.png",
])  # fmt: skip
def test_rows_that_are_refused(tmp_path: Path, row: str) -> None:
    source = films(tmp_path, f"image,view,heart\n{row}\n")
    with pytest.raises(FileFormatError, match=r"Line 2 of films\.csv"):
        list(source.statements(Counter()))


@pytest.mark.parametrize("fields", ["0,1", "nan,1", "1,", "99,99"])
def test_spacings_that_are_refused(tmp_path: Path, fields: str) -> None:
    source = films(tmp_path, f"image,heart,spacing_x_mm,spacing_y_mm\na.png,m.png,{fields}\n")
    with pytest.raises(InputError, match=r"Line 2 of films\.csv"):
        list(source.statements(Counter()))
