"""Text comes back as it was, no text forges a special token, and a damaged file is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.errors import ConfigError, FileFormatError, StorageError
from sagittal.language.tokenizer import EOS, MOD, PHI, SMALLEST_VOCABULARY, SPECIAL_TOKENS, Tokenizer

TEXTS = ['m = segment(f, "whole tumour")', "How large is the whole tumour?", "v = 12.5 mL"] * 4
TOKENIZER = Tokenizer.train(TEXTS, 340)
SPECIAL_IDS = {TOKENIZER.special(name) for name in SPECIAL_TOKENS}


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*SPECIAL_TOKENS, " ", "a", "<", "MOD>"])).map("".join))
def test_no_text_becomes_a_special_token(text):
    assert not SPECIAL_IDS & set(TOKENIZER.encode(text))


def test_special_tokens_are_single_and_shown_by_name():
    assert len(SPECIAL_IDS) == len(SPECIAL_TOKENS)
    ids = [*TOKENIZER.encode("encode(t1"), TOKENIZER.special(MOD), TOKENIZER.special(PHI)]
    assert TOKENIZER.decode([*ids, *TOKENIZER.encode(")"), TOKENIZER.special(EOS)]) == (
        "encode(t1<MOD><PHI>)<eos>"
    )


def test_training_merges_what_is_frequent_and_is_repeatable():
    again = Tokenizer.train(TEXTS, 340)
    assert again.to_json() == TOKENIZER.to_json()
    assert len(TOKENIZER.encode("whole tumour")) < len("whole tumour") / 3
    assert TOKENIZER.size <= 340
    assert Tokenizer.train(["other words"] * 4, 340).to_json() != TOKENIZER.to_json()


def test_digits_stand_alone():
    assert len(Tokenizer.train(["2024 2024 2024"] * 9, 400).encode("2024")) == 4


def test_size_has_a_floor():
    assert Tokenizer.train(["x"], SMALLEST_VOCABULARY).size == SMALLEST_VOCABULARY
    with pytest.raises(ConfigError, match="too small"):
        Tokenizer.train(["x"], SMALLEST_VOCABULARY - 1)


def test_a_saved_tokenizer_is_the_same(tmp_path):
    TOKENIZER.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.to_json() == TOKENIZER.to_json()
    assert loaded.encode("How large <MOD> is 12.5?") == TOKENIZER.encode("How large <MOD> is 12.5?")


def test_a_file_cannot_change_how_text_is_cut():
    document = json.loads(TOKENIZER.to_json())
    document["normalizer"] = {"type": "Lowercase"}
    document["added_tokens"] = []
    foreign = Tokenizer.from_json(json.dumps(document))
    assert foreign.to_json() == TOKENIZER.to_json()


def damaged() -> dict[str, str]:
    whole = json.loads(TOKENIZER.to_json())

    def change(**parts: object) -> str:
        return json.dumps({**whole, "model": {**whole["model"], **parts}})

    vocabulary = whole["model"]["vocab"]
    gap = {t: i + (i > 20) for t, i in vocabulary.items()}
    no_mod = {t: i for i, t in enumerate(t for t in vocabulary if t != MOD)}
    return {
        "no JSON": "{",
        "a list": "[]",
        "no model": "{}",
        "nested": "[" * 100_000,
        "gap": change(vocab=gap),
        "ids are words": change(vocab=dict.fromkeys(vocabulary, "1")),
        "ids are truth values": change(vocab={"a": False, "b": True}),
        "no special": change(vocab=no_mod),
        "strange merge": change(merges=[["q", "zz"]]),
        "merge of three": change(merges=[["a", "b", "c"]]),
        "merges are numbers": change(merges=[1, 2]),
    }


@pytest.mark.parametrize("name", list(damaged()))
def test_damaged_files_are_refused(name):
    with pytest.raises(FileFormatError):
        Tokenizer.from_json(damaged()[name])


def test_files_that_cannot_be_read_are_refused(tmp_path, monkeypatch):
    with pytest.raises(StorageError):
        Tokenizer.load(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    with pytest.raises(FileFormatError, match="not a tokenizer"):
        Tokenizer.load(tmp_path / "latin.json")
    TOKENIZER.save(tmp_path / "large.json")
    monkeypatch.setattr("sagittal.language.tokenizer._LARGEST_FILE", 100)
    with pytest.raises(FileFormatError, match="too large"):
        Tokenizer.load(tmp_path / "large.json")
