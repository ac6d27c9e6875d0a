"""Questions about films as people put them, and the task that each is."""

from __future__ import annotations

import numpy as np
import pytest

from chest_pool import film
from sagittal.asking.film_question import read_film_question
from sagittal.builders.chest.entries import EntryConfig, entries_of
from sagittal.builders.chest.facts import FilmFacts
from sagittal.errors import InputError


@pytest.mark.parametrize(
    ("question", "task"),
    [
        ("What is the cardiothoracic ratio?", "calculate-ctr"),
        ("CTR?", "calculate-ctr"),
        ("Calculate the cardiopulmonary area ratio (CPAR).", "calculate-cpar"),
        ("Write a report.", "caption"),
        ("Describe this film.", "caption"),
        ("How severe is the pulmonary edema?", "cls-multiclass"),
        ("Which grade of oedema is it?", "cls-multiclass"),
        ("Which conditions are present?", "cls-multilabel"),
        ("Where is the heart?", "rec"),
        ("Locate the left lung.", "rec"),
        ("Give me a bounding box of the right lung", "rec"),
        ("What is in <100><200><300><400>?", "reg"),
        ("Is there a pleural effusion?", "vqa-verify"),
        ("Is there consolidation or atelectasis?", "vqa-verify"),
        ("Is the heart in its normal position?", "vqa-verify"),
        ("Is this film PA or AP?", "vqa-choose"),
        ("On which side is the effusion, left or right?", "vqa-choose"),
        ("What is wrong with the left lung?", "vqa-query"),
        ("Where is the nodule?", "vqa-query"),
        ("[vqa] where is the heart", "vqa-query"),
        ("[calculate] the CTR", "calculate-ctr"),
        ("[cls] the presence of these conditions", "cls-multilabel"),
        ("[rec] right lung", "rec"),
        ("[caption]", "caption"),
    ],
)
def test_people_are_understood(question: str, task: str) -> None:
    assert read_film_question(question).task == task


def test_a_place_names_its_structure_and_a_box_is_kept() -> None:
    assert read_film_question("Where is the cardiac silhouette?").structure == "heart"
    written = read_film_question("What is in <100><200><300><400>?")
    assert written.box == (100, 200, 300, 400)
    assert "<100><200><300><400>" in written.prompt
    assert read_film_question("What is this?", (1, 2, 3, 4)).task == "reg"


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("[draw] the heart", "no such kind"),
        ("[rec] the spleen", "cannot ask"),
        ("[rec] heart and left lung", "cannot ask"),
        ("[reg] what is this", "cannot ask"),
        ("[calculate] the volume", "cannot ask"),
        ("[cls] dogs", "cannot ask"),
        ("What is in <300><200><100><400>?", "box is none"),
        ("What is in <300><200><2000><400>?", "box is none"),
    ],
)
def test_what_a_tag_cannot_ask_is_refused(question: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_film_question(question)


def test_training_s_own_prompts_are_read_as_their_task() -> None:
    """Prompts of training without their tags, but for words on what has a task of its own."""
    for number in range(60):
        one = film(number, np.random.default_rng(number))
        facts = FilmFacts(
            name=f"pool/{number}", patient="p", study="s", file="a.png", sha256="0" * 64, sources=("x",),
            view=one.view, sex=one.sex, labels={k: bool(v) for k, v in one.labels.items()}, oedema=one.oedema,
            report="words", ctr=0.5, cpar=0.4, boxes={"heart": (300, 400, 600, 700)}, signs=one.signs,
            devices=one.devices,
        )  # fmt: skip
        for entry in entries_of(facts, EntryConfig(questions=6), 0):
            read = read_film_question(entry.prompt)
            assert read.task.split("-")[0] == entry.task.split("-")[0], entry.prompt
            if not entry.task.startswith("vqa"):
                assert read.task == entry.task
