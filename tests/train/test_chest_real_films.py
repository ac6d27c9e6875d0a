"""Real films to learn from, on films made up here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from sagittal.errors import FileFormatError, LayoutError
from sagittal.io.films.names import FINDINGS
from sagittal.splits import split_of
from sagittal.train.chest_films import LEFT, LUNG, NO_LUNG, RIGHT, montgomery_films, nih_films

COLUMNS = "Image Index,Finding Labels,Patient ID,Patient Gender,View Position"


def write_film(folder, name: str, lungs: list[tuple[int, int]]) -> None:
    """A film of 100 × 80 pixels whose lungs fill the given columns."""
    for kind in ("cxr", "masks"):
        (folder / "cxr_lung_masks" / kind).mkdir(parents=True, exist_ok=True)
    mask = np.zeros((80, 100), np.uint8)
    for first, last in lungs:
        mask[10:70, first:last] = 255
    film = np.full((80, 100), 120, np.uint8)
    film[mask > 0] = 60
    Pictures.fromarray(film).save(folder / "cxr_lung_masks" / "cxr" / name)
    Pictures.fromarray(mask).save(folder / "cxr_lung_masks" / "masks" / name)


def of_split(split: str) -> str:
    return next(f"MCUCXR_{n:04d}" for n in range(200) if split_of(f"MCUCXR_{n:04d}") == split)


def test_sides_follow_from_where_lungs_lie(tmp_path):
    patient = of_split("train")
    write_film(tmp_path, f"{patient}_0.png", [(10, 40), (60, 90)])
    write_film(tmp_path, f"{of_split('test')}_1.png", [(10, 40), (60, 90)])
    [film] = montgomery_films(tmp_path, "train", 50)
    assert film.patient == patient and film.codes.dtype == torch.uint8
    # 100 × 80 pixels in a square of 50: half size, 5 rows of nothing above and below.
    assert film.codes[:5].unique().tolist() == [0] and film.codes[45:].unique().tolist() == [0]
    row = film.codes[25].tolist()
    assert row[10] == RIGHT and row[35] == LEFT and row[25] == NO_LUNG and row[0] == NO_LUNG


def test_a_piece_over_the_middle_may_be_both_lungs(tmp_path):
    write_film(tmp_path, f"{of_split('train')}_0.png", [(10, 90)])
    [film] = montgomery_films(tmp_path, "train", 50)
    assert set(film.codes.unique().tolist()) == {0, NO_LUNG, LUNG}


def nih_folder(folder, rows: list[str], columns: str = COLUMNS):
    images = folder / "cxr_nih" / "images"
    images.mkdir(parents=True)
    for row in rows:
        name = row.split(",")[0].replace(".png", ".jpg")
        Pictures.fromarray(np.zeros((16, 16), np.uint8)).save(images / name)
    (folder / "cxr_nih" / "labels.csv").write_text("\n".join([columns, *rows]) + "\n")
    return folder


def test_labels_that_the_nih_does_not_have_are_not_known(tmp_path):
    patients = [str(n) for n in range(40)]
    rows = [f"{n}_0.png,Effusion|Nodule|Hernia,{n},F,AP" for n in patients]
    rows += [f"{n}_1.png,No Finding,{n},M,PA" for n in patients]
    films = nih_films(nih_folder(tmp_path, rows), "test")
    assert {film.patient for film in films} == {p for p in patients if split_of(p) == "test"} != set()
    labels = dict(zip(FINDINGS, films[0].labels, strict=True))
    assert labels["Pleural Effusion"] is True and labels["Nodule"] is True and labels["Edema"] is False
    assert labels["Fracture"] is None and labels["Lung Opacity"] is None
    assert films[0].female and films[0].view == "AP" and films[0].image().kind == "cxr"
    healthy = dict(zip(FINDINGS, films[-1].labels, strict=True))
    assert healthy["Pleural Effusion"] is False and not films[-1].female


def test_a_strange_table_and_a_missing_film_are_named(tmp_path):
    rows = [f"{n}_0.png,No Finding,{n}" for n in range(20)]
    with pytest.raises(FileFormatError, match="lacks a column"):
        nih_films(nih_folder(tmp_path / "a", rows, "Image Index,Finding Labels,Patient ID"), "train")
    made = nih_folder(tmp_path / "b", [f"{n}_0.png,No Finding,{n},F,PA" for n in range(20)])
    for path in (made / "cxr_nih" / "images").iterdir():
        path.unlink()
    with pytest.raises(LayoutError, match="missing"):
        nih_films(made, "train")
