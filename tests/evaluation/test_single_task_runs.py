"""Single-task comparison: networks from disk, runs that resume, words read, tables by hand."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from sagittal.asking.models import Offer
from sagittal.builders.voxel.characterised import (
    CHARACTERISATIONS,
    Characterised,
    characterisation,
    characterised,
)
from sagittal.builders.voxel.truth import Script, Truth
from sagittal.errors import ConfigError, InputError, IntegrityError, StorageError
from sagittal.evaluation.frozen_world import TASKS, Place, places, world_hash, world_table
from sagittal.evaluation.runs import run_cases
from sagittal.evaluation.single_task import (
    Named,
    asked,
    characterisers,
    network_folder,
    run_targets,
    run_words,
    target_cases,
    word_cases,
)
from sagittal.evaluation.single_task_tables import dice_lines, word_lines
from sagittal.geometry import Geometry
from sagittal.measure.block import block_of
from sagittal.measure.intensity import relative_intensity, surroundings
from sagittal.models.checkpoint import Accepts, Card
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.preparation import PreparationConfig
from sagittal.models.voxelprompt.single_task import (
    SingleTaskConfig,
    open_characteriser,
    open_target_eyes,
    save_single_task,
)
from sagittal.nn.single_task import SingleTaskClassifier, SingleTaskUNet
from sagittal.score.cases import Case
from sagittal.score.overlap import Overlap
from sagittal.score.paired import paired
from sagittal.score.segmentation import Record
from sagittal.simulate import HeadSet, preset, simulate
from sagittal.splits import split_of
from sagittal.study import Image, Mask
from sagittal.train.single_task import TARGETS

VISION = VoxelPromptConfig.preset("tiny").vision
PREPARATION = PreparationConfig(working_mm=6.0)
SMALL = {"shape": (40, 46, 36), "spacing": (4.5, 4.5, 4.5)}
STEP = 6.0
GRID = Geometry((28, 32, 26), np.diag([STEP, STEP, STEP, 1.0]))


def rows_of(lines):
    """First column → the other cells, of every table row."""
    cells = ([c.strip() for c in line.split("|")[1:-1]] for line in lines if line.startswith("| "))
    return {first: rest for first, *rest in cells}


# -- networks on disk -----------------------------------------------------------------------------


def save_unet(networks, target, seed=0):
    torch.manual_seed(seed)
    network = SingleTaskUNet(VISION).eval()
    config = SingleTaskConfig(task=target, vision=VISION, preparation=PREPARATION)
    save_single_task(network_folder(networks, target), network, config, data=["made up"], recipe="a test")
    return network


def save_classifier(networks, task, seed=0):
    torch.manual_seed(seed)
    network = SingleTaskClassifier(VISION, len(task.classes)).eval()
    torch.nn.init.normal_(network.head.weight)
    config = SingleTaskConfig(task=task.name, classes=task.classes, vision=VISION, preparation=PREPARATION)
    save_single_task(network_folder(networks, task.name), network, config, data=["made up"], recipe="a test")
    return network


def a_case(name="met/100", structures=("whole tumour",), source="simulated met"):
    at = np.indices(GRID.shape) - np.reshape([n / 2 for n in GRID.shape], (3, 1, 1, 1))
    inside = (at**2).sum(axis=0) < 11**2
    head = np.where(inside, 50 + at[0], 0).astype(np.float32)
    mask = (inside & (at[0] > 3)).astype(np.uint8)
    truth = {s: Mask(mask, GRID, {1: s}, s) for s in structures}
    return Case(name, source, (Image(head, GRID, "t1", "t1"), Image(head, GRID, "flair", "flair")), truth)


def test_a_network_comes_back_from_disk(tmp_path):
    network = save_unet(tmp_path, "whole tumour")
    eyes = open_target_eyes(network_folder(tmp_path, "whole tumour"))
    for a, b in zip(eyes.network.state_dict().values(), network.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b.half().float())
    masks = eyes(a_case().images, ["whole tumour"])
    assert masks["whole tumour"].geometry.same_grid(GRID) and masks["whole tumour"].labels == {
        1: "whole tumour"
    }
    # The order of the images on one grid does not matter.
    back = eyes(a_case().images[::-1], ["whole tumour"])["whole tumour"]
    np.testing.assert_array_equal(back.data, masks["whole tumour"].data)
    with pytest.raises(InputError, match="draws one structure"):
        eyes(a_case().images, ["hippocampus"])
    with pytest.raises(ConfigError, match="names no class"):
        open_characteriser(network_folder(tmp_path, "whole tumour"))


def test_a_classifier_comes_back_from_disk(tmp_path):
    task = characterisation("location")
    save_classifier(tmp_path, task)
    reader = open_characteriser(network_folder(tmp_path, "location"))
    assert reader(a_case().images) in task.classes
    assert reader(a_case().images[::-1]) == reader(a_case().images)
    with pytest.raises(ConfigError, match="draws nothing"):
        open_target_eyes(network_folder(tmp_path, "location"))


# -- masks ----------------------------------------------------------------------------------------


def test_only_targets_that_are_there_are_drawn():
    case = a_case(structures=("whole tumour", "oedema", "hippocampus"))
    case.truth["hippocampus"] = Mask(np.zeros(GRID.shape, np.uint8), GRID, {1: "hippocampus"})
    healthy = a_case("healthy/100", ())
    [kept] = target_cases([case, healthy])
    assert list(kept.truth) == ["whole tumour"] and len(kept.images) == 2


def test_a_run_of_networks_is_resumed_and_read_back(tmp_path):
    for n, target in enumerate(("whole tumour", "hippocampus")):
        save_unet(tmp_path / "nets", target, n)
    cases = [a_case("met/100"), a_case("met/101", ("hippocampus", "whole tumour"))]
    targets, told = ("hippocampus", "whole tumour"), []

    def run():
        return run_targets(
            tmp_path / "nets", target_cases(cases), tmp_path / "out", "toy", targets=targets,
            progress=lambda name, dice: told.append(name),
        )  # fmt: skip

    first, again = run(), run()
    assert told == ["met/100", "met/101"] and again.records == first.records
    assert set(first.manifest["sha256"]) == set(targets)
    with pytest.raises(IntegrityError, match="another run"):
        run_targets(tmp_path / "nets", cases, tmp_path / "out", "toy", targets=targets[1:])
    with pytest.raises(StorageError):
        run_targets(tmp_path / "nets", cases, tmp_path / "other", "toy", targets=("lateral ventricle",))


# -- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "text", "word"),
    [
        ("diffusion restriction", "Diffusion in the lesion: not restricted.", "not restricted"),
        ("diffusion restriction", "Diffusion in the lesion: restricted.", "restricted"),
        ("diffusion restriction", "It is shine-through.", "not restricted"),
        ("diffusion restriction", "Restricted here, not restricted there.", None),
        ("contrast enhancement", "Contrast uptake of the lesion: Not enhancing.", "not enhancing"),
        ("contrast enhancement", "I cannot tell.", None),
        ("signal intensity", "The lesion is hyperintense on FLAIR.", "hyperintense"),
        ("location", "The location of the lesion: frontal lobe.", "frontal lobe"),
        ("vascular territory", "The arterial territory of the lesion: MCA.", "MCA"),
        ("vascular territory", "MCAs", None),
    ],
)
def test_words_are_read(task, text, word):
    assert characterisation(task).read(text) == word


def test_every_class_reads_as_itself():
    assert [t.name for t in CHARACTERISATIONS] == [
        "signal intensity", "location", "vascular territory", "diffusion restriction", "contrast enhancement"
    ]  # fmt: skip
    for task in CHARACTERISATIONS:
        assert len(task.classes) == len(set(task.classes)) >= 2
        assert [task.read(f"It is {name}.") for name in task.classes] == list(task.classes)
    with pytest.raises(ConfigError, match="no such characterisation"):
        characterisation("colour")


@pytest.fixture(scope="module")
def phantoms():
    return HeadSet.phantoms(1, 3.0)


def made(phantoms, world, index):
    [study] = simulate(preset(world).model_copy(update=SMALL), phantoms, [index], 3)
    return study


@pytest.mark.parametrize(
    ("name", "world", "fact"),
    [
        ("diffusion restriction", "restriction", "restricts_diffusion"),
        ("contrast enhancement", "enhancement", "enhances"),
        ("location", "places", "place"),
        ("vascular territory", "places", "territory"),
    ],
)
def test_classes_are_the_worlds_own_facts(phantoms, name, world, fact):
    task = characterisation(name)
    for index in range(4):
        study = made(phantoms, world, index)
        session = study.facts["sessions"][0]
        known, seen = session.get(fact), sum(x["voxels"] > 0 for x in session["lesions"])
        cases = characterised(task, "a/0", study)
        if known is None or seen != 1:
            assert cases == []
            continue
        [case] = cases
        assert case.name == "a/0" and case.images == study.study.images
        assert case.truth == (known if isinstance(known, str) else task.classes[0 if known else 1])
        # A study of another world is no case, whatever it shows.
        other = dataclasses.replace(study, facts={**study.facts, "world": "gli"})
        assert characterised(task, "a/0", other) == []


def test_signal_is_our_own_measure_of_the_true_mask(phantoms):
    task, found = characterisation("signal intensity"), 0
    for index in range(6):
        study = made(phantoms, "lesion", index)
        cases = characterised(task, "lesion/7", study)
        if sum(x["voxels"] > 0 for x in study.facts["sessions"][0]["lesions"]) != 1:
            assert cases == []
            continue
        # An image of an unstated sequence cannot be asked about.
        stated = [i for i in study.study.images if i.kind != "mr"]
        assert [c.name for c in cases] == [f"lesion/7/{i.name}" for i in stated]
        truth = Truth(study.study, study.facts)
        for case in cases:
            [image] = case.images
            mask, brain = (truth.mask(truth.table[s], image) for s in ("lesion", "brain"))
            shell = surroundings(mask, "lesion", brain)
            [around] = shell.labels.values()
            by_hand = relative_intensity(image, block_of(mask, "lesion"), block_of(shell, around), around)
            assert case.truth == by_hand.word
            name = truth.table.sequences[image.kind].name
            assert case.question == f"Is the lesion hyperintense, hypointense or isointense on {name}?"
            found += 1
    assert found


def test_words_are_asked_once(phantoms, tmp_path):
    studies = [
        (Place("restriction", 100 + n, preset("restriction"), 3), made(phantoms, "restriction", n))
        for n in range(3)
    ]
    cases = list(word_cases(studies))
    assert cases and {task.name for task, _ in cases} == {"diffusion restriction"}
    heard = []

    def answer(task, case):
        heard.append(case.name)
        return "Diffusion in the lesion: restricted."

    first = run_words(answer, cases[:1], tmp_path / "ours", {"model": "m"})
    run = run_words(answer, cases, tmp_path / "ours", {"model": "m"})
    assert heard == [case.name for _, case in cases] and run[:1] == first
    assert [n.word for n in run] == ["restricted"] * len(cases)
    with pytest.raises(IntegrityError, match="another run"):
        run_words(answer, cases, tmp_path / "ours", {"model": "n"})
    task = characterisation("diffusion restriction")
    save_classifier(tmp_path / "nets", task)
    named, what = characterisers(tmp_path / "nets", [task])
    single = run_words(named, cases, tmp_path / "single", what)
    assert {n.word for n in single} <= set(task.classes) and len(
        what["sha256"]["diffusion restriction"]
    ) == 64
    written = json.loads(next((tmp_path / "single" / "cases").iterdir()).read_text())
    assert set(written) == {"case", "task", "truth", "text", "word", "seconds"}


class Answerer:
    """Says what it is told to; hears the questions."""

    def __init__(self, program):
        self.program, self.questions = program, []

    def check(self, images):
        pass

    def session(self, question, volumes):
        self.questions.append((question, len(volumes)))
        return Script([self.program]), None


@pytest.mark.parametrize(
    ("program", "kinds", "text"),
    [
        ('say("Diffusion in the lesion: restricted.")\nstop()', ("t1", "flair"), "restricted"),
        ('abstain("restricted or not, this is not known")', ("t1", "flair"), None),
        ('say("restricted")\nstop()', ("t1",), None),
    ],
)
def test_a_model_is_asked_in_words(program, kinds, text):
    """An abstention names no class, whatever its reason says; so does a study that the card does not take."""
    task, answerer = characterisation("diffusion restriction"), Answerer(program)
    accepts = Accepts(kinds=kinds, most_volumes=4, most_sessions=1, regions=False)
    card = Card(name="toy", summary="s", licence="l", data=("d",), recipe="r", limits=("l",), accepts=accepts)
    case = Characterised("a/0", a_case().images, task.ask(a_case().images), "restricted")
    said = asked(Offer("toy", card, lambda: answerer))(task, case)
    assert task.read(said) == text
    assert answerer.questions == ([("Does the lesion restrict diffusion?", 2)] if len(kinds) == 2 else [])


# -- tables ---------------------------------------------------------------------------------------


def a_record(case, structure, dice, source="simulated met", true_ml=1.0):
    return Record(case, source, structure, Overlap(dice, None, None, 1.0, true_ml, 0.0))


def test_the_dice_table_is_the_paired_comparison():
    rng = np.random.default_rng(0)
    b = rng.uniform(0.6, 0.9, 12)
    a = b + rng.normal(0.03, 0.02, 12)
    ours = [a_record(f"met/{n}", "whole tumour", v) for n, v in enumerate(a)]
    single = [a_record(f"met/{n}", "whole tumour", v) for n, v in enumerate(b)]
    lines = dice_lines(ours, single[::-1])
    by_hand = paired(a, b)
    row = rows_of(lines)["whole tumour"]
    assert row[:2] == [f"{a.mean():.3f}", f"{b.mean():.3f}"]
    assert row[2] == (f"{by_hand.difference:+.3f} ({by_hand.interval[0]:+.3f} to {by_hand.interval[1]:+.3f})")
    assert row[3] == ("< 0.001" if by_hand.p < 0.001 else f"{by_hand.p:.3f}") and row[4:] == ["yes", "12"]
    assert lines[0] == "### Simulated studies" and not any("Real" in line for line in lines)
    assert any("exceeds single-task on 1 of 1" in x and "(one-sided, 95 %) on 1 of 1" in x for x in lines)
    back = dice_lines(single, ours, other="MeshNet")
    assert rows_of(back)["target"][:2] == ["ours", "MeshNet"]
    assert rows_of(back)["whole tumour"][4] == "not shown" and any("on 0 of 1 targets" in x for x in back)


def test_simulated_and_real_never_mix_and_sessions_are_one_study():
    ours = [
        a_record("growth/100/session-1", "whole tumour", 0.5),
        a_record("growth/100/session-2", "whole tumour", 0.7),
        a_record("growth/101/session-1", "whole tumour", 0.8),
        a_record("Subj8 T1", "hippocampus", 0.4, "nichart, DLMUSE's labels"),
        a_record("gli/100", "whole tumour", 0.0, true_ml=0.0),
    ]
    lines = dice_lines(ours, ours)
    cut = lines.index("### Real scans")
    made_up, real = rows_of(lines[:cut]), rows_of(lines[cut:])
    assert set(made_up) == {"target", "---", "whole tumour"} and set(real) == {"target", "---", "hippocampus"}
    # (0.6 + 0.8) / 2, of two studies; absent targets do not count.
    assert made_up["whole tumour"][0] == "0.700" and made_up["whole tumour"][-1] == "2"
    assert made_up["whole tumour"][3:5] == ["1.000", "yes"]
    assert real["hippocampus"] == ["0.400", "0.400", "+0.000", "one case", "one case", "1"]


def test_what_one_method_alone_drew_is_named_and_twice_is_refused():
    ours = [a_record("met/1", "whole tumour", 0.5), a_record("met/2", "whole tumour", 0.5)]
    lines = dice_lines(ours, ours[:1])
    assert "Left out: 1 masks that one of the methods alone was asked for." in lines
    assert dice_lines(ours[:1], ours[1:])[2] == "No case that both methods were asked about."
    with pytest.raises(InputError, match="comes once"):
        dice_lines([*ours, ours[0]], ours)


def named(case, truth, word, task="diffusion restriction"):
    return Named(case, task, truth, word or "", word, 1.0)


YES, NO = "restricted", "not restricted"


def test_the_words_table_is_accuracy_by_hand():
    truths = [YES, NO, NO, NO]
    ours = [named(f"r/{n}", t, t) for n, t in enumerate(truths)]
    single = [
        named(f"r/{n}", t, w) for n, (t, w) in enumerate(zip(truths, [YES, YES, NO, None], strict=True))
    ]
    signal = [named(f"l/1/{k}", "isointense", "isointense", "signal intensity") for k in ("t1", "t2")]
    wrong = [dataclasses.replace(n, word="hyperintense") for n in signal]
    rows = rows_of(word_lines([*ours, *wrong], [*single, *signal]))
    row = rows["diffusion restriction"]
    assert row[0].startswith("100.0 % (") and row[1].startswith("50.0 % (")
    assert row[2:] == ["50 %, 75 %", "+50.0", f"{paired([1, 1, 1, 1], [1, 0, 1, 0]).p:.3f}", "4 (4)"]
    # Two images of one study: one study, no test.
    assert rows["signal intensity"][2:] == ["33 %, 100 %", "-100.0", "one case", "2 (1)"]
    total = rows["**mean over tasks**"]
    assert total[0] == "50.0 % (50.0–50.0)" and total[1].startswith("75.0 % (") and "-25.0 (" in total[3]


def test_tasks_without_a_classifier_stand_alone():
    ours = [
        named("r/1", YES, YES),
        named("r/2", NO, NO),
        named("l/1", "isointense", None, "signal intensity"),
    ]
    rows = rows_of(word_lines(ours, [named("r/1", YES, NO), named("r/2", NO, NO)]))
    assert rows["signal intensity"][1:3] == ["not trained", "33 %, 100 %"]
    assert rows["**mean over 2 tasks**"][0].startswith("50.0 % (")
    assert rows["**mean over tasks**"][0].startswith("100.0 % (")
    alone = rows_of(word_lines(ours, []))
    assert alone["diffusion restriction"][1] == "not trained" and "**mean over tasks**" not in alone


def test_words_of_other_questions_are_refused():
    ours, single = [named("r/1", YES, YES)], [named("r/1", NO, YES)]
    with pytest.raises(InputError, match="same questions"):
        word_lines(ours, single)
    with pytest.raises(InputError, match="comes once"):
        word_lines(ours * 2, ours)
    assert word_lines(ours, [named("r/2", YES, YES)]) == ["No case that both methods were asked about."]
    lines = word_lines([*ours, named("r/3", NO, NO)], ours)
    assert any(line.startswith("Left out: 1 cases") for line in lines)


# -- the second world -----------------------------------------------------------------------------


def test_the_task_world_is_apart_from_the_first():
    table, first = world_table(TASKS), world_table()
    found = places(table)
    names = [place.name for place in found]
    assert len(set(names)) == len(names) and not set(names) & {place.name for place in places()}
    seeds = {entry["seed"] for entry in table["worlds"].values()}
    assert len(seeds) == len(table["worlds"]) and not seeds & {e["seed"] for e in first["worlds"].values()}
    assert table["heads"] == first["heads"]
    assert set(TARGETS[:2]) <= set(table["anatomy"])
    frozen = table["frozen"]
    assert list(frozen["studies"]) == names and frozen["sha256"] == world_hash(frozen["studies"])
    assert {split_of(name, dataset="synthseg_heads") for name in frozen["heads"]} == {"test"}


def test_ours_reads_like_the_networks(tmp_path):
    """What :func:`run_cases` writes for any method is what the tables take."""

    def perfect(images, structures):
        return {s: a_case(structures=structures).truth[s] for s in structures}

    cases = [a_case("met/100"), a_case("met/101")]
    run = run_cases(perfect, target_cases(cases), tmp_path, {"model": "ours"}, structures=TARGETS)
    row = rows_of(dice_lines(run.records, run.records))["whole tumour"]
    assert row[:2] == ["1.000", "1.000"] and row[-1] == "2"
