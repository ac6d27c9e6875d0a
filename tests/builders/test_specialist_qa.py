"""A bank of consultations as examples: calls with their results, refusals, shares before and after."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as Picture

from sagittal.builders.consultation_bank import CASE, FIRST, CallRecord, CaseRecord, RegionRecord
from sagittal.builders.shards import read_examples
from sagittal.builders.specialist_qa.qa_set import balance, build_specialist_qa
from sagittal.cli import main
from sagittal.errors import LayoutError
from sagittal.example import CallPart, ImagePart
from sagittal.files import write_json
from sagittal.specialists.registry import specialists
from sagittal.specialists.triggers import find_triggers, numbers_of

CARDS = {name: entry.card for name, entry in specialists().entries.items()}


@pytest.fixture
def bank(tmp_path):
    home = tmp_path / "bank"
    tumour = CallRecord(
        specialist="Eyes", argument="whole tumour", picture="call0.png",
        text="Eyes(whole tumour) on axial slice 9: whole tumour in vermilion, 15.9 mL, left.",
        regions=(RegionRecord(label="whole tumour", facts=("15.9 mL", "left")),), numbers=("15.9",),
    )  # fmt: skip
    failed = CallRecord(
        specialist="DeepBET", argument="brain", text="DeepBET: no result, it failed.", failed=True
    )
    findings = CallRecord(
        specialist="ChestFindings", argument="findings", text="ChestFindings(findings):\\nEdema: no",
        classes={"Edema": (0.1, False)},
    )  # fmt: skip
    cases = {
        "head": (("t1", "flair"), "volume", (tumour, failed)), "film": (("cxr",), "picture", (findings,)),
    }  # fmt: skip
    for name, (kinds, looks_at, calls) in cases.items():
        record = CaseRecord(
            name=name, patient=f"p-{name}", split="train", source="s", licence="l", kinds=kinds,
            looks_at=looks_at, calls=calls,
        )  # fmt: skip
        (home / name).mkdir(parents=True)
        write_json(home / name / CASE, record.model_dump(mode="json"))
        for file in (FIRST, *(call.picture for call in calls if call.picture)):
            Picture.fromarray(np.zeros((9, 9, 3), np.uint8)).save(home / name / file)
    return home


def test_each_study_gives_conversations_about_itself_alone(bank, tmp_path):
    build_specialist_qa(bank, tmp_path / "qa", CARDS, talks=12)
    examples = list(read_examples(tmp_path / "qa"))
    assert len(examples) == 24 and len({one.id for one in examples}) == 24
    assert {one.task for one in examples} == {"call", "none", "declined", "alone"}
    for one in examples:
        assert one.patient == f"p-{one.study}" and one.messages[0].role == "system"
        assert all(ref.path.startswith(f"{one.study}/") for ref in one.images)
        for message in one.messages:
            for part in message.parts:
                assert not isinstance(part, ImagePart) or part.image < len(one.images)
        first = one.messages[2]
        calls = [part for part in first.parts if isinstance(part, CallPart)]
        assert [(c.specialist, c.argument) for c in calls] == [
            (t.name, t.argument) for t in find_triggers(first.text)
        ]
        assert bool(calls) == (one.task == "call") == (len(one.messages) == 5)
        kinds = "cxr (picture)" if one.study == "film" else "t1, flair (volumes)"
        assert one.messages[1].text.startswith(f"Given: {kinds}.")
        if calls:
            assert set(numbers_of(one.messages[4].text)) <= set(numbers_of(one.messages[3].text))


def test_the_same_again_and_another_with_another_seed(bank, tmp_path):
    def made(name, **more):
        build_specialist_qa(bank, tmp_path / name, CARDS, talks=6, **more)
        return [one.model_dump() for one in read_examples(tmp_path / name)]

    assert made("a") == made("b") != made("c", seed=1)


def test_shares_before_and_after():
    rows = {row["category"]: row for row in balance({"call": 60, "none": 20, "declined": 20}, {"none": 3})}
    assert rows["none"]["share"] == 0.2 and rows["none"]["balanced"] == 60
    assert rows["none"]["balanced_share"] == pytest.approx(60 / 140)
    assert sum(row["balanced_share"] for row in rows.values()) == pytest.approx(1)


def test_the_command(bank, tmp_path, capsys):
    def code(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["build", "specialist-qa", str(bank), "--out", str(tmp_path / "qa"), *arguments])
        return ended.value.code

    assert code("--frequency", "none=2") == 0
    assert "| none | " in capsys.readouterr().out and "×2" in (tmp_path / "qa" / "balance.md").read_text()
    rows = json.loads((tmp_path / "qa" / "balance.json").read_text())
    assert {row["category"] for row in rows} >= {"call", "none"}
    assert code("--frequency", "none=no") == 2
    with pytest.raises(LayoutError):
        build_specialist_qa(tmp_path / "nowhere", tmp_path / "x", CARDS)
