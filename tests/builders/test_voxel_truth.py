"""The oracle: masks by the table, and answers equal to plain numpy on the label maps."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from voxel_cases import made, truth_of

from sagittal.agent.loop import Outcome
from sagittal.agent.toolbox import CallSite
from sagittal.builders.voxel import programs
from sagittal.builders.voxel.acquisition import acquisition
from sagittal.builders.voxel.programs import Thing
from sagittal.builders.voxel.truth import OracleToolbox, Truth, run_truth
from sagittal.builders.voxel_tasks import build_conversation, with_truth
from sagittal.errors import LabelError
from sagittal.study import Mask, Study

VOXEL_ML = 4.0**3 / 1000
SITE = CallSite(0, 1, 0)


def array(world: str, name: str, session: str = "") -> np.ndarray:
    """A structure's voxels, straight from the map."""
    study, structure = made(world).study, truth_of(world).table[name]
    wanted = "lesions" if structure.is_pathology else "anatomy"
    (mask,) = [m for m in study.masks if m.name == wanted and m.session in (session, "")]
    values = structure.values or [v for v, n in mask.labels.items() if n in structure.labels]
    return np.isin(mask.data, values)


def run(world: str, steps: tuple[str, ...]) -> Outcome:
    outcome, _ = run_truth(steps, acquisition(made(world).study.images).volumes, truth_of(world))
    assert outcome.warnings == ()
    return outcome


def value(outcome: Outcome, name: str) -> float:
    (found,) = [m.value for m in outcome.measurements if m.name == name]
    return found


def thing(world: str, name: str, *sessions: str) -> Thing:
    structure, truth = truth_of(world).table[name], truth_of(world)
    return Thing(name, structure.many, tuple(truth.found(structure, s) for s in sessions or ("",)))


@pytest.mark.parametrize(
    "name", ["left hippocampus", "thalamus", "brain", "whole tumour", "oedema", "tumour core"]
)
def test_a_mask_is_the_union_of_its_values_and_its_volume_a_count(name):
    toolbox = OracleToolbox(truth_of("gli"))
    features = toolbox.encode(made("gli").study.images, SITE)
    mask = toolbox.segment(features, name, SITE)
    expected = array("gli", name)
    assert expected.any()
    assert np.array_equal(mask.data, expected)
    assert mask.labels == {1: name}
    steps = programs.measure("volume", ["t1", "flair"], thing("gli", name))
    outcome = run("gli", steps)
    assert value(outcome, "volume") == pytest.approx(expected.sum() * VOXEL_ML)
    assert outcome.text.startswith(f"The volume of the {name} is ")


def test_extents_count_the_voxels_that_are_touched():
    inside = array("gli", "right thalamus")
    sides = [4.0 * (np.ptp(np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {a})))) + 1) for a in range(3)]
    found = [
        value(run("gli", programs.measure(task, ["t1"], thing("gli", "right thalamus"))), task)
        for task in ("width", "depth", "height")
    ]
    assert found == pytest.approx(sides)
    box = run("gli", programs.measure("box", ["t1"], thing("gli", "right thalamus")))
    assert [float(x) for x in re.findall(r"[\d.]+", value(box, "bounding box"))] == pytest.approx(sides)


def test_intensities_are_those_of_the_named_image():
    study, inside = made("gli").study, array("gli", "whole tumour")
    signal = study.image("flair").data[inside].astype(float)
    for task, expected in (
        ("mean", signal.mean()),
        ("sd", signal.std()),
        ("snr", signal.mean() / signal.std()),
    ):
        steps = programs.measure(
            task, ["flair", "t1"], thing("gli", "whole tumour"), sequence="flair", kind="FLAIR"
        )
        outcome = run("gli", steps)
        assert outcome.measurements[-1].value == pytest.approx(expected, rel=1e-5)
        assert "in FLAIR is " in outcome.text


