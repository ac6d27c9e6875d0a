"""VILA-M3's voice: cards read once, replies within what may be said, the conversation as it was trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.asking.vila_m3_voice import VilaM3, _whole_sentences
from sagittal.geometry import Geometry
from sagittal.models.medplib.pictures import squared_pixels
from sagittal.models.vlm.chat import padded
from sagittal.models.vlm.pieces import Round
from sagittal.specialists.consulting import Told
from sagittal.specialists.feedback import Region, classes_text
from sagittal.specialists.measuring import Found
from sagittal.specialists.prompting import system_prompt
from sagittal.specialists.registry import specialists
from sagittal.specialists.supported import supported_answers
from sagittal.specialists.triggers import Trigger, find_triggers, numbers_of
from sagittal.study import Image
from tiny_vila import tiny_vila


@pytest.fixture(scope="module")
def loaded() -> VilaM3:
    return tiny_vila(5)


@pytest.fixture
def cards():
    entries = specialists().entries
    return [entries[name].card for name in ("ChestOrgans", "ChestFindings")]


def a_picture(seed=0):
    grey = np.random.default_rng(seed).integers(0, 255, (30, 40, 1), dtype=np.uint8)
    return grey.repeat(3, axis=2)


def test_cards_are_read_once_however_many_questions_follow(loaded, cards):
    loaded._prefixes.clear()
    for number in range(3):
        voice = loaded.converse(f"Is the heart large? {number}", a_picture(number), cards)
        before = voice.context.computed
        voice.reply([], last=False)
        [prefix] = loaded._prefixes.values()
        words = len(loaded.chat.briefed(system_prompt(cards)))
        assert before == prefix.computed == words
        question = len(loaded.chat.encode(f"Is the heart large? {number}"))
        said = voice.context.computed - words - question - loaded.model.config.tokens - 1
        assert 0 < said <= 400
    more = [*cards, specialists().entries["Eyes"].card]
    counts = []
    for _ in range(2):
        voice = loaded.converse("Is the heart large?", a_picture(), more)
        before = voice.context.computed
        voice.context.append_tokens(voice._ids(loaded.chat.encode("Is the heart large?")))
        counts.append(voice.context.computed - before)
    # As many as with two cards.
    assert len(set(counts)) == 1 and counts[0] == len(loaded.chat.encode("Is the heart large?"))


def test_replies_keep_to_the_cards_and_to_the_numbers(loaded, cards):
    triggers = {t for card in cards for t in card.triggers()}
    for seed in range(6):
        voice = loaded.converse("Is the heart large?", a_picture(seed), cards)
        first = voice.reply([], last=False)
        assert {str(t) for t in find_triggers(first)} <= triggers and not numbers_of(first)
        overlay = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
        told = [
            Told("ChestOrgans(heart): heart in vermilion, 6.17%.", overlay, ("6.17",)),
            Told("x: no result."),
        ]
        second = voice.reply(told, last=True)
        assert "<" not in second and set(numbers_of(second)) <= {"6.17"}


def test_of_one_result_it_says_what_that_supports(loaded, cards):
    """Untrained, it says anything; held to a result, one of its answers and nothing else."""
    image = Image(np.zeros((8, 8, 1)), Geometry((8, 8, 1), np.eye(4)), "cxr", "film")
    heart = Region("heart", "vermilion", ("6.17%",))
    told = {
        "heart": Told("ChestOrgans(heart): heart in vermilion, 6.17%.", a_picture(1), ("6.17",),
                      Found("r", image, "cxr", True, (heart,))),
        "findings": Told(classes_text("ChestFindings", "findings", dict.fromkeys(cards[1].classes, True)),
                         classes=dict.fromkeys(cards[1].classes, 0.99)),
    }  # fmt: skip
    for seed, (argument, one) in enumerate(told.items()):
        card = cards[seed]
        voice = loaded.converse("Is the heart large?", a_picture(seed), cards)
        first = [*loaded.chat.encode(f"{argument}: <{card.name}({argument})>"), loaded.chat.end]
        original = voice.context.generate
        voice.context.generate = lambda first=first, **given: [first]  # type: ignore[method-assign]
        voice.reply([], last=False)
        voice.context.generate = original  # type: ignore[method-assign]
        assert voice.reply([one], last=False) in supported_answers(one, Trigger(card.name, argument), card)


def test_what_was_called_cannot_be_called_again(loaded, cards):
    voice = loaded.converse("Is the heart large?", a_picture(), cards)
    first = [*voice._loaded.chat.encode("heart: <ChestOrgans(heart)>"), voice._loaded.chat.end]
    allowed = []

    def generate(*, constraint, **given):
        allowed.append(constraint(0, first[:-2]))
        return [first]

    voice.context.generate = generate  # type: ignore[method-assign]
    assert find_triggers(voice.reply([], last=False)) == [Trigger("ChestOrgans", "heart")]
    voice.reply([Told("x: no result.")], last=False)
    assert first[-2] in allowed[0] and first[-2] not in allowed[1]


def test_a_conversation_is_what_training_reads(loaded, cards):
    """The state before each reply is that of one pass over the whole conversation."""
    chat, model = loaded.chat, loaded.model
    overlay = np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    told = Told("ChestOrgans(heart): heart in vermilion, 6.17%.", overlay, ("6.17",))
    voice = loaded.converse("Is the heart large?", a_picture(), cards)
    logits = []
    original = voice.context.generate

    def generate(**given):
        logits.append(voice.context.next_logits.clone())
        said = original(**given)
        replies.append(said[0])
        return said

    replies = []
    voice.context.generate = generate  # type: ignore[method-assign]
    voice.reply([], last=False)
    voice.reply([told], last=True)
    edge = model.config.encoder.size[0]
    there = torch.ones(1, 1, dtype=torch.bool)
    rounds = [
        Round(
            padded([opening]), model.look(squared_pixels(picture, edge)[None, None] / 255, there),
            padded([chat.encode(words)]), padded([chat.header]), padded([reply]),
        )
        for opening, picture, words, reply in (
            (chat.briefed(system_prompt(cards)), a_picture(), "Is the heart large?", replies[0]),
            (chat.again, told.picture, f"{told.text}\nIs the heart large?", replies[1]),
        )
    ]  # fmt: skip
    with torch.no_grad():
        read = model.follow(rounds)
    for once, spoken in zip(read, logits, strict=True):
        torch.testing.assert_close(once[:, 0], spoken, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("There is a mass. No edema. No pneum", "There is a mass. No edema."),
        ("It measures 4.5 mL. <Eyes(whole tu", "It measures 4.5 mL."),
        ("<Eyes(whole tumour)> and <Eyes(le", "<Eyes(whole tumour)>"),
        ("no end at all", ""),
    ],
)
def test_what_was_cut_off_ends_with_its_last_sentence(cut, whole):
    assert _whole_sentences(cut) == whole
