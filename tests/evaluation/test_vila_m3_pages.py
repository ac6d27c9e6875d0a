"""Answers with and without specialists: what words come to, figures by counts, tables, learning's fit."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sagittal.evaluation.vila_m3.both_ways import Reply, mcnemar
from sagittal.evaluation.vila_m3.brain import BrainReply, brain_figures, brain_lines, read_reply
from sagittal.evaluation.vila_m3.films import FilmReply, film_figures, film_lines, word_figures
from sagittal.evaluation.vila_m3.page import cost_lines, learning_lines, trigger_lines
from sagittal.evaluation.vila_m3.plain_pictures import plain_pictures
from sagittal.evaluation.vila_m3.retention import answer_losses, unread
from sagittal.evaluation.vila_m3.triggers import Triggered, TriggerItem
from sagittal.language.specialist_answers import Drawn, mask_answer
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.score.descriptors import Figure
from sagittal.specialists.triggers import Trigger
from sagittal.weights import find_checkpoint

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
EXPERTS, SILVER, NONE = "b, experts' labels", "g, an algorithm's labels", "nichart, DLWMLS's labels"


def said(text, way="with", called=("Eyes",), abstained=False, seconds=1.0, ml=None):
    measured = {} if ml is None else {"volume of whole tumour": ml}
    return Reply(way, text, abstained, called, seconds, measured)


@pytest.mark.parametrize(
    ("asked", "text", "read"),
    [
        ("presence", "Yes: whole tumour was found on the left; it measures 4 mL.", "yes"),
        ("presence", "Size: the whole tumour measures 43.9 mL.", "yes"),
        ("presence", "Side: not measured; the whole tumour is shown in vermilion.", "yes"),
        ("presence", "Outline: the whole tumour in vermilion; it measures 43.9 mL.", "yes"),
        ("presence", "No whole tumour was found.", "no"),
        ("presence", "No answer: the specialist does not tell that.", None),
        ("presence", "It shows the head.", None),
        ("side", "Side: the whole tumour lies on both sides.", "bilateral"),
        ("side", "Yes: whole tumour was found on the right; it measures 43.9 mL.", "right"),
        ("side", "Side: not measured; the whole tumour is shown in vermilion.", None),
        ("size", "Size: the whole tumour measures 43.9 mL.", 43.9),
        ("size", "Size: the whole tumour could not be measured.", None),
        ("size", "No whole tumour was found.", None),
    ],
)
def test_what_a_reply_comes_to(asked, text, read):
    assert read_reply(asked, text) == read


@pytest.mark.parametrize("intent", ["presence", "size", "side", "segment"])
def test_every_answer_about_a_mask_is_read(intent):
    tumour = Drawn("whole tumour", "vermilion", "43.9 mL", "left")
    answer = mask_answer(intent, "whole tumour", [tumour], ())
    assert read_reply("presence", answer) == "yes"
    assert read_reply("side", answer) == (None if intent == "size" else "left")
    assert read_reply("size", answer) == (None if intent == "side" else 43.9)
    assert read_reply("presence", mask_answer(intent, "whole tumour", [], ())) == "no"


def brain(case, asked, truth, *replies, source=EXPERTS):
    return [BrainReply(case, source, asked, "?", truth, reply) for reply in replies]


REPLIES = [
    *brain(
        "a", "presence", "yes", said("Yes: whole tumour."), said("No whole tumour was found.", "alone", ())
    ),
    *brain(
        "a",
        "size",
        100.0,
        said("It measures 119 mL.", ml=110.0),
        said("that needs a mask", "alone", (), True),
    ),
    *brain("b", "size", 100.0, said("It measures 79 mL."), said("that needs a mask", "alone", (), True)),
    *brain("b", "side", "left", said("It lies on the right."), said("It lies on the left.", "alone", ())),
    *brain(
        "n", "presence", "no", said("No whole tumour."), said("No whole tumour.", "alone", ()), source=NONE
    ),
    *brain("s", "side", "left", said("on the left"), said("on the left", "alone", ()), source=SILVER),
]


def test_figures_of_brains_are_those_that_are_counted():
    own = [one for one in REPLIES if one.reply.way == "with" and one.source != SILVER]
    values = {name: figure.value for name, figure in brain_figures(own).items()}
    assert values == {
        "presence, tumours": 1, "presence, none": 1, "side": 0, "size in words, within a fifth": 0.5,
        "size in words, median error": pytest.approx(0.2),
        "size measured beside them, median error": pytest.approx(0.1), "declined": 0,
    }  # fmt: skip
    alone = brain_figures([one for one in REPLIES if one.reply.way == "alone" and one.source != SILVER])
    assert alone["declined"].value == pytest.approx(2 / 5) and math.isnan(
        alone["size in words, median error"].value
    )


def test_silver_labels_stand_apart_and_pairs_are_compared():
    lines = "\n".join(brain_lines(REPLIES))
    experts, silver = lines.split("### Labels by algorithms (silver)")
    assert "3 cases, 5 questions each way" in experts and "1 cases, 1 questions each way" in silver
    assert "only with specialists right 1, only alone right 1" in experts
    assert mcnemar([True, True, False], [False, True, False]) == (1, 0, 1.0)


def film(name, truth, with_words, alone_words):
    replies = said(with_words, called=("ChestFindings",)), said(alone_words, "alone", ())
    return [FilmReply(name, name, truth, reply) for reply in replies]


def test_f1_of_each_finding_and_words_against_the_pool():
    truths = [
        {"Edema": True, "Nodule": False},
        {"Edema": True, "Nodule": True},
        {"Edema": False, "Nodule": True},
    ]
    replies = [
        one
        for number, truth in enumerate(truths)
        for one in film(str(number), truth, "There is pulmonary edema. No nodule.", "There is nodule.")
    ]
    ways = {way: [one for one in replies if one.reply.way == way] for way in ("with", "alone")}
    figures = {name: f.value for name, f in film_figures(ways["with"]).items()}
    assert figures["F1 Edema"] == pytest.approx(0.8) and figures["F1 Nodule"] == 0
    assert figures["F1, mean of findings"] == pytest.approx(0.4)
    assert figures["F1, all labels together"] == pytest.approx(4 / 7) and figures["declined"] == 0
    assert film_figures(ways["alone"])["F1 Nodule"].value == pytest.approx(0.8)
    words = word_figures([FilmReply("0", "0", truths[0], said("There is pulmonary edema. No nodule."))])
    assert words["BLEU-4"].value == pytest.approx(1) and words["ROUGE-L"].value == pytest.approx(1)
    assert "3 films of 3 patients." in film_lines(replies)


def test_names_that_do_not_ship_are_told_apart():
    def item(name):
        return TriggerItem("q", "?", ("t1",), False, (name,), (Trigger(name, "x"),), "one")

    found = [Triggered(item("Old"), (Trigger("Old", "x"),), ""), Triggered(item("New"), (), "")]
    lines = trigger_lines({"asked": found}, frozenset({"Old"}))
    assert lines[2].startswith("| asked | 2 | 1.000") and "under names that do not ship | 1 | – " in lines[3]


def test_costs_are_by_what_was_called():
    replies = [said("", seconds=2.0), said("", seconds=4.0), said("", "alone", (), seconds=0.5)]
    lines = "\n".join(cost_lines(replies))
    assert "| Eyes | 2 | 3.0 | 4.0 |" in lines and "| none allowed | 1 | 0.5 | 0.5 |" in lines


def test_curves_and_the_law_of_the_first(tmp_path):
    steps = np.arange(500, 5000, 500)
    losses = (300 / steps) ** 0.9 + 0.4
    curve = tmp_path / "curve.jsonl"
    rows = [
        {"step": int(s), "val loss": v + 1, "val words": v, "val choice": 1.0}
        for s, v in zip(steps, losses, strict=True)
    ]
    curve.write_text("\n".join(json.dumps(row) for row in [{"step": 20, "loss": 9.0}, *rows]))
    lines = "\n".join(learning_lines({"words": curve, "all": curve, "none": tmp_path / "none"}))
    assert "| words | 500 | 2.0" in lines and "| all | 500 | 2.0" in lines and "none" not in lines
    assert "of `words`: L(S)" in lines and "^0.90 + 0.400" in lines
    assert learning_lines({"none": tmp_path / "none"}) == []


def test_a_model_that_knows_nothing_has_the_loss_of_its_vocabulary():
    language, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    with torch.no_grad():
        language.get_input_embeddings().weight.zero_()
    chat = OwnChat(tokenizer)
    found = answer_losses(language, chat, [("Is it large?", "Yes."), ("Where?", "On the left side of it.")])
    assert isinstance(found, Figure) and found.value == pytest.approx(math.log(chat.size), rel=1e-4)


def test_pairs_that_training_read_are_not_scored_and_no_pair_twice():
    read = [("Is it large?", "Yes."), ("Where?", "Left.")]
    pairs = [("Where?", "Left."), ("Is it large?", "No."), ("Why?", "?"), ("Is it large?", "No.")]
    assert unread(pairs, read) == [("Is it large?", "No."), ("Why?", "?")]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real images are not here")
def test_questions_stand_beside_real_pictures_of_each_kind():
    shown, squares = plain_pictures(DATA, 48)
    assert {imaged: len(own) for imaged, own in shown.plain.items()} == {"film": 8, "brain": 8, "ct": 8}
    assert squares.shape == (24, 3, 48, 48) and squares.dtype == np.uint8
    assert all(square.std() > 5 for square in squares) and not shown.cases
