"""The frozen tumour world as banks: each study is held against the hash it was frozen with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagittal.errors import IntegrityError
from sagittal.evaluation.frozen_world import TUMOURS, Place, make_study, places, study_hash, world_table
from sagittal.evaluation.mpllm import data
from sagittal.simulate import HeadSet, preset
from sagittal.train.tumour_bank import TumourBank

WORLD = preset("met").model_copy(update={"shape": (48, 56, 44), "spacing": (4.0, 4.0, 4.0)})


def test_the_frozen_world_has_three_hundred_studies_and_more_of_each_kind() -> None:
    table = world_table(TUMOURS)
    found = places(table)
    assert {p.world for p in found} == {"gli", "met"}
    assert all(sum(p.world == world for p in found) >= 300 for world in ("gli", "met"))
    assert set(table["frozen"]["studies"]) == {p.name for p in found}
    assert table["heads"]["split"] == "test"


@pytest.mark.parametrize("right", [True, False])
def test_a_study_that_is_not_what_was_frozen_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    heads = HeadSet.phantoms()
    chosen = [Place("met", index, WORLD, 9) for index in range(2)]
    known = {place.name: study_hash(place, make_study(place, heads)) for place in chosen}
    if not right:
        known["met/1"] = "0" * 64
    monkeypatch.setattr(data, "world_table", lambda name: {"frozen": {"studies": known}})
    make = lambda: data._make(chosen, heads, tmp_path / "met", (0, 1), lambda *told: None)  # noqa: E731
    if right:
        make()
        # A study whose labels are but scattered voxels is left out, and named.
        facts = json.loads((tmp_path / "met" / "0000" / "facts.json").read_text(encoding="utf-8"))
        assert len(facts["studies"]) + len(facts["left_out"]) == 2
        assert len(TumourBank([tmp_path / "met"])) == len(facts["studies"]) > 0
    else:
        with pytest.raises(IntegrityError, match="not what it was"):
            make()
        assert not list((tmp_path / "met").glob("0*"))
