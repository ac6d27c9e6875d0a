"""Banks of simulated films: what is in them, how they are resumed, what damages them."""

from __future__ import annotations

import numpy as np
import pytest
from chest_ground import CONFIG, FILMS, SEED, small_bank

from sagittal.errors import FileFormatError, IntegrityError, LayoutError
from sagittal.io.films.names import FINDINGS
from sagittal.simulate.chest import simulate_films
from sagittal.train import chest_bank
from sagittal.train.chest_bank import FilmBank, make_chest_bank
from sagittal.train.packaged import packaged_table


def test_a_bank_holds_what_was_simulated():
    bank = small_bank()
    assert len(bank) == FILMS
    for number, film in enumerate(simulate_films(CONFIG, range(2), SEED)):
        assert np.array_equal(bank.film(number), film.image.data[:, :, 0].T)
        assert np.array_equal(bank.image(number).data, film.image.data)
        assert np.allclose(bank.image(number).geometry.affine, film.image.geometry.affine)
        for code, organ in enumerate(("heart", "left lung", "right lung"), start=1):
            assert np.array_equal(bank.organ(number) == code, film.organs[organ].T)
        for place, name in enumerate(FINDINGS):
            drawn = [one.inside for one in film.findings if one.name == name]
            there = (bank.finding(number) >> place) & 1 > 0
            assert np.array_equal(there, np.any(drawn, axis=0).T if drawn else np.zeros_like(there))
        facts = bank.facts[number]
        assert dict(zip(FINDINGS, facts.labels, strict=True)) == film.labels
        assert (facts.view, facts.female, facts.oedema) == (film.view, film.female, film.oedema)
        assert facts.ctr is None or 0.2 < facts.ctr < 1


def test_it_is_resumed_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(chest_bank, "BLOCK", 2)
    make_chest_bank(tmp_path / "whole", CONFIG, 4, SEED)
    # Two processes, the second first.
    make_chest_bank(tmp_path / "parts", CONFIG, 4, SEED, part=(1, 2))
    with pytest.raises(LayoutError, match="missing"):
        FilmBank.read(tmp_path / "parts")
    seen = []
    make_chest_bank(
        tmp_path / "parts", CONFIG, 4, SEED, part=(0, 2), progress=lambda *done: seen.append(done)
    )
    whole, parts = (FilmBank.read(tmp_path / name) for name in ("whole", "parts"))
    assert whole.sha256() == parts.sha256() and seen == [(1, 1)]
    # The same films, whatever the blocks.
    assert np.array_equal(whole.film(3), small_bank().film(3))


def test_another_world_is_refused_and_damage_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(chest_bank, "BLOCK", 1)
    make_chest_bank(tmp_path, CONFIG, 1, SEED)
    with pytest.raises(IntegrityError, match="another world"):
        make_chest_bank(tmp_path, CONFIG, 1, SEED + 1)
    np.save(tmp_path / "0000" / "organs.npy", np.zeros((1, 3, 3), np.uint8))
    with pytest.raises(FileFormatError, match="no block"):
        FilmBank.read(tmp_path)
    (tmp_path / "0000" / "films.json").write_text("[{}]")
    with pytest.raises(FileFormatError, match="no block"):
        FilmBank.read(tmp_path)
    with pytest.raises(LayoutError):
        FilmBank.read(tmp_path / "0000")


def test_no_split_shares_a_seed():
    table = packaged_table("chest_banks")
    assert set(table) == {"train", "validation", "test"}
    assert len({entry["seed"] for entry in table.values()}) == 3
