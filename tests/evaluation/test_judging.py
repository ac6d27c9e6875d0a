"""The judge of independent questions: right, partly, abstained and wrong, on made-up expectations."""

from __future__ import annotations

from typing import Any

import pytest

from sagittal.builders.voxel import programs as true
from sagittal.builders.voxel.programs import Thing
from sagittal.evaluation.judging import computed, judge

ONE = {"t1": ("t1", 1), "t1c": ("t1c", 1), "flair": ("flair", 1)}
TWO = {"t1_1": ("t1", 1), "t1_2": ("t1", 2)}


def question(task: str, *of: str, **more: Any) -> dict[str, Any]:
    also = more.pop("also", [])
    expected = {"task": task, "of": list(of), "side": None, "sequence": None, **more}
    return {"answerable": True, "expected": expected, "also": also}


def measured(task: str, name: str, **more: str) -> tuple[str, ...]:
    return true.measure(task, ["t1", "flair"], Thing(name, False), **more)


def test_values_are_followed_through_variables() -> None:
    found = computed(measured("largest_volume", "lesion"))
    segment = ("segment", ("encode", "t1", "flair"), "lesion")
    assert ("volume", ("largest", segment)) in found


@pytest.mark.parametrize(
    ("task", "name", "asked"),
    [
        ("volume", "left hippocampus", question("volume", "hippocampus", side="left")),
        ("segment", "whole tumour", question("segment", "tumor")),
        ("height", "oedema", question("extent", "edema", measure="height")),
        ("box", "oedema", question("extent", "edema", measure="all")),
        ("count", "lesion", question("count", "lesion")),
        ("side", "whole tumour", question("side", "tumor")),
        ("diameter", "whole tumour", question("diameter", "tumor", unit="mm")),
        ("share_icv", "brain", question("share", "brain", relative_to="intracranial_volume")),
        ("largest_volume", "lesion", question("largest", "lesion", measure="volume")),
    ],
)
def test_our_own_programs_serve(task: str, name: str, asked: dict[str, Any]) -> None:
    written = measured(task, name)
    assert judge(written, ONE, asked) == "right"
    assert judge(written[:2], ONE, asked) == "right", "how it is said does not matter"
    assert judge(measured(task, "thalamus"), ONE, asked) == "wrong"
    other = "volume" if task != "volume" else "height"
    if task != "segment":
        assert judge(measured(other, name), ONE, asked) == "wrong"
    assert judge(true.abstention("no"), ONE, asked) == "abstained"


def test_a_side_is_not_the_whole() -> None:
    asked = question("volume", "hippocampus")
    assert judge(measured("volume", "hippocampus"), ONE, asked) == "right"
    assert judge(measured("volume", "left hippocampus"), ONE, asked) == "wrong"


def test_intensities_are_of_the_sequence_that_is_named() -> None:
    asked = question("mean", "thalamus", sequence="flair")
    assert judge(measured("mean", "thalamus", sequence="flair", kind="FLAIR"), ONE, asked) == "right"
    assert judge(measured("mean", "thalamus", sequence="t1", kind="T1"), ONE, asked) == "wrong"
    any_will_do = question("mean", "thalamus")
    assert judge(measured("mean", "thalamus", sequence="t1", kind="T1"), ONE, any_will_do) == "right"


def test_two_things_and_their_order() -> None:
    a, b = Thing("thalamus", False), Thing("putamen", False)
    asked = question("ratio", "thalamus", "putamen")
    assert judge(true.compare("ratio", ["t1"], a, b), ONE, asked) == "right"
    assert judge(true.compare("ratio", ["t1"], b, a), ONE, asked) == "wrong"
    larger = question("compare", "thalamus", "putamen", measure="volume")
    assert judge(true.compare("larger", ["t1"], b, a), ONE, larger) == "right"
    sides = question("asymmetry", "caudate", side="both")
    pair = true.asymmetry(["t1"], Thing("left caudate", False), Thing("right caudate", False))
    assert judge(pair, ONE, sides) == "right"
    assert judge(measured("volume", "caudate"), ONE, sides) == "wrong"


def test_a_change_needs_both_visits() -> None:
    asked = question("change", "tumor", form="percent")
    there = Thing("whole tumour", False, (True, True))
    assert judge(true.change(["t1_1"], ["t1_2"], there), TWO, asked) == "right"
    assert judge(true.change(["t1_2"], ["t1_2"], there), TWO, asked) == "wrong"


def test_a_visit_that_is_named_is_the_one_that_is_looked_at() -> None:
    asked = question("volume", "brain", session=2)
    written = true.measure("volume", ["t1_2"], Thing("brain", False))
    assert judge(written, TWO, asked) == "right"
    assert judge(true.measure("volume", ["t1_1"], Thing("brain", False)), TWO, asked) == "wrong"


def test_calls_that_forget_their_arguments_serve_nothing() -> None:
    for task, call in (("share", "share(m)"), ("change", "volume()"), ("largest", "volume(largest())"),
                       ("mean", "mean()"), ("ratio", "ratio(m)")):  # fmt: skip
        written = ("f = encode(t1)", f'm = segment(f, "brain")\nx = {call}')
        assert judge(written, ONE, question(task, "brain", relative_to="brain", sequence="t1")) == "wrong"


def test_both_sides_and_all_objects_are_wanted() -> None:
    left, right = (f'm = segment(f, "{side} caudate")' for side in ("left", "right"))
    asked = question("segment", "caudate", side="both")
    assert judge(("f = encode(t1)", left), ONE, asked) == "wrong"
    assert judge(("f = encode(t1)", f"{left}\n{right}"), ONE, asked) == "right"
    assert judge(measured("segment", "caudate"), ONE, asked) == "right"
    two = question("segment", "thalamus", "putamen")
    assert judge(measured("segment", "thalamus"), ONE, two) == "wrong"


def test_what_may_stand_in_is_accepted() -> None:
    asked = question("segment", "tumor", accept=["volume"], accept_of=[["lesion"]])
    assert judge(measured("volume", "lesion"), ONE, asked) == "right"


def test_questions_in_two_parts() -> None:
    asked = question("volume", "tumor", also=[{"task": "side", "of": ["tumor"], "side": None}])
    assert judge(measured("volume", "whole tumour"), ONE, asked) == "partly"
    assert judge(measured("side", "whole tumour"), ONE, asked) == "wrong"
    refused = question("volume", "tumor", also=[{"reason": "treatment"}])
    assert judge(measured("volume", "whole tumour"), ONE, refused) == "partly"


def test_what_cannot_be_answered_is_declined_or_wrong() -> None:
    asked = {"answerable": False, "expected": {"reason": "treatment"}}
    assert judge(true.abstention("no"), ONE, asked) == "right"
    assert judge(measured("volume", "brain"), ONE, asked) == "wrong"
    assert judge(("v = volume(",), ONE, asked) == "failed"
