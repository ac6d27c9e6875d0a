"""A scripted voice that calls real specialists through the one loop: trace, numbers, faults, limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sagittal.agent.host import Host
from sagittal.agent.library import Library
from sagittal.agent.loop import Limits, converse
from sagittal.agent.standard import STANDARD
from sagittal.geometry import Geometry
from sagittal.io.raster import picture_geometry
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.consulting import ROUNDS, ConsultingPlanner
from sagittal.specialists.functions import specialist_library
from sagittal.specialists.pool import Call
from sagittal.specialists.process import Program
from sagittal.specialists.protocol import Fault, SpecialistError, checked, narrowed
from sagittal.study import Image, Mask, Study


def a_card(name, **changes):
    card = {
        "schema": "sagittal.specialist/1", "name": name, "summary": "does something", "images": [["t1"]],
        "looks_at": "volume", "arguments": {"tumour": "all of it", "parts": "core and rim"},
        "masks": {"tumour": ["tumour"], "parts": ["core", "rim"]}, "licence": "MIT", "source": "a test",
        "cost": {"seconds": 1, "memory_mb": 1}, **changes,
    }  # fmt: skip
    return SpecialistCard.model_validate(card)


SEGMENTER = a_card("Tumours")
FINDER = a_card("Findings", masks={}, arguments={"all": "all"}, classes={"cyst": 0.5, "fracture": 0.5})
EMPTY = a_card("Blind", arguments={"tumour": "t"}, masks={"tumour": ["tumour"]})
BROKEN = a_card("Broken", arguments={"tumour": "t"}, masks={"tumour": ["tumour"]})
ORGANS = a_card(
    "Organs", images=[["cxr"]], looks_at="picture", arguments={"all": "all"},
    masks={"all": ["heart", "right lung", "left lung"]},
)  # fmt: skip


class Pool:
    """Specialists in this process, with the checks of the real pool."""

    fault: Fault = "failed"

    def run(self, program: Program, study: Study, argument: str) -> Call:
        card = program.card
        study = narrowed(card, study, argument)
        if card.name == "Broken":
            raise SpecialistError(self.fault, "Broken", "Broken took 600 seconds.")
        return Call(checked(card, study, argument, self.given(card, study, argument)), 0.1, 10, False)

    def given(self, card, study, argument):
        if card.name == "Findings":
            return {"cyst": 0.9, "fracture": 0.1}
        image = study.images[0]
        data = np.zeros(image.shape, np.uint8)
        labels = dict(enumerate(card.masks[argument], start=1))
        if card.name == "Tumours":
            # On the patient's left: RAS, x to the right, and the head's middle is at 19.5.
            data[4:8, 10:14, 10:15] = 1
            if argument == "parts":
                data[4:6, 10:14, 10:15] = 2
        if card.name == "Organs":
            data[30:50, 30:50] = 1
            data[10:30, 10:60] = 2
            data[55:75, 10:60] = 3
        return Mask(data, image.geometry, labels)


class Script:
    """Says what is written, and keeps what it is told."""

    def __init__(self, *replies):
        self.replies, self.told, self.lasts = list(replies), [], []

    def reply(self, told, *, last):
        self.told.append(list(told))
        self.lasts.append(last)
        return self.replies.pop(0)


def a_head():
    data = np.zeros((40, 44, 36), np.float32)
    data[4:36, 4:40, 4:32] = 100
    return Image(data, Geometry(data.shape, np.diag([1.0, 1.0, 2.0, 1.0])), "t1", "head_t1.nii.gz")


def a_film():
    data = np.random.default_rng(1).integers(0, 255, (80, 70, 1), dtype=np.uint8)
    return Image(data, picture_geometry(80, 70), "cxr", "film.png")


def ask(voice, image=None, cards=(SEGMENTER, FINDER, EMPTY, BROKEN), pool=None):
    image = image or a_head()
    study = Study("study", "patient", (image,))
    here = Path(__file__)
    programs: Mapping[str, Program] = {c.name: Program(c, here, here.parent, "none:none") for c in cards}
    library = Library(STANDARD, specialist_library(programs, study, pool or Pool()))
    images = {image.kind: image}
    planner = ConsultingPlanner(voice, images, {card.name: card for card in cards})
    return converse(planner, Host(library), images, limits=Limits(programs=16, errors=8))


def test_an_answer_without_a_specialist_calls_none():
    voice = Script("This is a T1-weighted scan.")
    outcome = ask(voice)
    assert outcome.text == "This is a T1-weighted scan." and not outcome.abstained
    assert not [s for s in outcome.steps if s.kind == "specialist"] and voice.told == [[]]


def test_a_call_is_measured_shown_and_answered_with_its_numbers():
    voice = Script("Let me see <Tumours(tumour)>.", "The tumour on the left measures 0.16 mL.")
    outcome = ask(voice)
    assert outcome.text == "The tumour on the left measures 0.16 mL."
    [told] = voice.told[1]
    # 4 × 4 × 5 voxels of 2 mm³.
    assert told.text == ("Tumours(tumour) on axial slice 10: tumour in vermilion, 0.16 mL, left.")
    assert told.picture.shape == (44, 40, 3) and len(np.unique(told.picture[..., 0])) > 2
    [call] = [s for s in outcome.steps if s.kind == "specialist"]
    assert call.name == "Tumours" and "Tumours" in call.input["program"]
    [volume] = [m for m in outcome.measurements if m.name == "volume"]
    assert (volume.value, volume.unit, volume.of) == (0.16, "mL", "tumour")
    assert [m.data.sum() for m in outcome.masks.values()] == [80]


@pytest.mark.parametrize("side", ["on the right", "on both sides", "in the midline", "on the left"])
def test_a_side_that_is_said_is_the_one_that_was_measured(side):
    outcome = ask(Script("<Tumours(tumour)>", f"The tumour lies {side}."))
    assert outcome.text == "The tumour lies on the left."
    # Where nothing was measured, the words stand.
    assert ask(Script(f"It lies {side}.")).text == f"It lies {side}."


def test_labels_are_measured_and_kept_one_by_one():
    voice = Script("<Tumours(parts)>", "The core has 0.08 mL and the rim 0.08 mL.")
    outcome = ask(voice)
    [told] = voice.told[1]
    assert told.text.endswith(": core in sky blue, 0.08 mL, left; rim in yellow, 0.08 mL, left.")
    assert sorted(next(iter(m.labels.values())) for m in outcome.masks.values()) == ["core", "rim"]
    assert all(m.data.sum() == 40 for m in outcome.masks.values())


def test_a_film_has_shares_and_the_ratio_of_heart_and_lungs():
    voice = Script("<Organs(all)>", "The ratio is 0.308.")
    outcome = ask(voice, a_film(), (ORGANS,))
    [told] = voice.told[1]
    # 20 columns of heart; lungs from column 10 to 74: 65.
    assert told.text.endswith("cardiothoracic ratio 0.308.") and "on " not in told.text.split(":")[0]
    assert "heart in vermilion, 7.14%" in told.text
    assert outcome.text == "The ratio is 0.308."


def test_classes_are_told_as_yes_and_no():
    voice = Script("<Findings(all)>", "There is a cyst.")
    outcome = ask(voice)
    assert outcome.text == "There is a cyst."
    assert voice.told[1][0].text == "Findings(all):\ncyst: yes\nfracture: no"
    assert not [step for step in outcome.steps if "error" in str(step.output)]
    assert voice.told[1][0].picture is None


def test_nothing_found_is_told_and_measured_as_nothing():
    voice = Script("<Blind(tumour)>", "There is no tumour.")
    outcome = ask(voice)
    assert voice.told[1][0].text == "Blind(tumour): nothing was found."
    assert outcome.text == "There is no tumour." and not outcome.abstained


@pytest.mark.parametrize("answer", ["It measures 7 mL.", "It measures 0.17 mL.", "It measures 0.16."])
def test_a_number_that_nothing_measured_is_not_said(answer):
    outcome = ask(Script("<Tumours(tumour)>", answer))
    assert outcome.abstained and "nothing measured" in outcome.reason and "7" not in outcome.text


def test_a_number_without_any_call_is_not_said():
    assert ask(Script("It measures 7 mL.")).abstained


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("failed", "it failed"),
        ("hung", "took too long"),
        ("nothing", "gave nothing"),
        ("wrong", "cannot be used"),
    ],
)
def test_a_specialist_that_fails_is_named_and_nothing_is_answered(fault, words):
    pool = Pool()
    pool.fault = fault
    outcome = ask(Script("<Broken(tumour)>", "never said"), pool=pool)
    assert outcome.abstained and outcome.reason.startswith("Broken: no result") and words in outcome.reason
    # The trace has the whole of it.
    assert any("600 seconds" in str(step.output) for step in outcome.steps)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("No image shows it.", "Broken: no result, it failed. No image shows it (got a 't1')."),
        ("It wants 3 of them.", "Broken: no result, it failed."),
        ("Why? " * 900, "Broken: no result, it failed. Why? "),
    ],
)
def test_what_a_specialist_says_of_its_failure_is_said_unless_it_states_a_number(message, told):
    pool = Pool()
    error = SpecialistError("failed", "Broken", message, got='a "t1"')
    pool.run = lambda *given: (_ for _ in ()).throw(error)  # type: ignore[method-assign]
    outcome = ask(Script("<Broken(tumour)>", "never said"), pool=pool)
    assert outcome.abstained and outcome.reason.startswith(told)
    assert len(message) > 99 or outcome.reason == told


def test_where_another_one_answers_the_failure_is_said_beside():
    voice = Script("<Broken(tumour)> and <Findings(all)>", "There is a cyst.")
    outcome = ask(voice)
    assert outcome.text == "There is a cyst. Broken: no result, it failed." and not outcome.abstained
    assert [told.text.split("(")[0].split(":")[0] for told in voice.told[1]] == ["Broken", "Findings"]


@pytest.mark.parametrize("trigger", ["<Nobody(tumour)>", "<Tumours(brain)>"])
def test_what_does_not_exist_is_told_and_stands_in_the_trace(trigger):
    voice = Script(trigger + "<Findings(all)>", "There is a cyst.")
    outcome = ask(voice)
    assert voice.told[1][0].text.split(":")[1].startswith(" no result")
    assert any("error" in str(step.output) for step in outcome.steps)


def test_rounds_are_limited_and_the_last_reply_answers():
    voice = Script(*["<Findings(all)>"] * ROUNDS, "I see <Findings(all)> and a cyst.")
    outcome = ask(voice)
    assert outcome.text == "I see Findings and a cyst."
    assert voice.lasts == [False] * ROUNDS + [True] and len(voice.told) == ROUNDS + 1


def test_one_call_is_made_once_a_round():
    assert (
        len(
            [
                s
                for s in ask(Script("<Findings(all)> <Findings(all)>", "A cyst.")).steps
                if s.kind == "specialist"
            ]
        )
        == 1
    )


@pytest.mark.parametrize("reply", ["", "   "])
def test_a_model_that_says_nothing_abstains(reply):
    outcome = ask(Script(reply))
    assert outcome.abstained


def test_a_model_may_decline_and_say_why():
    outcome = ask(Script("No answer: a T2 scan would be needed."))
    assert outcome.abstained and outcome.reason == "a T2 scan would be needed."


def test_words_of_a_model_cannot_leave_their_quotes():
    outcome = ask(Script('Well") \nstop()\nabstain("{x} \\" {head_t1}'))
    assert not outcome.abstained and "stop()" in outcome.text and len(outcome.steps) == 2
