"""SLAKE's questions and answers without their images."""

from __future__ import annotations

import json

import pytest

from sagittal.errors import FileFormatError, StorageError
from sagittal.train.decoder_texts import slake_pairs


def test_pairs_of_the_languages_that_are_wanted(tmp_path):
    path = tmp_path / "train.json"
    asked = [
        {"q_lang": "en", "question": "How many?", "answer": 2},
        {"q_lang": "zh", "question": "有吗？", "answer": "有"},
    ]
    path.write_text(json.dumps(asked), encoding="utf-8")
    assert slake_pairs(path) == [("How many?", "2")]
    assert slake_pairs(path, ("zh",)) == [("有吗？", "有")]


@pytest.mark.parametrize("data", [b"{}", b"[1]", b'[{"q_lang": "en"}]', b"[", b"\xff", b"null"])
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "train.json"
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="no file of SLAKE"):
        slake_pairs(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(StorageError):
        slake_pairs(tmp_path / "train.json")
