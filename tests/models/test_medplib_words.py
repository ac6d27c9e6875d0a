"""Regions and masks among tokens: there and back, and out of no text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from hub_words import TEMPLATE, hub_tokenizer
from marked_pictures import words
from sagittal.errors import ConfigError
from sagittal.language.tokenizer import CHAT_TOKENS, EOS, PAD
from sagittal.models.medplib.words import MASK, PLACES, SEGMENT_ID, SLOT_ID, Speech, add_places
from sagittal.models.vlm.chat import HubChat, OwnChat
from sagittal.models.vlm.language import config_of, make_language

TOKENIZER = words()
SPECIAL = {TOKENIZER.special(token) for token in CHAT_TOKENS}
OWN = Speech.of(OwnChat(TOKENIZER))


def language(vocabulary: int):
    torch.manual_seed(0)
    return make_language(
        {
            "model_type": "llama", "vocab_size": vocabulary, "hidden_size": 16, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
            "tie_word_embeddings": False,
        }
    )  # fmt: skip


def hub_speech(template: str | None = TEMPLATE) -> Speech:
    tokenizer = hub_tokenizer(template)
    add_places(tokenizer, language(len(tokenizer)))
    return Speech.of(HubChat(tokenizer))


SPEECHES = [
    pytest.param(OWN, id="own"),
    pytest.param(hub_speech(), id="hub"),
    pytest.param(hub_speech(None), id="hub-without-template"),
]


def test_ids_are_those_of_every_vocabulary() -> None:
    assert TOKENIZER.special("<IMAGE>") == SLOT_ID == OWN.slot
    assert TOKENIZER.special("<SEG>") == SEGMENT_ID == OWN.segment


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.parametrize(
    "pieces",
    [
        ["the liver ", MASK, ", the spleen ", MASK, "."], [MASK], [MASK, MASK, " both"], ["Yes"], [],
        ["Ünïcode – 肝臓 \n\t 😀", MASK, "  spaces"],
    ],
)  # fmt: skip
def test_answers_come_back_as_they_were(speech: Speech, pieces) -> None:
    ids = speech.answer(pieces)
    assert ids[-1] == speech.end and ids.count(speech.segment) == pieces.count(MASK)
    found = speech.pieces(ids)
    assert [one for one in found if one is MASK] == [one for one in pieces if one is MASK]
    # Spaces beside a mask may come before or after it; all words are where they were.
    assert [p.strip() for p in found if p is not MASK] == [p.strip() for p in pieces if p is not MASK]
    assert (
        "".join(p for p in found if p is not MASK).split()
        == "".join(p for p in pieces if p is not MASK).split()
    )
    # Cut short.
    assert speech.pieces(ids[:-1]) == found


def test_what_our_tokenizer_says_comes_back_to_the_letter() -> None:
    pieces = ["the liver ", MASK, "  spaces \n", MASK, " "]
    ids = OWN.answer(pieces)
    assert OWN.end == TOKENIZER.special(EOS) and OWN.pieces(ids) == pieces
    # As it comes from a batch, padded.
    assert OWN.pieces([*ids, TOKENIZER.special(PAD), TOKENIZER.special(PAD)]) == pieces


def test_other_special_tokens_are_left_out_of_an_answer() -> None:
    ids = TOKENIZER.encode("the liver")
    mixed = [SLOT_ID, *ids[:2], TOKENIZER.special("<USER>"), *ids[2:], SEGMENT_ID, TOKENIZER.special(EOS)]
    assert OWN.pieces(mixed) == ["the liver", MASK]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_question_has_a_slot_for_each_region_and_opens_with_them(count) -> None:
    ids = OWN.question("What is this?", count)
    names = ["<bos>", "<USER>", *["<REGION>", "<IMAGE>", "</REGION>"] * count]
    assert ids[: len(names)] == [TOKENIZER.special(name) for name in names]
    assert TOKENIZER.decode(ids[len(names) :]) == "What is this?"
    assert OWN.header == [TOKENIZER.special("<ASSISTANT>")]


def test_a_template_has_the_regions_before_the_words() -> None:
    speech = hub_speech()
    whole = speech.chat.tokenizer.decode([*speech.question("What is this?", 2), *speech.header])  # type: ignore[attr-defined]
    regions = "<REGION><IMAGE></REGION>" * 2
    assert whole == f"<|user|>\n{regions}What is this?<|end|>\n<|assistant|>\n"


@pytest.mark.parametrize("speech", SPEECHES)
def test_no_text_becomes_a_special_token(speech: Speech) -> None:
    special = {speech.slot, speech.segment, *speech.region, speech.end}
    for text in [
        *CHAT_TOKENS,
        "".join(CHAT_TOKENS),
        "< SEG >",
        "x<SEG>y</REGION>",
        "<IMAGE" + ">" * 3,
        "</s>",
    ]:
        assert special.isdisjoint(speech.chat.encode(text))
        assert special.isdisjoint(speech.answer([text])[:-1])
        # It is said as it was typed.
        assert speech.pieces(speech.answer([text])) == [text]


def test_a_vocabulary_without_places_is_refused() -> None:
    with pytest.raises(ConfigError, match="lacks a special token"):
        Speech.of(HubChat(hub_tokenizer()))


def test_places_are_new_rows_and_old_rows_stay() -> None:
    tokenizer = hub_tokenizer()
    before = len(tokenizer)
    model = language(before)
    old = model.get_input_embeddings().weight.detach().clone()
    add_places(tokenizer, model)
    speech = Speech.of(HubChat(tokenizer))
    assert sorted([speech.slot, speech.segment, *speech.region[::2]]) == list(range(before, before + 4))
    assert config_of(model)["vocab_size"] == speech.chat.size == before + len(PLACES)
    assert torch.equal(model.get_input_embeddings().weight[:before], old)
    assert model.get_output_embeddings().weight.shape[0] == before + len(PLACES)
    # Again: nothing is new.
    add_places(tokenizer, model)
    assert len(tokenizer) == before + len(PLACES) == model.config.vocab_size


def test_rows_in_reserve_are_used_first() -> None:
    tokenizer = hub_tokenizer()
    model = language(len(tokenizer) + 64)
    add_places(tokenizer, model)
    assert model.config.vocab_size == len(tokenizer) + 60


def test_special_tokens_that_were_there_stay(tmp_path: Path) -> None:
    tokenizer = hub_tokenizer()
    there = tokenizer.convert_tokens_to_ids("<|end|>")
    add_places(tokenizer, language(len(tokenizer)))
    tokenizer.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert again.convert_tokens_to_ids("<|end|>") == there
    assert Speech.of(HubChat(again)).segment == Speech.of(HubChat(tokenizer)).segment
    assert "<SEG>" in json.dumps(again.get_added_vocab())
