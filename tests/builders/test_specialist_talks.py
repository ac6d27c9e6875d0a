"""Conversations about specialists: triggers are those of the cards shown, numbers those that were told."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from sagittal.builders.consultation_bank import CallRecord, CaseRecord, RegionRecord
from sagittal.builders.specialist_qa.declining import might_know
from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.builders.specialist_qa.offers import Offers, _shared
from sagittal.builders.specialist_qa.shown import Shown
from sagittal.builders.specialist_qa.talks import Batch
from sagittal.language.specialist_answers import DECLINED, SIDES, film_answer
from sagittal.language.specialist_wordings import SpecialistWordings
from sagittal.language.voxel_everyday import TypingConfig
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.runtime import autocast
from sagittal.specialists.prompting import ALONE
from sagittal.specialists.registry import specialists
from sagittal.specialists.triggers import find_triggers, numbers_of
from sagittal.train.decoder_texts import pairs_loss
from sagittal.train.talks import (
    ANSWER_WEIGHT,
    TEXT_WEIGHT,
    LivePictures,
    SeenPictures,
    TalkStream,
    TalkTraining,
)
from sagittal.weights import find_checkpoint

CARDS = {name: entry.card for name, entry in specialists().entries.items()}


def a_case(kinds, looks_at, *calls):
    return CaseRecord(
        name="c", patient="p", split="train", source="s", licence="l", kinds=kinds, looks_at=looks_at,
        calls=calls,
    )  # fmt: skip


def a_call(specialist, argument, text, **more):
    return CallRecord(specialist=specialist, argument=argument, text=text, **more)


CASES = [
    a_case(
        ("t1", "flair"), "volume",
        a_call(
            "Eyes", "whole tumour",
            "Eyes(whole tumour) on axial slice 9: whole tumour in vermilion, 15.9 mL, left.",
            regions=(RegionRecord(label="whole tumour", facts=("15.9 mL", "left")),), numbers=("15.9",),
        ),
        a_call("DeepBET", "brain", "DeepBET: no result, it failed.", failed=True),
        a_call("Eyes", "lesion", "Eyes(lesion): nothing was found."),
    ),
    a_case(
        ("cxr",), "picture",
        a_call(
            "ChestOrgans", "heart and lungs",
            "ChestOrgans(heart and lungs): heart in vermilion, 12%; cardiothoracic ratio 0.508.",
            regions=(RegionRecord(label="heart", facts=("12%",)),), whole=("cardiothoracic ratio 0.508",),
            numbers=("12", "0.508"),
        ),
        a_call(
            "ChestFindings", "findings", "ChestFindings(findings):\nPneumothorax: yes\nEdema: no",
            classes={"Pneumothorax": (0.9, True), "Edema": (0.1, False)},
        ),
    ),
]  # fmt: skip
SHOWN = Shown(
    [(case, 3 * n, tuple(3 * n + 1 for _ in case.calls)) for n, case in enumerate(CASES)],
    {"brain": [0, 1], "film": [2, 3], "ct": [4]},
)


def maker(seed=1, **more):
    return TalkMaker(SHOWN, CARDS, seed, **more)


def shown_triggers(system):
    return {str(trigger) for line in system.splitlines()[1:] for trigger in find_triggers(line)}


@pytest.mark.parametrize("typing", [None, TypingConfig()])
def test_triggers_are_the_shown_cards_and_numbers_are_the_told_ones(typing):
    make, kinds = maker(typing=typing), set()
    for number in range(60):
        batch = make(number)
        allowed = shown_triggers(batch.system)
        for talk in batch.talks:
            kinds.add(talk.kind.split("/")[0])
            first = talk.turns[0]
            triggers = find_triggers(first.reply)
            assert {str(t) for t in triggers} <= allowed
            assert bool(triggers) == talk.kind.startswith("call")
            # In training, some questions about no picture come without one, and half of the batches do.
            given = first.words.startswith("Given: ")
            assert given or (typing and talk.kind.startswith("none"))
            assert first.picture is not None or typing
            for before, after in zip(talk.turns, talk.turns[1:], strict=False):
                assert before.reply.endswith(")>") and not find_triggers(after.reply)
                name = triggers[0].name
                assert after.words.startswith((f"{name}(", f"{name}:"))
                assert set(numbers_of(after.reply)) <= set(numbers_of(after.words))
    assert kinds == {"call", "none", "declined"}


def test_a_batch_follows_from_its_number_alone():
    assert maker()(7) == maker()(7) != maker()(8)
    assert maker()(7) != maker(seed=2)(7)


def test_without_specialists_the_picture_answers_and_sizes_are_declined():
    make, kinds, said = maker(alone=1.0), set(), ""
    for number in range(20):
        batch = make(number)
        assert batch.system == ALONE
        for talk in batch.talks:
            [turn] = talk.turns
            kinds.add(talk.kind.split("/")[0])
            said += turn.reply + "\n"
            assert not find_triggers(turn.reply)
            if talk.kind.startswith("alone"):
                assert not numbers_of(turn.reply)
    assert kinds == {"alone", "none"}
    for words in ("Yes: whole tumour was found on the left.", "that needs a mask", "There is pneumothorax."):
        assert words in said, words


def test_withheld_wordings_are_another_pool():
    train = {t.turns[0].words for n in range(20) for t in maker()(n).talks}
    withheld = {t.turns[0].words for n in range(20) for t in maker(pool="withheld")(n).talks}
    assert len(train & withheld) < 0.1 * len(withheld)


def test_no_two_cards_know_one_thing_and_names_are_new_half_of_the_time():
    offers, rng = Offers(CARDS, SpecialistWordings.load()), np.random.default_rng(0)
    renamed = total = 0
    for _ in range(200):
        drawn = offers.draw(rng)
        things = [_shared(t) for offer in drawn if not offer.strange for t in offer.things.values()]
        assert len(things) == len(set(things)) and len({o.card.name for o in drawn}) == len(drawn)
        renamed += sum(o.card.name not in CARDS for o in drawn)
        total += len(drawn)
    assert 0.4 < renamed / total < 0.9


@pytest.mark.parametrize("label", list(CARDS["ChestFindings"].classes))
def test_each_class_of_the_classifier_can_be_asked_for_and_is_answered(label):
    assert f"finding/{label}" in SpecialistWordings.load().things()
    for there, word in ((True, "yes"), (False, "no")):
        told = dict.fromkeys(CARDS["ChestFindings"].classes, not there) | {label: there}
        # As the line of what is told stands.
        assert film_answer(told, label) == f"Finding: {label}: {word}."
    assert film_answer({label: True}, "Scoliosis").startswith(DECLINED)


def test_an_imagined_result_is_read_as_it_is_told():
    make, seen = TalkMaker(Shown([], {"brain": [0], "film": [1], "ct": [2]}), CARDS, 3), 0
    for number in range(60):
        for talk in make(number).talks:
            if talk.kind != "call/imagined":
                continue
            seen += 1
            second = talk.turns[1]
            told, _, question = second.words.partition("\n")
            assert second.picture is None and question == talk.turns[0].words
            [trigger] = find_triggers(talk.turns[0].reply)
            assert told.startswith(f"{trigger.name}({trigger.argument})")
            assert set(numbers_of(second.reply)) <= set(numbers_of(told))
            if "nothing was found" in told:
                assert second.reply.startswith("No ")
            for side, said in SIDES.items():
                assert said not in second.reply or side in told
    assert seen > 150


def test_words_without_a_meaning_are_called_for_where_a_card_has_them_and_declined_where_none_has():
    called = declined = 0
    known = {p.text.lower() for t in SpecialistWordings.load().things().values() for p in t.phrases}
    for number in range(60):
        batch, offers = maker().with_offers(number)
        strange = {a: o.card.name for o in offers if o.strange for a in o.arguments}
        for talk in batch.talks:
            words, reply = talk.turns[0].words, talk.turns[0].reply
            for trigger in find_triggers(reply):
                if trigger.argument in strange:
                    called += 1
                    assert trigger.argument in words and strange[trigger.argument] == trigger.name
            if talk.kind == "declined" and not any(phrase in words.lower() for phrase in known):
                declined += 1
                assert not any(re.search(rf"\b{argument}\b", words) for argument in strange)
    assert called > 20 and declined > 10


def test_no_answer_without_a_call_states_a_number():
    replies = [t.turns[0].reply for n in range(150) for t in maker()(n).talks if t.kind.startswith("none")]
    assert len(replies) > 300 and not any(numbers_of(reply) for reply in replies)


def test_what_a_general_argument_draws_counts_as_known():
    things = SpecialistWordings.load().things()
    [whole] = [
        o
        for n in range(200)
        for o in Offers(CARDS, SpecialistWordings.load()).draw(np.random.default_rng(n), "ct")
        if o.base == "VISTA3D" and "everything" in o.arguments
    ][:1]
    for name in ("liver", "spleen", "aorta", "duodenum"):
        assert might_know(whole, things[f"ct/{name}"]), name
    assert not might_know(whole, things["brain/thalamus"])


def test_a_tiny_model_learns_a_batch_by_heart():
    _, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    chat = OwnChat(tokenizer)
    torch.manual_seed(0)
    model = VLM(vila_m3_config("tiny", chat.size))
    pictures = np.random.default_rng(0).integers(0, 255, (8, 3, 32, 32), dtype=np.uint8)
    # Conversations of one turn and of two.
    make = maker(batch=4)
    batch = next(b for b in map(make, range(99)) if {len(t.turns) for t in b.talks} == {1, 2})
    stream = TalkStream(lambda number: batch, LivePictures(model, pictures), chat)
    training = TalkTraining(model, stream, stream, checks=1)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    first = float(training.loss(0)["loss"].detach())
    for _ in range(40):
        loss = training.loss(0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.25 * first
    assert model.encoder.embed.weight.grad.abs().sum() > 0
    pairs = [("Is it red?", "No."), ("What is the organ?", "Liver")]
    more = TalkTraining(model, stream, stream, pairs, checks=1)
    terms = {name: float(value.detach()) for name, value in more.loss(0).items()}
    # All texts are drawn of these two, so that their loss lies between those of each.
    alone = [float(pairs_loss(model.language, chat, [pair]).detach()) for pair in pairs]
    assert min(alone) - 0.05 < terms["text"] < max(alone) + 0.05
    weighed = ANSWER_WEIGHT * terms["answer"] + TEXT_WEIGHT * terms["text"]
    assert terms["loss"] == pytest.approx(terms["words"] + terms["choice"] + weighed, rel=1e-4)
    replies = [talk.turns[1].reply for talk in batch.talks if len(talk.turns) > 1]
    assert terms["answer"] == pytest.approx(_first_tokens(model, stream, batch, len(replies)), rel=0.1)
    assert float(more.loss(1)["text"].detach()) != terms["text"] and "text" not in training.loss(0)
    # A mean over no second replies is none, not zero.
    firsts = Batch(batch.system, tuple(talk for talk in batch.talks if len(talk.turns) == 1))
    short = TalkStream(lambda number: firsts, LivePictures(model, pictures), chat)
    with torch.no_grad():
        alone = TalkTraining(model, short, stream).loss(0)
    assert "answer" not in alone and float(alone["loss"]) == float(alone["words"] + alone["choice"])


@torch.no_grad()
def _first_tokens(model, stream, batch, count):
    """Mean loss of the first tokens of second replies, one conversation at a time."""
    losses = []
    for talk in batch.talks:
        if len(talk.turns) > 1:
            briefed, rounds = stream.rounds(Batch(batch.system, (talk,)))
            with autocast():
                logits = model.follow(rounds, briefed)[1]
            losses.append(-float(logits[0, 0].float().log_softmax(-1)[rounds[1].reply.ids[0, 0]]))
    assert len(losses) == count
    return sum(losses) / count


def test_pictures_that_were_seen_once_are_those_that_are_looked_at():
    torch.manual_seed(0)
    model = VLM(vila_m3_config("tiny", 300)).eval()
    pictures = np.random.default_rng(0).integers(0, 255, (5, 3, 32, 32), dtype=np.uint8)
    live, seen = LivePictures(model, pictures), SeenPictures.by(model, pictures, together=2)
    with torch.no_grad(), autocast():
        one, other = live([3, None, 1]), seen([3, None, 1])
    assert torch.equal(one.present, other.present) and one.present[:, 0].tolist() == [True, False, True]
    torch.testing.assert_close(one.tokens.float(), other.tokens, atol=2e-2, rtol=2e-2)
    assert not other.tokens[1].any() and not re.search("nan", str(other.tokens))


def test_a_specialist_that_cannot_look_at_a_study_is_not_called_for_it():
    """A bank may hold calls that failed for that; nobody who asks about such a study is shown the card."""
    unsuited = "DeepBET: no result, it does not suit these images."
    calls = {("flair",): a_call("DeepBET", "brain", unsuited, failed=True)}
    calls["t1",] = a_call("DeepBET", "brain", "DeepBET: no result, it failed.", failed=True)
    cases = [(a_case(kinds, "volume", call), 0, (None,)) for kinds, call in calls.items()]
    make = TalkMaker(Shown(cases, SHOWN.plain), CARDS, 1)
    told = [turn.words for n in range(80) for talk in make(n).talks for turn in talk.turns[1:]]
    assert any("it failed" in words for words in told) and not any("does not suit" in w for w in told)
