"""The independent questions are the frozen ones, and every line keeps to the README's schema."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
QUESTIONS = HERE / "independent_questions.jsonl"
README = HERE / "README.md"

TASKS = frozenset(
    [
        "segment",
        "volume",
        "extent",
        "box",
        "mean",
        "snr",
        "count",
        "largest",
        "side",
        "compare",
        "ratio",
        "asymmetry",
        "share",
        "diameter",
        "change",
        "remove",
        "extract",
        "crop",
    ]
)
REASONS = frozenset(
    [
        "missing_sequence",
        "missing_session",
        "other_organ",
        "treatment",
        "prognosis",
        "diagnosis",
        "unknown_structure",
        "identity",
        "not_a_question",
        "instruction",
        "ambiguous",
    ]
)
NAMES = frozenset(
    [
        "brain",
        "intracranial_volume",
        "cerebrum",
        "hemisphere",
        "csf",
        "ventricles",
        "cerebral_white_matter",
        "cerebral_cortex",
        "lateral_ventricle",
        "inferior_lateral_ventricle",
        "third_ventricle",
        "fourth_ventricle",
        "thalamus",
        "caudate",
        "putamen",
        "pallidum",
        "hippocampus",
        "amygdala",
        "accumbens",
        "ventral_dc",
        "brainstem",
        "cerebellum",
        "cerebellum_white_matter",
        "cerebellum_cortex",
        "tumor",
        "tumor_core",
        "enhancing_tumor",
        "necrotic_core",
        "edema",
        "resection_cavity",
        "lesion",
        "white_matter_hyperintensities",
    ]
)
SEQUENCES = frozenset({"t1", "t1c", "t2", "flair", "dwi", "adc", "ct"})
UNITS = frozenset({"mL", "cm3", "mm3", "mm", "cm", "percent"})
SIDES = frozenset({"left", "right", "both", None})
FORMS = frozenset({"absolute", "percent", "direction"})
DIRECTIONS = frozenset({"height", "width", "depth", "all"})
MEASURES = frozenset({"volume", "mean", "diameter", "count", "segment"})
NEEDS_CONTRAST = frozenset({"enhancing_tumor", "necrotic_core", "tumor_core"})
NEEDS_WATER = frozenset({"edema", "white_matter_hyperintensities"})

REQUIRED = {"id", "question", "sessions", "language", "answerable", "expected"}
OPTIONAL = {"also", "two_part", "debatable", "note"}
ANSWER_REQUIRED = {"task", "of", "side", "sequence"}
ANSWER_OPTIONAL = {
    "measure",
    "form",
    "relative_to",
    "unit",
    "session",
    "threshold",
    "accept",
    "accept_of",
    "accept_form",
}


def read_questions() -> list[dict[str, Any]]:
    return [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


def one_id(record: dict[str, Any]) -> str:
    return str(record.get("id"))


RECORDS = read_questions()


def check_reason(expected: dict[str, Any]) -> None:
    assert {"reason"} <= set(expected) <= {"reason", "accept"}
    assert expected["reason"] in REASONS
    if "accept" in expected:
        assert expected["accept"]
        assert set(expected["accept"]) <= REASONS - {expected["reason"]}


def check_answer(expected: dict[str, Any], sessions: list[list[str]]) -> None:
    assert ANSWER_REQUIRED <= set(expected) <= ANSWER_REQUIRED | ANSWER_OPTIONAL
    task, objects = expected["task"], expected["of"]
    assert task in TASKS
    assert objects
    assert set(objects) | set(expected.get("accept_of", [])) <= NAMES
    assert expected["side"] in SIDES
    assert set(expected.get("accept", [])) <= TASKS
    assert expected.get("unit", "mL") in UNITS
    assert 1 <= expected.get("session", 1) <= len(sessions)
    assert (task == "share") == ("relative_to" in expected)
    assert expected.get("relative_to", "brain") in NAMES
    assert (task == "change") == ("form" in expected)
    assert expected.get("form", "percent") in FORMS
    if task == "extent":
        assert expected["measure"] in DIRECTIONS
    elif task in {"largest", "compare", "ratio", "asymmetry", "change"}:
        assert expected["measure"] in MEASURES
    else:
        assert "measure" not in expected
    if task == "ratio":
        assert len(objects) == 2
    if task == "compare":
        assert len(objects) == 2 or expected["side"] == "both"
    if task in {"mean", "snr"}:
        assert expected["sequence"] is not None

    # What is called answerable is answerable from what is given.
    if task == "change":
        assert len(sessions) >= 2
    for given in sessions:
        if expected["sequence"] is not None:
            assert expected["sequence"] in given
        if NEEDS_CONTRAST & set(objects):
            assert "t1c" in given
        if NEEDS_WATER & set(objects):
            assert {"flair", "t2"} & set(given)


def test_the_file_is_the_frozen_one() -> None:
    frozen = re.findall(r"SHA-256: `([0-9a-f]{64})`", README.read_text(encoding="utf-8"))
    assert frozen == [hashlib.sha256(QUESTIONS.read_bytes()).hexdigest()]


def test_there_are_enough_questions() -> None:
    assert len(RECORDS) >= 200
    assert sum(not record["answerable"] for record in RECORDS) >= 60
    assert sum(record["language"] != "en" for record in RECORDS) >= 20


def test_ids_are_unique_and_in_order() -> None:
    assert [record["id"] for record in RECORDS] == [f"q{n:03d}" for n in range(1, len(RECORDS) + 1)]


def test_no_question_is_asked_twice() -> None:
    plain = Counter(
        " ".join(unicodedata.normalize("NFKC", record["question"]).casefold().split()) for record in RECORDS
    )
    assert [question for question, times in plain.items() if times > 1] == []


def test_every_task_and_reason_occurs() -> None:
    assert {record["expected"]["task"] for record in RECORDS if record["answerable"]} == TASKS
    assert {record["expected"]["reason"] for record in RECORDS if not record["answerable"]} == REASONS


def test_the_readme_counts_what_is_there() -> None:
    counted = dict(re.findall(r"^\| ([a-z_]+) \| (\d+) \|$", README.read_text(encoding="utf-8"), re.M))
    actual: Counter[str] = Counter(record["language"] for record in RECORDS)
    actual.update(record["expected"]["task" if record["answerable"] else "reason"] for record in RECORDS)
    assert counted == {name: str(times) for name, times in actual.items()}


@pytest.mark.parametrize("record", RECORDS, ids=one_id)
def test_a_line_keeps_to_the_schema(record: dict[str, Any]) -> None:
    assert set(record) >= REQUIRED
    assert set(record) <= REQUIRED | OPTIONAL
    assert isinstance(record["question"], str)
    assert record["question"]
    assert re.fullmatch(r"[a-z]{2}", record["language"])
    assert record["sessions"]
    assert all(given and set(given) <= SEQUENCES for given in record["sessions"])
    assert isinstance(record["answerable"], bool)
    assert record.get("two_part", True) is True
    assert record.get("debatable", True) is True
    if record.get("debatable"):
        assert record["note"]
    if record["answerable"]:
        check_answer(record["expected"], record["sessions"])
    else:
        check_reason(record["expected"])
    if "also" in record:
        assert record["two_part"]
        assert record["answerable"]
    for part in record.get("also", []):
        if "reason" in part:
            check_reason(part)
        else:
            check_answer(part, record["sessions"])