def test_pieces_are_connected_components():
    inside = array("wmh", "white matter hyperintensities")
    labels, count = ndimage.label(inside, np.ones((3, 3, 3)))
    assert count > 1
    largest = np.bincount(labels.ravel())[1:].max()
    a = thing("wmh", "white matter hyperintensities")
    counted = run("wmh", programs.measure("count", ["flair"], a))
    assert counted.measurements[-1].value == count
    assert counted.text == f"The number of separate pieces of the white matter hyperintensities is {count}."
    largest_of = run("wmh", programs.measure("largest_volume", ["flair"], a))
    assert largest_of.measurements[-1].value == pytest.approx(largest * VOXEL_ML)


def test_the_diameter_lies_between_a_side_and_the_space_diagonal():
    inside = array("gli", "whole tumour")
    shape = np.array([np.ptp(i) + 1 for i in np.nonzero(inside)]) * 4.0
    found = (
        run("gli", programs.measure("diameter", ["t1"], thing("gli", "whole tumour"))).measurements[-1].value
    )
    assert 4.0 <= found <= np.linalg.norm(shape)


def test_side_is_where_most_voxels_lie_about_the_brain_s_centre():
    x = np.nonzero(array("gli", "whole tumour"))[0] - np.nonzero(array("gli", "brain"))[0].mean()
    left = float((x < 0).mean())
    word = "left" if left > 0.95 else "right" if left < 0.05 else "bilateral"
    outcome = run("gli", programs.measure("side", ["t1"], thing("gli", "whole tumour")))
    if (np.abs(x) <= 1.25).mean() <= 0.5:
        assert outcome.text == f"The side of the whole tumour is {word}."
    assert outcome.measurements[-1].value in ("left", "right", "bilateral", "midline")


def test_shares_ratios_and_differences():
    a, b, brain = (array("whole head", n).sum() for n in ("left thalamus", "right putamen", "brain"))
    cavity = array("whole head", "intracranial cavity").sum()
    first, second = thing("whole head", "left thalamus"), thing("whole head", "right putamen")
    by = {
        task: run("whole head", programs.compare(task, ["t1"], first, second))
        for task in ("ratio", "difference", "larger")
    }
    assert by["ratio"].measurements[-1].value == pytest.approx(a / b)
    assert by["difference"].measurements[-1].value == pytest.approx((a - b) * VOXEL_ML)
    assert ("larger than" in by["larger"].text) == (a > b)
    for task, whole in (("share_brain", brain), ("share_icv", cavity)):
        outcome = run("whole head", programs.measure(task, ["t1"], first))
        assert outcome.measurements[-1].value == pytest.approx(100 * a / whole)


def test_asymmetry_is_that_of_the_two_sides():
    left, right = (array("gli", f"{s} thalamus").sum() for s in ("left", "right"))
    steps = programs.asymmetry(["t1"], thing("gli", "left thalamus"), thing("gli", "right thalamus"))
    found = value(run("gli", steps), "asymmetry")
    assert found == pytest.approx((left - right) / ((left + right) / 2))


@pytest.mark.parametrize("name", ["whole tumour", "enhancing tumour", "left thalamus"])
def test_change_is_later_minus_earlier(name):
    sessions = ("session-1", "session-2")
    before, after = (array("growth", name, s).sum() * VOXEL_ML for s in sessions)
    steps = programs.change(["t1c_1", "flair_1"], ["t1c_2", "flair_2"], thing("growth", name, *sessions))
    outcome = run("growth", steps)
    if before and after:
        assert value(outcome, "vb - va") == pytest.approx(after - before, abs=1e-9)
        assert value(outcome, "relative change of volume") == pytest.approx(
            100 * (after / before - 1), abs=1e-6
        )
        word = "increased" if after > before else "decreased" if after < before else "not changed"
        assert f"it has {word}, a change of" in outcome.text
    volumes = {m.method[-1]: m.value for m in outcome.measurements if m.name == "volume"}
    assert volumes == {"1": pytest.approx(before), "2": pytest.approx(after)}


