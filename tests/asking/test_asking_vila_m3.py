"""Asking a model that calls specialists: which it is shown, what they draw, and the answer's files."""

from __future__ import annotations

from collections.abc import Mapping
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from asking_world import brats_case

from sagittal.asking import ask_case, open_case
from sagittal.asking.models import Consultant, Offer
from sagittal.asking.vila_m3 import VilaM3Answerer
from sagittal.asking.vila_m3_voice import VilaM3
from sagittal.errors import InputError
from sagittal.io.nifti import read_mask
from sagittal.models.checkpoint import Accepts, Card
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import save_vlm
from sagittal.runtime import Runtime
from sagittal.specialists.pool import Call
from sagittal.specialists.protocol import checked, narrowed
from sagittal.study import Mask
from sagittal.weights import find_checkpoint

CARD = Card(
    name="caller", summary="for a test", licence="none", data=("nothing",), recipe="a test", limits=("all",),
    accepts=Accepts(kinds=("t1", "t1c", "t2", "flair", "cxr"), most_volumes=8, either=True),
)  # fmt: skip


class Script:
    def __init__(self, replies):
        self.replies, self.cards, self.words, self.alone = list(replies), (), "", False

    def reply(self, told, *, last):
        return self.replies.pop(0)


class Here:
    """Specialists in this process, which draw what is brightest."""

    def run(self, program, study, argument):
        card = program.card
        study = narrowed(card, study, argument)
        image = study.images[0]
        if card.classes:
            given: object = {name: 0.9 if n == 0 else 0.05 for n, name in enumerate(card.classes)}
        else:
            label = card.masks[argument][0]
            given = Mask((image.data > 150).astype(np.uint8), image.geometry, {1: label})
        return Call(checked(card, study, argument, given), 0.1, 1, False)


@pytest.fixture(scope="module")
def loaded() -> VilaM3:
    _, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    chat = OwnChat(tokenizer)
    torch.manual_seed(5)
    return VilaM3(
        VLM(vila_m3_config("tiny", chat.size)).eval(),
        chat,
        Runtime(torch.device("cpu"), torch.float32, False),
    )


@pytest.fixture
def ask(loaded, monkeypatch, tmp_path):
    """Asks with scripted replies; gives the answer and what the voice was shown."""
    monkeypatch.setattr("sagittal.asking.vila_m3.shared_pool", Here)
    monkeypatch.setattr("sagittal.asking.consultation.shared_pool", Mock)

    def run(paths, replies, *, specialists=None, out=None, **where):
        script = Script(replies)

        def converse(words, picture, cards, *, alone):
            script.alone = alone
            script.words, script.cards, script.picture = (
                words,
                [card.name for card in cards],
                picture,
            )
            return script

        monkeypatch.setattr(loaded, "converse", converse)
        offer = Offer("caller", CARD, lambda: VilaM3Answerer(loaded), speaks=True, consults=True)
        case = open_case(paths, model=offer)
        made = ask_case(case, "How large is the tumour?", out, specialists=specialists, **where)
        return made.answer, script

    return run


def test_a_mask_stands_on_the_scans_grid_with_its_volume_and_its_step(ask, tmp_path):
    case = brats_case(tmp_path)
    answer, script = ask(
        [case], ["<Eyes(whole tumour)>", "The whole tumour measures 55.5 mL."], out=tmp_path / "out"
    )
    # 257 voxels of 0.216 mL.
    assert answer.text == "The whole tumour measures 55.5 mL." and not answer.abstained
    [mask] = answer.masks
    drawn = read_mask(tmp_path / "out" / mask.file)
    assert int((drawn.data > 0).sum()) == 257 and mask.volume_ml == pytest.approx(257 * 0.216)
    assert [s.name for s in answer.steps if s.kind == "specialist"] == ["Eyes"]
    assert script.words == "Given: t1, flair (volumes).\nHow large is the tumour?"
    assert (tmp_path / "out" / "overlay.png").is_file()


