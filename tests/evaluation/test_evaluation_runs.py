"""Evaluations: resumed from disk to the same records, one run a folder, an asked model's silence counts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sagittal.agent.toolbox import Features, Reading
from sagittal.asking.models import Offer
from sagittal.errors import IntegrityError, LabelError
from sagittal.evaluation.asked import QUESTION, AskedEyes
from sagittal.evaluation.report import real_lines, speed_lines, world_lines
from sagittal.evaluation.runs import run_cases
from sagittal.geometry import Geometry
from sagittal.models.checkpoint import Accepts, Card
from sagittal.score.cases import Case
from sagittal.study import Image, Mask

STEP = 6.0
GRID = Geometry((28, 32, 26), np.diag([STEP, STEP, STEP, 1.0]))


def half(name, axis=0, geometry=GRID):
    data = np.zeros(geometry.shape, np.uint8)
    data[(slice(None),) * axis + (slice(geometry.shape[axis] // 2),)] = 1
    return Mask(data, geometry, {1: name}, name)


def a_case(name="world/0", structures=("brain", "whole tumour"), kind="t1", source="simulated world"):
    at = np.indices(GRID.shape) - np.reshape([n / 2 for n in GRID.shape], (3, 1, 1, 1))
    head = np.where((at**2).sum(axis=0) < 11**2, 100, 0).astype(np.float32)
    return Case(name, source, (Image(head, GRID, kind, kind),), {s: half(s) for s in structures})


class Perfect:
    """Draws the truth; counts what it is asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, images, structures):
        self.asked.append((images[0].kind, tuple(structures)))
        return {name: half(name) for name in structures}


def test_a_run_is_resumed(tmp_path):
    cases = [a_case("world/0"), a_case("world/1"), a_case("other/0", ("brain",))]
    told = []
    first = run_cases(Perfect(), cases[:2], tmp_path, {"model": "m"}, progress=lambda *a: told.append(a))
    again = Perfect()
    run = run_cases(again, cases, tmp_path, {"model": "m"}, progress=lambda *a: told.append(a))
    assert len(again.asked) == 1
    assert told == [("world/0", 1.0), ("world/1", 1.0), ("other/0", 1.0)]
    assert run.records[: len(first.records)] == first.records and len(run.records) == 5
    assert all(r.overlap.dice == 1 and r.overlap.hd95_mm == 0 for r in run.records)
    assert list(run.cases) == ["world/0", "world/1", "other/0"]


def test_a_folder_holds_one_run(tmp_path):
    run_cases(Perfect(), [a_case()], tmp_path, {"sha256": "a"})
    with pytest.raises(IntegrityError, match="another run") as caught:
        run_cases(Perfect(), [a_case()], tmp_path, {"sha256": "b"})
    assert "sha256: 'a', not 'b'" in str(caught.value)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(IntegrityError, match="damaged"):
        run_cases(Perfect(), [a_case()], tmp_path, {"sha256": "a"})


def test_only_what_is_known(tmp_path):
    cases = [a_case("world/0"), a_case("world/1", ("whole tumour",))]
    run = run_cases(Perfect(), cases, tmp_path, {}, structures=("brain",))
    assert [(r.case, r.structure) for r in run.records] == [("world/0", "brain")]


# -- asked in words ------------------------------------------------------------------------------


class Toolbox:
    def encode(self, volumes, site):
        return Features("volumes", tuple(volumes), 10)

    def read(self, features, site):
        return Reading("1 encoded image")

    def segment(self, features, structure, site):
        if structure not in ("brain", "whole tumour"):
            raise LabelError("The structure is not known.", got=structure)
        mask = half(structure, geometry=features.payload[0].geometry)
        return Mask(mask.data, mask.geometry, mask.labels, "eyes", features.payload[0].session)


class Planner:
    def __init__(self, program):
        self.left = [program]

    def next_program(self, feedback):
        return self.left.pop() if self.left else None


class Answerer:
    """Draws the brain when asked for it; the brain, too, when asked for the tumour; knows nothing else."""

    def __init__(self):
        self.questions = []

    def check(self, images):
        pass

    def session(self, question, volumes):
        self.questions.append(question)
        given = ", ".join(volumes)
        if "brain" in question or "tumour" in question:
            program = f'f = encode({given})\nm = segment(f, "brain")\nsay("Here it is.")\nstop()'
        else:
            program = 'abstain("this is not known")'
        return Planner(program), Toolbox()


def an_offer(answerer, kinds=("t1", "flair")):
    accepts = Accepts(kinds=kinds, most_volumes=4)
    card = Card(name="toy", summary="s", licence="l", data=("d",), recipe="r", limits=("l",), accepts=accepts)
    return Offer("toy", card, lambda: answerer)


def test_an_asked_model(tmp_path):
    answerer = Answerer()
    case = a_case(structures=("brain", "whole tumour", "thalamus"))
    run = run_cases(AskedEyes(an_offer(answerer)), [case], tmp_path, {})
    assert answerer.questions == [QUESTION.format(s) for s in case.truth]
    assert {r.structure: r.overlap.dice for r in run.records} == {
        "brain": 1,
        "whole tumour": 0,
        "thalamus": 0,
    }
    by_name = {one["structure"]: (one["answered"], one["drawn"]) for one in run.asked}
    # A mask of another name is none of this one.
    assert by_name == {"brain": (True, True), "whole tumour": (True, False), "thalamus": (False, False)}
    [line] = speed_lines(run)
    assert "3 questions" in line and "1 times the model abstained, 1 times it answered" in line


