"""What is proposed to be asked next: of what is there, in words that the grammar trains on, never twice."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.answer import Answer, FieldValue, Measurement, Step
from sagittal.asking.suggesting import MOST, WORDINGS, suggest
from sagittal.builders.voxel.acquisition import acquisition
from sagittal.builders.voxel.structures import structure_table
from sagittal.geometry import Geometry
from sagittal.language.voxel_wordings import Phrase, VoxelWordings
from sagittal.study import Image

GRID = Geometry((3, 3, 3), np.eye(4))


def given(*kinds: str, visits: int = 1):
    return acquisition(
        [Image(np.zeros((3, 3, 3)), GRID, k, k, session=f"{v}") for v in range(visits) for k in kinds]
    )


def said(*measured: tuple[str, str, float | None], question: str = "x") -> Answer:
    steps = (Step("program", "p", {}, None, 0.0),)
    return Answer(
        question,
        "t",
        measurements=tuple(
            Measurement(n, v, "", of, "m", 0, undefined=None if v is not None else "none")
            for n, of, v in measured
        ),
        steps=steps,
    )


def test_what_was_measured_leads_to_more_about_it():
    found = suggest(given("t1c", "flair"), said(("volume", "whole tumour", 12.0)))
    assert found == (
        "What is the longest diameter of the whole tumour?",
        "What is the volume of the enhancing tumour?",
        "What is the volume of the left hippocampus?",
    )
    found = suggest(given("t1"), said(("volume", "left thalamus", 8.0)))
    assert "How asymmetric is the thalamus?" in found and not any(
        "left thalamus?" in f and "volume" in f for f in found
    )


def test_two_visits_are_compared_unless_they_just_were():
    two = given("flair", visits=2)
    assert suggest(two, said())[0] == "How has the whole tumour changed between the two scans?"
    lesion = said(("volume", "lesion", 2.0))
    assert suggest(two, lesion)[0] == "How has the lesion changed between the two scans?"
    changed = said(("relative change of volume", "lesion", 2.0), ("volume", "lesion", 2.0))
    assert not any("changed" in s for s in suggest(two, changed))
    assert not any("changed" in s for s in suggest(given("flair"), lesion))


@pytest.mark.parametrize("kinds", [("t1",), ("flair",), ("t1c",), ("ct",), ("t1", "t1c", "t2", "flair")])
def test_only_what_the_images_show_is_proposed(kinds):
    table = structure_table()
    images = given(*kinds)
    for name in ("whole tumour", "left hippocampus", "brain", "white matter hyperintensities"):
        for answer in (said(), said(("volume", name, 3.0)), said(("side", name, 1.0), ("volume", name, 2.0))):
            found = suggest(images, answer)
            assert len(found) == len(set(found)) == MOST
            for text in found:
                named = [s for s in table.structures.values() if f"the {s.name} " in text.replace("?", " ")]
                assert named, text
                assert all(not s.needs or set(s.needs) & set(kinds) or s.name == name for s in named), text


def test_neither_the_question_nor_what_is_empty_is_proposed_again():
    question = "what is the VOLUME of the whole tumour"
    assert "What is the volume of the whole tumour?" not in suggest(given("t1"), said(question=question))
    gone = suggest(given("t1"), said(("volume", "whole tumour", 0.0)))
    assert not any("whole tumour" in s for s in gone)
    undefined = suggest(given("t1"), said(("side", "whole tumour", None), ("volume", "whole tumour", 0.0)))
    assert not any("whole tumour" in s for s in undefined)


@pytest.mark.parametrize("task", WORDINGS)
def test_the_words_are_those_that_models_train_on(task):
    wording = WORDINGS[task]
    wordings, rng = VoxelWordings.load(), np.random.default_rng(0)
    slots = {"a": [Phrase("hippocampus")]}
    wanted = bare(wording.text.format(a="hippocampus"))
    for _ in range(60_000):
        if bare(wordings.sample(wording.root, slots, rng, "train").text) == wanted:
            return
    raise AssertionError(f"the grammar never says: {wanted}")


def bare(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


@pytest.mark.parametrize(
    ("read", "kinds", "about"),
    [
        ("unsure: difference: left thalamus, oedema; FLAIR", ("t1", "flair"), "left thalamus"),
        ("unsure: width: oedema", ("t1", "flair"), "oedema"),
    ],
)
def test_what_may_have_been_meant_is_proposed_first(read, kinds, about):
    assert suggest(given(*kinds), unanswered(read))[0] == f"What is the volume of the {about}?"


@pytest.mark.parametrize(
    "read",
    # What the images cannot show is not proposed; a refusal is no guess; some readings name nothing.
    ["unsure: width: oedema", "width: left thalamus", "unsure: parts of tumour"],
)
def test_other_readings_change_nothing(read):
    assert suggest(given("t1"), unanswered(read)) == suggest(given("t1"), said())


def unanswered(read: str) -> Answer:
    return Answer("x", "t", abstained=True, reason="r", fields={"asked": FieldValue(read)})
