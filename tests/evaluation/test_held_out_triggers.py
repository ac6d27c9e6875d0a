"""Triggers on withheld wordings: a batch's replies are those that a voice gives one by one."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.builders.specialist_qa.shown import Shown
from sagittal.evaluation.vila_m3.held_out import held_out
from sagittal.specialists.registry import specialists
from sagittal.specialists.triggers import find_triggers
from sagittal.train.talks import LivePictures, TalkStream
from tiny_vila import tiny_vila

CARDS = {name: entry.card for name, entry in specialists().entries.items()}


@pytest.fixture(scope="module")
def world():
    squares = np.random.default_rng(0).integers(0, 255, (3, 3, 32, 32), dtype=np.uint8)
    maker = TalkMaker(Shown([], {"brain": [0], "film": [1], "ct": [2]}), CARDS, 5, batch=4, pool="withheld")
    return tiny_vila(3), squares, maker


def test_each_reply_is_the_voices_own(world, monkeypatch):
    monkeypatch.setattr("sagittal.asking.vila_m3_voice._whole_sentences", str)
    loaded, squares, maker = world
    stream = TalkStream(maker, LivePictures(loaded.model, squares), loaded.chat)
    found = held_out(loaded.model, stream, maker, 2)
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
    loaded, squares, maker = world
    stream = TalkStream(maker, LivePictures(loaded.model, squares), loaded.chat)
    found = held_out(loaded.model, stream, maker, 6)
    kinds = {one.item.kind for one in found}
    assert kinds <= {"one", "none", "unsuitable"} and "one" in kinds
    assert all(bool(one.item.calls) == (one.item.kind == "one") for one in found)
