"""Conversations end to end: every task and every reason, run by the agent's own loop over the truth."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from voxel_cases import WORLDS, made, truth_of

from sagittal.agent.host import Host
from sagittal.agent.loop import converse
from sagittal.agent.standard import STANDARD
from sagittal.agent.syntax import parse
from sagittal.agent.toolbox import CallSite, Features
from sagittal.agent.values import rounded
from sagittal.builders.voxel.acquisition import acquisition
from sagittal.builders.voxel.structures import structure_table
from sagittal.builders.voxel.truth import OracleToolbox, Script, Truth
from sagittal.builders.voxel_tasks import (
    ALL_TASKS,
    REASONS,
    TASKS,
    UNANSWERABLE,
    VoxelConversation,
    VoxelTasksConfig,
    build_conversation,
    to_example,
    with_truth,
)
from sagittal.errors import ConfigError, InputError
from sagittal.example import Example, ProgramPart, ResultPart
from sagittal.language.voxel_wordings import VoxelWordings
from sagittal.models.voxelprompt.words import acquisition_words

LATER = [t.name for t in ALL_TASKS if t not in TASKS]
OVER_TIME = (
    "change",
    "change_diameter",
    "course",
    "series",
    "growth_rate",
    "change_signal",
    "new",
    "vanished",
)
ALL = [t.name for t in TASKS] + LATER + [u.reason for u in UNANSWERABLE]


ALL_CONFIG = VoxelTasksConfig(tasks="all")


def draw(world: str, seed: int, pool: str = "train", **given: object) -> VoxelConversation:
    study = made(world)
    rng = np.random.default_rng(seed)
    if given.get("task") in LATER:
        given = {"config": ALL_CONFIG, **given}
    return build_conversation(study.study, study.facts, rng, pool, truth=truth_of(world), **given)


def worlds_for(task: str) -> list[str]:
    if task in OVER_TIME:
        return ["growth"]
    if task == "hounsfield":
        return ["ct"]
    if task == "enhancement":
        return ["gli", "whole head"]
    if task in ("diffusion", "adc"):
        return ["restriction"]
    if task == "share_icv":
        return ["whole head"]
    return ["gli", "whole head"] if task == "parts" else [w for w in WORLDS if w != "ct"]


@pytest.mark.parametrize("task", ALL)
def test_every_task_runs_says_what_it_measured_or_abstains(task):
    for world in worlds_for(task):
        for seed in range(3):
            conversation = with_truth(draw(world, seed, task=task), truth_of(world))
            outcome = conversation.outcome
            assert outcome.warnings == (), conversation
            assert not any(f.error for f in conversation.feedback)
            assert len(conversation.feedback) == len(conversation.programs) - 1
            assert outcome.text
            for program in conversation.programs:
                assert str(parse(program)) == program
                assert {c.function for c in parse(program).calls()} <= set(STANDARD)
            if task in REASONS:
                assert (conversation.task, conversation.reason) == ("unanswerable", task)
                assert outcome.abstained
                assert outcome.measurements == ()
                assert outcome.text.startswith(REASONS[task].split("{")[0])
            else:
                assert (conversation.task, conversation.reason) == (task, "")
                assert not outcome.abstained
                states_what_it_measured(conversation)


def states_what_it_measured(conversation: VoxelConversation) -> None:
    """A number of the feedback stands in the answer, unless nothing was found."""
    text = conversation.outcome.text
    if re.search(r"\bNo \w|Neither", text):
        return
    values = [m.value for m in conversation.outcome.measurements]
    shown = [rounded(v) if not isinstance(v, str) else v for v in values if v is not None]
    assert any(v in text for v in shown), conversation


#: What is segmented beside what a question is about.
WHOLES = {
    "share_icv": {"brain", "intracranial cavity"},
    "change_signal": {"cerebral white matter"},
    "territory": {"cerebrum"},
    "target_lobe": {"cerebrum", "cerebellum", "brainstem"},
    "tentorium": {"cerebrum", "cerebellum", "brainstem"},
    "location": {"cerebrum", "cerebellum", "brainstem", "lateral ventricle", "fourth ventricle"},
}


def first_line(conversation: VoxelConversation) -> str:
    line, rest = conversation.programs[0].split("\n", 1)
    assert rest.startswith(("f = encode(", "fa = encode(", "abstain("))
    assert line.startswith('asked = "') and line.endswith('"')
    return line[len('asked = "') : -1]


@pytest.mark.parametrize("task", ALL)
def test_the_first_line_names_what_the_later_ones_use(task):
    """Its things are those that are segmented; its sequence is the first that is encoded."""
    for world in worlds_for(task):
        for seed in range(8):
            conversation = draw(world, seed, task=task)
            said, _, where = first_line(conversation).partition("; ")
            _, _, names = said.partition(": ")
            things = tuple(names.split(", ")) if names else ()
            if conversation.reason:
                assert things in ((), conversation.structures)
                continue
            segmented = {s.structure for s in conversation.segments}
            if task == "asymmetry":
                assert segmented == {f"left {things[0]}", f"right {things[0]}"}
            elif task == "parts":
                assert things == () and len(segmented) == 4
            else:
                lobes = {t for t in things if t.endswith("lobe")}
                assert (
                    segmented - WHOLES.get(task, {"brain"})
                    == set(things) - WHOLES.get(task, {"brain"}) - lobes
                )
            if where in ("first session", "last session"):
                encoded = conversation.segments[0].volumes
                visit = conversation.acquisition.visits[0 if where.startswith("first") else -1]
                assert set(encoded) <= set(visit.names)
            elif where:
                kind = conversation.volumes[conversation.segments[0].volumes[0]].kind
                assert where == structure_table().sequences[kind].name


def test_what_cannot_be_answered_anyhow_is_read_as_such():
    words = {
        "other_organ": "other organ",
        "unknown_structure": "unknown structure",
        "off_topic": "something else",
    }
    for reason, said in words.items():
        assert {first_line(draw("gli", seed, task=reason)) for seed in range(5)} == {said}


def test_programs_ask_for_what_is_given_only():
    for seed in range(150):
        conversation = draw("gli", seed)
        for call in conversation.segments:
            assert set(call.volumes) <= set(conversation.volumes)
            assert call.structure in truth_of("gli").table.structures


class Watching(OracleToolbox):
    """Notes where each ``segment`` call stood."""

    def __init__(self, truth):
        super().__init__(truth)
        self.seen: list[tuple[int, str, tuple[str, ...]]] = []

    def segment(self, features: Features, structure: str, site: CallSite):
        self.seen.append((site.index, structure, tuple(id(v) for v in features.payload)))
        return super().segment(features, structure, site)


@pytest.mark.parametrize("task", ["segment", "side", "larger", "change", "parts", "share_brain"])
def test_segment_calls_are_found_where_the_interpreter_finds_them(task):
    world = worlds_for(task)[0]
    conversation = draw(world, 4, task=task)
    toolbox = Watching(truth_of(world))
    converse(Script(conversation.programs), Host(STANDARD, toolbox), conversation.volumes)
    expected = [
        (s.call, s.structure, tuple(id(conversation.volumes[v]) for v in s.volumes))
        for s in conversation.segments
    ]
    assert toolbox.seen == expected
    assert expected


def test_a_series_lists_every_visit_in_time_order():
    given = made("growth").study
    masks = {mask.session: mask for mask in given.masks if mask.name == "lesions"}
    # A third visit, later than both, like the first.
    third = [replace(i, session="session-3") for i in given.images if i.session == "session-1"]
    study = replace(
        given,
        images=(*given.images, *third),
        masks=(*given.masks, replace(masks["session-1"], session="session-3")),
    )
    truth = Truth(study, made("growth").facts)
    config = VoxelTasksConfig(tasks="all", one_session=0, fewer_images=0)
    for seed in range(5):
        drawn = build_conversation(
            study,
            made("growth").facts,
            np.random.default_rng(seed),
            config=config,
            truth=truth,
            task="series",
        )
        found = with_truth(drawn, truth).outcome
        structure = truth.table[drawn.structures[0]]
        expected = [
            truth.voxels(structure, f"session-{n}") * study.images[0].geometry.voxel_volume / 1000
            for n in (1, 2, 3)
        ]
        volumes = [m.value for m in found.measurements if m.name == "volume"]
        assert [s.volumes[0][-1] for s in drawn.segments] == ["1", "2", "3"]
        # The third is the first again: one measurement, as they say the same of one thing.
        assert volumes[:2] == pytest.approx(expected[:2]) and expected[2] == pytest.approx(expected[0])
        listed = ", ".join(f"{rounded(v)} mL" for v in expected)
        assert listed in found.text


@pytest.mark.parametrize(("task", "kept"), [("remove", False), ("extract", True)])
def test_an_edited_image_is_the_scan_but_for_the_structure(task, kept):
    for seed in range(6):
        drawn = with_truth(draw("gli", seed, task=task, config=ALL_CONFIG), truth_of("gli"))
        if not drawn.outcome.volumes:
            assert "No " in drawn.outcome.text
            continue
        (image,) = drawn.outcome.volumes.values()
        scan = drawn.volumes[drawn.segments[0].volumes[0]]
        inside = truth_of("gli").mask(truth_of("gli").table[drawn.structures[0]], scan).data != 0
        assert (image.data[inside == kept] == scan.data[inside == kept]).all()
        assert (image.data[inside != kept] == 0).all()


def test_new_tasks_miss_what_they_need():
    """A question for Hounsfield units without a CT names the CT, and so on."""
    config = VoxelTasksConfig(tasks="all", typing=0, typos=0)
    said = Counter()
    for seed in range(300):
        drawn = draw("gli", seed, task="missing_sequence", config=config)
        name = drawn.root.split()[1]
        if name in ("hounsfield", "adc", "diffusion"):
            said[name] += 1
            kind = {"hounsfield": "CT", "adc": "ADC", "diffusion": "DWI"}[name]
            assert drawn.programs[0].endswith(f'abstain("No {kind} image was given.")')
    assert len(said) == 3


def test_a_seed_is_a_conversation():
    first = with_truth(draw("gli", 7), truth_of("gli"))
    again = with_truth(draw("gli", 7), truth_of("gli"))
    assert first.prompt == again.prompt
    assert first.programs == again.programs
    assert [f.text for f in first.feedback] == [f.text for f in again.feedback]
    assert draw("gli", 8).id != first.id


def test_shares_are_those_of_the_config():
    config = VoxelTasksConfig(unanswerable=0.5)
    drawn = [draw(("gli", "growth", "healthy")[i % 3], i, config=config) for i in range(600)]
    share = np.mean([c.task == "unanswerable" for c in drawn])
    assert abs(share - 0.5) < 0.08
    reasons = Counter(c.reason for c in drawn if c.reason)
    assert set(reasons) == set(REASONS)
    assert max(reasons.values()) < 4 * min(reasons.values())
    assert {draw("gli", i, config=VoxelTasksConfig(unanswerable=0)).reason for i in range(60)} == {""}


def test_sides_and_structures_are_all_asked_for():
    drawn = [draw("gli", i, task="volume", config=VoxelTasksConfig(pathology=0)) for i in range(500)]
    names = Counter(c.structures[0] for c in drawn)
    sides = Counter(n.split()[0] if n.split()[0] in ("left", "right") else "" for n in names.elements())
    assert min(sides["left"], sides["right"]) > 80
    known = {s.base for s in truth_of("gli").settled("", True)[0]}
    assert {truth_of("gli").table[n].base for n in names} >= known


def test_a_question_that_names_the_earlier_visit_is_about_it():
    firsts = {p.text for p in truth_of("growth").table.scans["first"]}
    lasts = {p.text for p in truth_of("growth").table.scans["last"]}
    config = VoxelTasksConfig(typing=0, typos=0, scan_named=1, one_session=0)
    seen = Counter()
    for seed in range(150):
        conversation = draw("growth", seed, task="volume", config=config)
        text = conversation.question.lower()
        number = conversation.segments[0].volumes[0][-1]
        if any(re.search(rf"\b{w}\b", text) for w in firsts):
            assert number == "1", conversation
            seen["first"] += 1
        elif any(re.search(rf"\b{w}\b", text) for w in lasts):
            assert number == "2", conversation
            seen["last"] += 1
        else:
            assert number == "2"
    assert min(seen["first"], seen["last"]) > 10


def test_a_named_sequence_is_encoded_first_and_a_missing_one_is_not_invented():
    for seed in range(60):
        conversation = draw("gli", seed, task="mean")
        (call,) = [c for c in parse(conversation.programs[1]).calls() if c.function == "mean"]
        assert conversation.segments[0].volumes[0] == call.arguments[0].id
    for seed in range(60):
        conversation = draw("gli", seed, task="missing_sequence")
        kinds = {i.kind for i in conversation.volumes.values()}
        names = truth_of("gli").table.sequences
        for kind in kinds & set(names):
            assert f"No {names[kind].name} image" not in conversation.programs[0]


def test_without_contrast_the_enhancing_part_is_not_answered():
    config = VoxelTasksConfig(fewer_images=1.0)
    for seed in range(300):
        conversation = draw("gli", seed, config=config)
        if "t1c" not in conversation.volumes and not conversation.reason:
            assert not {"enhancing tumour", "tumour core"} & {s.structure for s in conversation.segments}


def test_pools_share_no_text():
    def normal(text: str) -> str:
        return re.sub(r"\W+", " ", text.lower()).strip()

    worlds = list(WORLDS)
    texts: dict[str, set[str]] = {}
    for pool in ("train", "withheld"):
        rng = np.random.default_rng(3)
        drawn = [
            build_conversation(made(w).study, made(w).facts, rng, pool, truth=truth_of(w))
            for w in worlds * 500
        ]
        assert all(c.withheld == (pool == "withheld") for c in drawn)
        texts[pool] = {normal(c.question) for c in drawn}
        assert len(texts[pool]) > 2800
    assert texts["train"] & texts["withheld"] == set()


def test_examples_carry_the_whole_conversation():
    for seed in range(20):
        conversation = with_truth(draw("gli", seed), truth_of("gli"))
        example = to_example(conversation, made("gli").study)
        assert Example.from_json(json.loads(json.dumps(example.to_json()))) == example
        parts = [m.parts[0] for m in example.messages]
        assert [p.program for p in parts if isinstance(p, ProgramPart)] == list(conversation.programs)
        assert [p.result for p in parts if isinstance(p, ResultPart)] == [
            f.text for f in conversation.feedback
        ]
        question, *lines = example.messages[0].text.split("\n")
        assert question == conversation.question
        assert lines == list(acquisition_words(conversation.volumes).values())
        assert example.messages[-1].text == conversation.outcome.text
        assert len(example.targets["segments"]) == len(conversation.segments)
        assert example.targets["abstained"] == bool(conversation.reason)
    with pytest.raises(ConfigError):
        to_example(draw("gli", 0), made("gli").study)


def test_what_a_study_cannot_be_asked_is_an_error():
    with pytest.raises(InputError):
        draw("gli", 0, task="change")
    with pytest.raises(InputError):
        draw("gli", 0, task="no such task")


def test_images_are_named_by_kind_and_visit():
    images = made("growth").study.images
    found = acquisition(images)
    assert [visit.names for visit in found.visits] == [("t1c_1", "flair_1"), ("t1c_2", "flair_2")]
    assert list(acquisition(images[:2]).volumes) == ["t1c", "flair"]
    twice = acquisition([images[0], images[0], images[0]])
    assert list(twice.volumes) == ["t1c", "t1c_b", "t1c_c"]
    # Dates go before identifiers.
    dated = [replace(i, acquired=date(2024, 5, 1 if i.session == "session-2" else 9)) for i in images]
    assert acquisition(dated).volumes["t1c_1"].session == "session-2"
    with pytest.raises(InputError):
        acquisition([])


def test_three_hundred_conversations_a_second():
    VoxelWordings.load()
    rng = np.random.default_rng(0)
    study, facts, truth = made("gli").study, made("gli").facts, truth_of("gli")
    build_conversation(study, facts, rng, truth=truth)
    # Processor time: other people's work on this machine does not count.
    started = time.process_time()
    for _ in range(300):
        build_conversation(study, facts, rng, truth=truth)
    assert time.process_time() - started < 1.0
