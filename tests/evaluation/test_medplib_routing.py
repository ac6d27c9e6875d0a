"""Where tokens go, counted: against the routes of one forward, picture and words apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from marked_pictures import stream_of, toys, words
from sagittal.evaluation.medplib.asked import region_questions
from sagittal.evaluation.medplib.routing import (
    over_capacity,
    over_capacity_lines,
    routing_lines,
    token_shares,
)
from sagittal.evaluation.medplib.shipped import Asked
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.vlm.experts import routes_of
from sagittal.models.vlm.model import VLM
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.runtime import autocast

TOKENIZER = words()


def asked(folder: Path, experts: ExpertsConfig | None) -> Asked:
    torch.manual_seed(0)
    model = VLM(medplib_config("tiny", TOKENIZER.size, experts=experts)).eval()
    return Asked(model, stream_of(model, TOKENIZER, folder).turns, toys()[:4])


@pytest.mark.parametrize("capacity", [0.5, 2.0])
def test_shares_are_those_of_the_routes(tmp_path: Path, capacity: float) -> None:
    made = asked(tmp_path, ExpertsConfig(capacity=capacity))
    questions = region_questions(made.pictures)[:3]
    found = token_shares(made, questions)
    turn = made.turns(questions).turn
    with routes_of(made.model.language) as routes, torch.no_grad(), autocast():
        made.model(turn)
    images = turn.features.tokens.shape[2]
    for layer, route in enumerate(routes):
        for expert in range(2):
            literal = [int(r) == expert for row in route for r in row[:images]]
            assert found["image"][layer, expert] == pytest.approx(np.mean(literal))
    total = found["text"].sum(axis=1)
    assert (total <= 1).all() and (capacity < 1 or np.allclose(total, 1))


def test_a_model_without_experts_says_so(tmp_path: Path) -> None:
    assert routing_lines(asked(tmp_path, None), tmp_path) == ["This model has no experts.", ""]


def test_words_over_capacity_are_what_lacks_to_all(tmp_path: Path) -> None:
    tight, wide = (
        over_capacity(asked(tmp_path / str(capacity), ExpertsConfig(capacity=capacity)))
        for capacity in (0.5, 2.0)
    )
    assert np.allclose(wide, 0)
    # Half of a sequence fits in two halves of capacity, and pictures come first.
    assert (tight > 0.2).all()
    lines = over_capacity_lines({"tight": [tight, tight], "wide": [wide, wide]}, (1, 2))
    assert lines[-2] == "| wide | " + " | ".join([", ".join("0" for _ in wide)] * 2) + " |"