def test_without_specialists_the_picture_alone_answers_and_the_answer_says_so(ask, tmp_path):
    case = brats_case(tmp_path)
    answer, script = ask([case], ["No tumour was found."], specialists=[])
    assert script.alone and not script.cards and answer.text == "No tumour was found."
    assert any("from one picture alone" in warning for warning in answer.warnings)
    answer, script = ask([case], ["It is a head."])
    assert not script.alone and not any("alone" in warning for warning in answer.warnings)


def test_only_those_that_suit_the_images_are_shown(ask, tmp_path):
    _, script = ask([brats_case(tmp_path)], ["It is a head."])
    assert "Eyes" in script.cards and not {"ChestOrgans", "ChestFindings", "TumourType"} & set(script.cards)


@pytest.mark.parametrize(("names", "expected"), [(None, 1), (["Eyes"], 1), ([], 0)])
def test_a_process_starts_while_the_model_loads_where_one_may_be_needed(
    ask, tmp_path, monkeypatch, names, expected
):
    pool = Mock()
    monkeypatch.setattr("sagittal.asking.consultation.shared_pool", lambda: pool)
    ask([brats_case(tmp_path)], ["It is a head."], specialists=names)
    assert pool.expect.call_count == expected


@pytest.mark.parametrize(("names", "shown"), [([], []), (["Eyes"], ["Eyes"])])
def test_the_user_says_which_may_be_called(ask, tmp_path, names, shown):
    _, script = ask([brats_case(tmp_path)], ["It is a head."], specialists=names)
    assert script.cards == shown


def test_one_that_is_named_and_does_not_suit_is_an_error(ask, tmp_path):
    with pytest.raises(InputError, match="ChestOrgans does not suit these images"):
        ask([brats_case(tmp_path)], ["never said"], specialists=["ChestOrgans"])


def test_one_that_cannot_run_is_an_error(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    for name in ("Nobody", "MeshNet"):
        with pytest.raises(InputError):
            ask([brats_case(tmp_path)], ["never said"], specialists=[name])


def test_of_a_slice_the_volume_is_drawn_and_the_slice_is_classified(ask, tmp_path, monkeypatch):
    case = brats_case(tmp_path)
    monkeypatch.setattr(
        "sagittal.asking.vila_m3._programs", lambda names: {n: p for n, p in programs().items() if n in names}
    )
    answer, script = ask(
        [case / f"{case.name}-t1n.nii.gz"],
        ["<TumourType(tumour type)> <Eyes(whole tumour)>", "It is there."],
        specialists=["Eyes", "TumourType"], slice="axial:14",
    )  # fmt: skip
    assert script.cards == ["Eyes", "TumourType"] and "(picture)" in script.words
    assert [s.name for s in answer.steps if s.kind == "specialist"] == ["TumourType", "Eyes"]
    assert not [s for s in answer.steps if "error" in str(s.output)]


def programs() -> Mapping[str, object]:
    from sagittal.specialists.registry import specialists

    return {name: entry.program for name, entry in specialists().entries.items()}


def test_a_checkpoint_of_the_kind_is_loaded_and_asked(loaded, tmp_path, monkeypatch):
    monkeypatch.setattr("sagittal.asking.vila_m3.shared_pool", Here)
    save_vlm(tmp_path / "caller", loaded.model, loaded.chat, CARD, task="vila-m3")
    answerer = VilaM3Answerer.load(tmp_path / "caller")
    assert isinstance(answerer, Consultant)
    case = open_case([brats_case(tmp_path / "case")], model=tmp_path / "caller")
    made = ask_case(case, "Is there a tumour?")
    # It was never trained: it says something, within the loop and without a fault of ours.
    assert made.answer.model == "caller" and made.answer.steps


def test_it_cannot_be_pointed_at_a_place(ask, tmp_path):
    with pytest.raises(InputError):
        ask([brats_case(tmp_path)], ["never said"], regions=["point:mm:0,0,0"])
