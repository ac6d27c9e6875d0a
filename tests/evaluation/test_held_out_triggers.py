"""Triggers on withheld wordings: a batch's replies are those that a voice gives one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.asking.vila_m3_voice import VilaM3
from sagittal.builders.specialist_qa.maker import Shown, TalkMaker
from sagittal.evaluation.vila_m3.held_out import held_out
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.runtime import Runtime
from sagittal.specialists.registry import specialists
from sagittal.specialists.triggers import find_triggers
from sagittal.train.talks import LivePictures, TalkStream
from sagittal.weights import find_checkpoint

CARDS = {name: entry.card for name, entry in specialists().entries.items()}


@pytest.fixture(scope="module")
def world():
    _, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    chat = OwnChat(tokenizer)
    torch.manual_seed(3)
    model = VLM(vila_m3_config("tiny", chat.size)).eval()
    with torch.no_grad():
        model.language.get_input_embeddings().weight.mul_(20)
    squares = np.random.default_rng(0).integers(0, 255, (3, 3, 32, 32), dtype=np.uint8)
    maker = TalkMaker(Shown([], {"brain": [0], "film": [1], "ct": [2]}), CARDS, 5, batch=4, pool="withheld")
    return model, chat, squares, maker


def test_each_reply_is_the_voices_own(world, monkeypatch):
    monkeypatch.setattr("sagittal.asking.vila_m3_voice._whole_sentences", str)
    model, chat, squares, maker = world
    found = held_out(model, TalkStream(maker, LivePictures(model, squares), chat), maker, 2)
    loaded = VilaM3(model, chat, Runtime(torch.device("cpu"), torch.float32, False))
    assert len(found) == 8
    place = 0
    for number in range(2):
        batch, offers = maker.with_offers(number)
        for talk in batch.talks:
            first = talk.turns[0]
            picture = squares[first.picture].transpose(1, 2, 0)
            voice = loaded.converse(first.words, picture, [offer.card for offer in offers])
            said = voice.reply([], last=False)
            # A batch stops earlier than a voice does.
            ours = " ".join(found[place].said.split())
            assert said.startswith(ours[:40]) and ours
            assert found[place].item.calls == tuple(find_triggers(first.reply))
            place += 1


def test_what_is_expected_of_each_kind(world):
    *_, maker = world
    model, chat, squares, _ = world
    found = held_out(model, TalkStream(maker, LivePictures(model, squares), chat), maker, 6)
    kinds = {one.item.kind for one in found}
    assert kinds <= {"one", "none", "unsuitable"} and "one" in kinds
    assert all(bool(one.item.calls) == (one.item.kind == "one") for one in found)
