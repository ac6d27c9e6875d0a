"""Tasks asked end to end of a model that knows the truth, of one that draws nothing, of one that refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest

from sagittal.agent.loop import Outcome
from sagittal.agent.toolbox import CallSite, Features
from sagittal.asking.models import Offer
from sagittal.builders.voxel.truth import OracleToolbox, Script, Truth
from sagittal.builders.voxel_tasks import ALL_TASKS
from sagittal.errors import IntegrityError
from sagittal.evaluation.frozen_world import Place
from sagittal.evaluation.task_report import number_error, target_right, word_right
from sagittal.evaluation.tasks import Share, ask_tasks, in_turn, picked, run_tasks, task_questions
from sagittal.geometry import Geometry
from sagittal.models.checkpoint import Accepts, Card
from sagittal.simulate import HeadSet, SimulatedStudy, preset, simulate
from sagittal.study import Image, Mask

GRID = {"shape": (44, 52, 42), "spacing": (4.0, 4.0, 4.0)}
KINDS = ("t1", "t1c", "t2", "flair", "dwi", "adc", "ct", "mr")


@cache
def studies() -> tuple[tuple[Place, SimulatedStudy], ...]:
    found = []
    for name, index in (("met", 0), ("growth", 0), ("restriction", 1), ("gli", 2)):
        config = preset(name).model_copy(update=GRID)
        (made,) = simulate(config, HeadSet.phantoms(1, 4.0), [index], seed=5)
        found.append((Place(name, index, config, 5), made))
    return tuple(found)


class Knowing:
    """Writes the true programs, and draws the truth (or nothing at all)."""

    def __init__(self, questions, blind: bool = False) -> None:
        self.programs = {q.question: q.conversation.programs for each in questions for q in each}
        self.blind, self.asked = blind, 0

    def check(self, images: Sequence[Image]) -> None:
        pass

    def session(self, question: str, volumes: Mapping[str, Image]):
        self.asked += 1
        first = next(iter(volumes.values()))
        made = next(m for _, m in studies() if any(i.data is first.data for i in m.study.images))
        truth = Truth(made.study, made.facts)
        return Script(self.programs[question]), Blind(truth) if self.blind else OracleToolbox(truth)


class Blind(OracleToolbox):
    def segment(self, features: Features, structure: str, site: CallSite) -> Mask:
        mask = super().segment(features, structure, site)
        return Mask(np.zeros_like(mask.data), mask.geometry, mask.labels, mask.name, mask.session)


def offer(model, kinds=KINDS) -> Offer:
    card = Card(
        name="toy", summary="a toy", licence="Apache-2.0", data=("none",), recipe="none", limits=("a toy",),
        accepts=Accepts(kinds=kinds, most_volumes=8, most_sessions=4),
    )  # fmt: skip
    return Offer("toy", card, lambda: model)


def test_questions_are_the_same_each_time_and_of_every_task_that_the_studies_allow():
    first, again = (
        list(task_questions(studies(), {"volume": Share(3), "box": Share(2, ("met",))}, Share(1)))
        for _ in range(2)
    )
    assert [[q.question for q in each] for each in first] == [[q.question for q in each] for each in again]
    tasks = [q.conversation.task for each in first for q in each]
    # One a study at most, and as many in all, of the worlds that are named.
    assert tasks.count("volume") == 3
    assert [q.study for each in first for q in each if q.conversation.task == "box"] == ["met/0"]
    missing = {t.name for t in ALL_TASKS} - set(tasks)
    assert missing <= {"hounsfield", "share_icv"}
    assert max(tasks.count(t) for t in set(tasks) - {"volume"}) == 1


def test_who_knows_the_truth_is_right_throughout():
    asked = list(task_questions(studies(), {}, Share(2)))
    model = Knowing(asked)
    for questions in asked:
        for record in ask_tasks(model, questions):
            assert record["exact"] and not record["abstained"], record
            assert number_error(record) in (None, 0), record
            assert word_right(record) in (None, True)
            assert target_right(record) in (None, True)


def test_who_draws_nothing_is_not_right():
    asked = list(task_questions(studies(), {}, Share(2)))
    model = Knowing(asked, blind=True)
    records = [r for questions in asked for r in ask_tasks(model, questions)]
    volumes = [number_error(r) for r in records if r["task"] == "volume" and number_error(r) is not None]
    assert volumes and min(e for e in volumes if e) == 100
    targets = [r for r in records if target_right(r) is not None and r["picked"]["meant"]]
    assert targets and not any(target_right(r) for r in targets)


@pytest.mark.parametrize(("drawn", "held"), [(0, []), (9, []), (10, [0])])
def test_a_piece_is_picked_from_a_tenth_of_it_on(drawn, held):
    """Two true pieces of 100 voxels, the first of which is meant; so many voxels of it are drawn."""
    whole, meant, part = np.zeros((3, 40, 10, 10), np.uint8)
    whole[[*range(10), *range(20, 30)], :, 0] = 1
    meant[:10, :, 0] = 1
    part[:drawn, 0, 0] = 1
    whole_mask, meant_mask, drawn_mask = (
        Mask(data, Geometry(data.shape, np.eye(4)), {1: "lesion"}) for data in (whole, meant, part)
    )

    def outcome(**masks: Mask) -> Outcome:
        return Outcome("", False, None, (), masks, {}, (), (), ())

    truth = outcome(m=whole_mask, g=meant_mask)
    assert picked(truth, outcome(g=drawn_mask)) == {"pieces": [2], "meant": [0], "drawn": held}
    assert picked(truth, outcome()) == {"pieces": [2], "meant": [0], "drawn": []}
    assert picked(outcome(m=whole_mask), outcome(g=drawn_mask)) is None


def test_a_run_goes_on_and_keeps_to_its_model(tmp_path):
    asked = list(task_questions(studies(), {}, Share(1)))
    model = Knowing(asked)
    out, what = tmp_path / "run", {"model": "toy"}
    run = {"shares": {}, "default": Share(1)}
    first = run_tasks(offer(model), studies(), out, what, **run)
    assert model.asked == len(first) == sum(map(len, asked))
    (out / "cases" / "restriction_1.json").unlink()
    again = run_tasks(offer(model), studies(), out, what, **run)
    assert json.dumps(again) == json.dumps(first)
    assert model.asked == len(first) + len(asked[2])
    with pytest.raises(IntegrityError):
        run_tasks(offer(model), studies(), out, {"model": "other"}, **run)


def test_studies_that_the_card_does_not_take_are_not_asked_about(tmp_path):
    asked = list(task_questions(studies(), {}, Share(1)))
    model = Knowing(asked)
    records = run_tasks(
        offer(model, ("t1", "t1c", "t2", "flair")),
        studies(),
        tmp_path / "run",
        {},
        shares={},
        default=Share(1),
    )
    refused = [r for r in records if r["abstained"]]
    assert {r["study"] for r in refused} == {"restriction/1"}
    assert all("does not know" in r["text"] and not r["exact"] for r in refused)


def test_worlds_take_turns():
    places = [
        Place(world, n, preset(world), 1)
        for world in ("met", "wmh", "gli")
        for n in range(2 + (world == "wmh"))
    ]
    assert [p.name for p in in_turn(places)] == [
        "met/0", "wmh/0", "gli/0", "met/1", "wmh/1", "gli/1", "wmh/2",
    ]  # fmt: skip
