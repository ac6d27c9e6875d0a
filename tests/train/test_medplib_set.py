"""What MedPLIB's stages are made of: pictures from their sources, and the questions of each stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from marked_pictures import marked, speech_of, tiny, toys, words
from sagittal.train import medplib_set
from sagittal.train.medplib_set import PictureSet, learning_set, stream, validation_set
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.stages import medplib_stages

ASKED = [[("closed", "Is it?", "Yes")], [("open", "What?", "That"), ("closed", "Is it?", "No")]]


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Every source gives pictures named after it and what it was asked for."""
    told: dict[str, list[str]] = {}

    def pictures(name: str, split: str, **facts: object) -> list[MarkedPicture]:
        told.setdefault(split, []).append(name)
        boxes = [("lung", (10, 10, 40, 30))] if facts else []
        known = facts or {"modality": "unknown", "dataset": None}
        return [marked(f"{name}/{split}/{n}", boxes, **known) for n in range(2)]

    monkeypatch.setattr(medplib_set, "read_bank", lambda folders: toys()[: len(folders) - 1])
    monkeypatch.setattr(
        medplib_set, "volume_pictures", lambda data, split: pictures("ct", split, modality="CT")
    )
    monkeypatch.setattr(
        medplib_set, "film_pictures", lambda data, name, split: pictures(name, split, modality="X-Ray")
    )
    monkeypatch.setattr(medplib_set, "asked_pictures", lambda data, split: (pictures("rad", split), ASKED))
    return told


def test_questions_of_a_set_belong_to_its_pictures(sources) -> None:
    for make, split in ((learning_set, "train"), (validation_set, "validation")):
        own = make(Path("data"), Path("real"))
        names = {number: own.pictures[number].facts.name for number in own.pairs}
        assert sorted(names.values()) == [f"rad/{split}/0", f"rad/{split}/1"]
        assert [own.pairs[number] for number in sorted(own.pairs)] == ASKED
    assert sources == {"train": ["ct", "montgomery", "rad"], "validation": ["montgomery", "rad"]}


def test_real_pictures_are_learnt_from_in_several_views_and_judged_as_they_are(sources) -> None:
    own = learning_set(Path("data"), Path("real"))
    copies = [p.facts for p in own.pictures if "/turned-" in p.facts.name]
    assert len(copies) == 2 * 3 + 2 * 9 and len({f.name for f in copies}) == len(copies)
    assert {f.patient for f in copies} == {f"{n}/train/{i}" for n in ("ct", "montgomery") for i in (0, 1)}
    again = learning_set(Path("data"), Path("real"))
    assert all((a.pixels == b.pixels).all() for a, b in zip(own.pictures, again.pictures, strict=True))
    held = validation_set(Path("data"), Path("real"))
    assert not any("/turned-" in p.facts.name for p in held.pictures)


@pytest.mark.parametrize("name", list(medplib_stages().stages))
def test_each_stage_asks_its_kinds(name: str, tmp_path: Path) -> None:
    tokenizer = words()
    stage = medplib_stages().stages[name]
    pictures = PictureSet(tuple(toys()[:4]), {})
    made = stream(
        pictures, tiny(tokenizer), speech_of(tokenizer), stage, 5, tmp_path, drawn="bce" in stage.losses
    )
    kinds = {one.kind for number in range(4) for one in made(number).asked}
    wanted = {"category" if kind == "region" else kind for kind in stage.data}
    assert kinds <= wanted | ({"region"} if "region" in stage.data else set())
    assert wanted <= set(made.kinds) and (made(0).turn.pixels is not None) == ("bce" in stage.losses)
    # Of modalities that are not there nothing is kept.
    assert made.probability.sum() == pytest.approx(1)
    assert made.probability[3] == pytest.approx(0.1 / 0.8)