@pytest.mark.parametrize("found", [(True, True), (True, False), (False, True), (False, False)])
def test_what_is_new_or_gone_is_said_in_words(found):
    """The same study with its tumour wiped out at a visit."""
    study = made("growth").study
    masks = []
    for mask in study.masks:
        wipe = mask.session and not found[mask.session == "session-2"]
        masks.append(Mask(mask.data * (not wipe), mask.geometry, mask.labels, mask.name, mask.session))
    truth = Truth(Study("s", "p", study.images, tuple(masks)), made("growth").facts)
    tumour = truth.table["whole tumour"]
    seen = tuple(truth.found(tumour, s) for s in ("session-1", "session-2"))
    assert seen == found
    for by in ("volume", "diameter"):
        steps = programs.change(["t1c_1"], ["t1c_2"], Thing("whole tumour", False, seen), by=by)
        outcome, _ = run_truth(steps, acquisition(study.images).volumes, truth)
        assert outcome.warnings == ()
        words = {(True, True): "a change of", (True, False): "can no longer be found",
                 (False, True): "not there before", (False, False): "at either visit"}  # fmt: skip
        assert words[found] in outcome.text


def test_what_is_not_there_is_empty_and_said_so():
    steps = programs.measure("height", ["t1"], thing("healthy", "whole tumour"))
    outcome, feedback = run_truth(
        steps, acquisition(made("healthy").study.images).volumes, truth_of("healthy")
    )
    assert outcome.text == "No whole tumour was found."
    assert feedback[1].text == "h = undefined (the mask is empty)"


def test_maps_settle_what_they_name_and_nothing_else():
    table = truth_of("gli").table

    def knows(world: str, name: str, session: str = "") -> bool:
        return truth_of(world).knows(table[name], session)

    assert knows("gli", "resection cavity")
    assert knows("whole head", "resection cavity")  # not among its labels, so not there
    assert knows("gli", "white matter hyperintensities")
    assert knows("lesion", "lesion")
    assert not knows("lesion", "whole tumour")
    assert not knows("lesion", "white matter hyperintensities")
    assert knows("healthy", "lesion")
    assert not knows("gli", "intracranial cavity")  # stripped
    assert knows("whole head", "intracranial cavity")
    assert not knows("gli", "red nucleus")
    assert not knows("gli", "frontal lobe")
    assert knows("growth", "whole tumour", "session-2")
    real = Truth(made("gli").study)  # annotated by people: what they did not look for stays open
    assert real.knows(table["whole tumour"], "")
    assert real.knows(table["resection cavity"], "")
    assert not real.knows(table["white matter hyperintensities"], "")
    assert not real.knows(table["intracranial cavity"], "")
    annotated = Truth(Study("s", "p", made("gli").study.images, made("gli").study.masks[:1]))
    assert not annotated.knows(table["lesion"], "")  # nobody marked lesions in a real study


def test_the_unknown_is_refused_in_a_program_too():
    toolbox = OracleToolbox(truth_of("gli"))
    features = toolbox.encode(made("gli").study.images, SITE)
    for name in ("red nucleus", "spleen"):
        with pytest.raises(LabelError):
            toolbox.segment(features, name, SITE)


def test_masks_come_on_the_first_image_s_grid():
    study = made("gli").study
    coarse = study.images[0].crop((4, 4, 4), (40, 48, 38))
    toolbox = OracleToolbox(truth_of("gli"))
    mask = toolbox.segment(toolbox.encode([coarse, study.images[1]], SITE), "brain", SITE)
    assert mask.geometry.same_grid(coarse.geometry)
    assert np.array_equal(mask.data, array("gli", "brain")[4:40, 4:48, 4:38])


def test_without_an_anatomy_map_no_true_program_fails() -> None:
    """A real case as a user has it: lesions alone are annotated, so no side or share of the brain."""
    whole = made("gli").study
    study = replace(whole, masks=tuple(mask for mask in whole.masks if mask.name == "lesions"))
    truth, rng = Truth(study, None), np.random.default_rng(5)
    for _ in range(120):
        drawn = with_truth(build_conversation(study, None, rng, truth=truth), truth)
        assert drawn.feedback is not None
        assert len(drawn.feedback) == len(drawn.programs) - 1, drawn.programs
        assert not any(f.text.startswith("error") for f in drawn.feedback)