def test_a_study_is_checked_and_encoded_once():
    calls = []

    class Counting(Toolbox):
        def encode(self, volumes, site):
            calls.append(tuple(v.kind for v in volumes))
            return super().encode(volumes, site)

    class Watched(Answerer):
        def check(self, images):
            calls.extend(i.kind for i in images)

        def session(self, question, volumes):
            return super().session(question, volumes)[0], Counting()

    eyes = AskedEyes(an_offer(Watched()))
    images = a_case().images
    kinds = tuple(i.kind for i in images)
    for _ in range(2):
        calls.clear()
        masks = eyes(images, ["brain", "left brain", "right brain"])
        assert calls == [*kinds, kinds]
        assert all(m.geometry.same_grid(GRID) for m in masks.values())


def test_a_mask_on_another_grid_comes_to_the_first_image():
    fine = Geometry(tuple(2 * n for n in GRID.shape), np.diag([STEP / 2, STEP / 2, STEP / 2, 1.0]))
    first = a_case().images[0]
    data = first.data.repeat(2, 0).repeat(2, 1).repeat(2, 2)

    class OtherFirst(Answerer):
        def session(self, question, volumes):
            return super().session(question, dict(reversed(list(volumes.items()))))

    eyes = AskedEyes(an_offer(OtherFirst()))
    masks = eyes((first, Image(data, fine, "flair", "flair")), ["brain"])
    assert masks["brain"].geometry.same_grid(GRID) and eyes.asked[0].drawn
    assert masks["brain"].data.any()


def test_what_the_card_does_not_take_is_not_asked(tmp_path):
    answerer = Answerer()
    cases = [a_case("world/0", kind="adc"), a_case("world/1")]
    run = run_cases(AskedEyes(an_offer(answerer)), cases, tmp_path, {})
    assert list(run.refused) == ["world/0"] and "does not know" in run.refused["world/0"]
    assert {r.case for r in run.records} == {"world/1"}
    assert any(line.startswith("- world/0: it does not know") for line in world_lines(run))


# -- tables --------------------------------------------------------------------------------------


class TopHalf:
    """Draws a half that shares a quarter with the truth: Dice ½; oedema that is not there, too."""

    def __call__(self, images, structures):
        return {name: half(name, axis=1) for name in structures}


def test_the_worlds_table(tmp_path):
    cases = [a_case("growth/0/session-1"), a_case("growth/0/session-2"), a_case("gli/0", ("brain", "oedema"))]
    none = np.zeros(GRID.shape, np.uint8)
    cases[2].truth["oedema"] = Mask(none, GRID, {1: "oedema"})
    lines = world_lines(run_cases(TopHalf(), cases, tmp_path, {}))
    rows = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]]
        for line in lines
        if "|" in line
    }
    # Two sessions are one study; one study has no interval.
    assert rows["brain"][:2] == ["2", "0.500 (0.500–0.500)"]
    assert rows["whole tumour"][:3] == ["1", "0.500", "0.50–0.50"]
    millilitres = GRID.shape[0] * GRID.shape[1] // 2 * GRID.shape[2] * STEP**3 / 1000
    assert rows["oedema"] == ["1", "0", f"{millilitres:.2f}"]
    assert rows["growth"] == ["0.500 (2)", "0.500 (2)"] and rows["gli"] == ["0.500 (1)", "–"]


def test_real_tables(tmp_path):
    cases = [a_case("pat1", source="experts"), a_case("pat2", ("whole tumour",), source="an algorithm")]
    lines = real_lines(run_cases(TopHalf(), cases, tmp_path, {}), figures=("dice",))
    assert lines[:5] == ["## Tumours", "", "Truth: an algorithm; experts.", "", "Dice:"]
    assert "| pat2 | 0.500 |" in lines and "| **mean** (range) | **0.500** (0.500–0.500) |" in lines
    # The brain is in none of the groups that real scans are shown by.
    assert not any("brain" in line for line in lines)


def test_records_are_plain_json(tmp_path):
    run_cases(Perfect(), [a_case("a b/c")], tmp_path, {})
    case = json.loads((tmp_path / "cases" / "a_b_c.json").read_text())
    assert case["case"] == "a b/c" and case["images"][0]["kind"] == "t1"
    assert case["records"][0]["overlap"]["dice"] == 1


def test_overall_figures_leave_out_small_anatomy(tmp_path):
    """One structure of 1.3 mL and one of 0.9 mL: the smaller counts only where it is a lesion."""

    def block(name, voxels):
        data = np.zeros(GRID.shape, np.uint8)
        data.reshape(-1)[:voxels] = 1
        return Mask(data, GRID, {1: name}, name)

    images = a_case().images

    def half_of(names):
        case = Case("world/0", "made", images, {n: block(n, v) for n, v in names.items()})
        drawn = {n: block(n, 0 if v == 4 else 2 * v) for n, v in names.items()}
        return run_cases(lambda i, s: drawn, [case], tmp_path / "-".join(names), {})

    # A voxel of 6 mm holds 0.216 mL: 6 make 1.3 mL, 4 make 0.9 mL.
    small = world_lines(half_of({"thalamus": 6, "caudate": 4}))
    assert small[0] == "Structures of at least 1 mL, and lesions of any size: mean Dice 0.667."
    assert "median error 100.0 % (100.0–100.0 %, 1 cases)" in small[2]
    lesion = world_lines(half_of({"thalamus": 6, "lesion": 4}))
    assert "mean Dice 0.333" in lesion[0] and "2 cases" in lesion[2]
