"""Pictures of a bank are kept, and made anew when anything that they were made of has changed."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image as Picture

from sagittal.builders.consultation_bank import CASE, FIRST, CallRecord, CaseRecord
from sagittal.files import write_json
from sagittal.train import shown_pictures
from sagittal.train.shown_pictures import pictures_of


@pytest.fixture
def bank(tmp_path):
    for number, grey in enumerate((40, 200)):
        folder = tmp_path / "bank" / f"case{number}"
        folder.mkdir(parents=True)
        call = CallRecord(specialist="ChestOrgans", argument="heart", text="…", picture="call0.png")
        case = CaseRecord(
            name=folder.name, patient=str(number), split="train", source="s", licence="l", kinds=("cxr",),
            looks_at="picture", calls=(call, CallRecord(specialist="A", argument="b", text="…")),
        )  # fmt: skip
        write_json(folder / CASE, case.model_dump(mode="json"))
        for name, value in ((FIRST, grey), ("call0.png", grey + 5)):
            Picture.fromarray(np.full((20, 20, 3), value, np.uint8)).save(folder / name)
    return tmp_path / "bank"


def test_each_picture_has_a_number_and_calls_without_one_have_none(bank, tmp_path):
    found = pictures_of(bank, 16, tmp_path / "kept.npy")
    assert [places for *_, places in found.shown.cases] == [(1, None), (3, None)]
    assert found.shown.plain == {"film": [0, 2]}
    assert found.squares[:, 0, 8, 8].tolist() == [40, 45, 200, 205]


@pytest.mark.parametrize("change", ["content", "edge", "nothing"])
def test_they_are_made_anew_when_something_changed(bank, tmp_path, monkeypatch, change):
    kept, edge = tmp_path / "kept.npy", 16
    pictures_of(bank, edge, kept)
    if change == "content":
        Picture.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(bank / "case0" / FIRST)
        os.utime(bank / "case0" / FIRST, (1, 1))
    edge = 8 if change == "edge" else edge
    read = []
    monkeypatch.setattr(shown_pictures, "read_picture", lambda path: read.append(path) or real(path))
    found = pictures_of(bank, edge, kept)
    assert found.squares.shape == (4, 3, edge, edge) and bool(read) == (change != "nothing")
    assert found.squares[0, 0, edge // 2, edge // 2] == (90 if change == "content" else 40)


real = shown_pictures.read_picture
