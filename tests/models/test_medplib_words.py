"""Regions and masks among tokens: there and back, and out of no text."""

from __future__ import annotations

import pytest

from marked_pictures import words
from sagittal.language.tokenizer import CHAT_TOKENS, EOS, PAD
from sagittal.models.medplib.words import (
    MASK,
    SEGMENT_ID,
    SLOT_ID,
    answer_ids,
    header_ids,
    pieces_of,
    question_ids,
)

TOKENIZER = words()
SPECIAL = {TOKENIZER.special(token) for token in CHAT_TOKENS}


def test_ids_are_those_of_every_vocabulary() -> None:
    assert TOKENIZER.special("<IMAGE>") == SLOT_ID and TOKENIZER.special("<SEG>") == SEGMENT_ID


@pytest.mark.parametrize(
    "pieces",
    [
        ["the liver ", MASK, ", the spleen ", MASK, "."], [MASK], [MASK, MASK, " both"], ["Yes"], [],
        ["Ünïcode – 肝臓 \n\t 😀", MASK, "  spaces  "],
    ],
)  # fmt: skip
def test_answers_come_back_as_they_were(pieces) -> None:
    ids = answer_ids(TOKENIZER, pieces)
    assert ids[-1] == TOKENIZER.special(EOS) and ids.count(SEGMENT_ID) == pieces.count(MASK)
    assert pieces_of(TOKENIZER, ids) == pieces
    # As it comes from a batch, padded; and cut short.
    assert pieces_of(TOKENIZER, [*ids, TOKENIZER.special(PAD), TOKENIZER.special(PAD)]) == pieces
    assert pieces_of(TOKENIZER, ids[:-1]) == pieces


def test_other_special_tokens_are_left_out_of_an_answer() -> None:
    ids = TOKENIZER.encode("the liver")
    mixed = [SLOT_ID, *ids[:2], TOKENIZER.special("<USER>"), *ids[2:], SEGMENT_ID, TOKENIZER.special(EOS)]
    assert pieces_of(TOKENIZER, mixed) == ["the liver", MASK]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_question_has_a_slot_for_each_region_and_opens_with_them(count) -> None:
    ids = question_ids(TOKENIZER, "What is this?", count)
    names = ["<bos>", "<USER>", *["<REGION>", "<IMAGE>", "</REGION>"] * count]
    assert ids[: len(names)] == [TOKENIZER.special(name) for name in names]
    assert TOKENIZER.decode(ids[len(names) :]) == "What is this?"
    assert header_ids(TOKENIZER) == [TOKENIZER.special("<ASSISTANT>")]


def test_no_text_becomes_a_special_token() -> None:
    texts = [*CHAT_TOKENS, "".join(CHAT_TOKENS), "< SEG >", "x<SEG>y</REGION>", "<IMAGE" + ">" * 3]
    for text in texts:
        assert not SPECIAL & set(TOKENIZER.encode(text))
        assert question_ids(TOKENIZER, text, 0)[:2] == question_ids(TOKENIZER, "", 0)
        assert SPECIAL.isdisjoint(question_ids(TOKENIZER, text, 0)[2:])
        assert SPECIAL.isdisjoint(answer_ids(TOKENIZER, [text])[:-1])
        # It is said as it was typed.
        assert pieces_of(TOKENIZER, answer_ids(TOKENIZER, [text])) == [text]
