"""A mixture: every batch as often as its category's frequency says, in another order each epoch."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch

from sagittal.builders.consultation_bank import CaseRecord
from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.builders.specialist_qa.shown import OfRegion, Shown
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.specialists.registry import specialists
from sagittal.train.decoder_texts import pairs_loss
from sagittal.train.talk_mixture import TEXT, Mixture, MixtureTraining
from sagittal.train.talks import LivePictures, TalkStream, talk_terms
from sagittal.weights import find_checkpoint

COUNTS, FREQUENCY = {"film": 3, "brain": 1, TEXT: 2}, {"film": 2, "brain": 5, TEXT: 1}


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_an_epoch_has_each_batch_as_often_as_its_category_says(epoch: int) -> None:
    mixture = Mixture(COUNTS, FREQUENCY, 3)
    assert len(mixture) == 3 * 2 + 1 * 5 + 2 * 1
    rows = Counter(mixture.row(n) for n in range(epoch * 13, (epoch + 1) * 13))
    expected = {(name, n): FREQUENCY[name] for name, count in COUNTS.items() for n in range(count)}
    assert rows == expected


def test_the_order_is_the_seeds_and_another_in_each_epoch() -> None:
    mixture = Mixture(COUNTS, FREQUENCY, 3)
    first, second = ([mixture.row(n) for n in range(e * 13, (e + 1) * 13)] for e in range(2))
    assert first != second
    assert first == [Mixture(COUNTS, FREQUENCY, 3).row(n) for n in range(13)]
    assert first != [Mixture(COUNTS, FREQUENCY, 4).row(n) for n in range(13)]


@pytest.fixture(scope="module")
def training() -> MixtureTraining:
    cases = [
        CaseRecord(
            name=kind, patient=kind, split="train", source="s", licence="l", kinds=(kind,), looks_at=looks_at,
            calls=(),
        )
        for kind, looks_at in (("t1", "volume"), ("cxr", "picture"))
    ]  # fmt: skip
    shown = Shown([(case, n, ()) for n, case in enumerate(cases)], {"brain": [0], "film": [1]})
    cards = {name: entry.card for name, entry in specialists().entries.items()}
    _, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    chat = OwnChat(tokenizer)
    torch.manual_seed(0)
    model = VLM(vila_m3_config("tiny", chat.size))
    squares = np.random.default_rng(0).integers(0, 255, (2, 3, 32, 32), dtype=np.uint8)
    streams = {
        region: TalkStream(
            TalkMaker(shown, cards, 5, 3, subject=OfRegion(shown, region=region)),
            LivePictures(model, squares), chat,
        )
        for region in ("film", "brain")
    }  # fmt: skip
    texts = [[("Is it red?", "No.")], [("What is it?", "A liver."), ("Where?", "Right.")]]
    return MixtureTraining(model, Mixture(COUNTS, FREQUENCY, 3), streams, texts)


def test_conversations_of_a_region_show_its_pictures_alone(training: MixtureTraining) -> None:
    for region, picture in (("brain", 0), ("film", 1)):
        for number in range(4):
            batch = training.streams[region].make(number)
            assert len(batch.talks) == 3
            assert {talk.turns[0].picture for talk in batch.talks} == {picture}


def test_a_steps_loss_is_its_batchs(training: MixtureTraining) -> None:
    model = training.model
    seen = set()
    for number in range(13):
        category, own = training.mixture.row(number)
        seen.add(category)
        terms = training.loss(number)
        if category == TEXT:
            chat = training.streams["film"].chat
            assert terms["words"] == terms["loss"] == pairs_loss(model.language, chat, training.texts[own])
        else:
            expected = talk_terms(model, training.streams[category], own)
            assert {name: float(v.detach()) for name, v in terms.items()} == pytest.approx(
                {name: float(v.detach()) for name, v in expected.items()}
            )
    assert seen == set(COUNTS)


def test_held_out_words_come_batch_by_batch(training: MixtureTraining) -> None:
    found = training.words(TEXT, 2)
    again = (training.terms(TEXT, number)["words"] for number in range(9))
    assert found == [float(value.detach()) for value in islice(again, 2)] and found[0] != found[1]
