"""The questions for specialists are the frozen ones, and every line keeps to the schema of specialists.md."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import yaml

from sagittal.specialists.card import SpecialistCard
from sagittal.study import KINDS

HERE = Path(__file__).parent
QUESTIONS = HERE / "trigger_questions.jsonl"


def test_the_file_is_the_one_that_its_page_names():
    assert hashlib.sha256(QUESTIONS.read_bytes()).hexdigest() in (HERE / "specialists.md").read_text("utf-8")


def test_every_line_keeps_to_the_schema():
    lines = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    assert len({line["id"] for line in lines}) == len(lines) == 308
    for line in lines:
        assert set(line) == {"id", "question", "images", "looks_at", "cards", "calls", "why"}
        assert set(line["images"]) <= set(KINDS) and line["looks_at"] in ("volume", "picture")
        assert {name for name, _ in line["calls"]} <= set(line["cards"]) and line["question"].strip()
    kinds = Counter(line["why"].split(":")[0] for line in lines)
    assert kinds == {"one": 197, "none": 80, "unsuitable": 31}
    assert all(bool(line["calls"]) == line["why"].startswith("one") for line in lines)


def test_the_cards_have_every_argument_that_is_called():
    documents = yaml.safe_load_all((HERE / "trigger_cards.yaml").read_text("utf-8"))
    cards = {card.name: card for card in map(SpecialistCard.model_validate, documents)}
    lines = [json.loads(line) for line in QUESTIONS.read_text("utf-8").splitlines()]
    assert {name for line in lines for name in line["cards"]} == set(cards)
    assert all(argument in cards[name].arguments for line in lines for name, argument in line["calls"])
