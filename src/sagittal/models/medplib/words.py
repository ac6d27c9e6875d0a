"""A question with regions, and an answer with masks, as tokens (MedPLIB).

A region stands before the words as ``<REGION>``, a slot for its vector, ``</REGION>``; a mask stands in the
answer, where it is spoken of, as ``<SEG>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sagittal.language.tokenizer import (
    ASSISTANT,
    BOS,
    CHAT_TOKENS,
    END_REGION,
    EOS,
    IMAGE,
    REGION,
    SEGMENT,
    USER,
    Tokenizer,
)

#: Ids, the same in every vocabulary with chat tokens.
SLOT_ID, SEGMENT_ID = CHAT_TOKENS.index(IMAGE), CHAT_TOKENS.index(SEGMENT)
#: A mask's place among the words of an answer.
Mark = Literal[True]
MASK: Mark = True


def question_ids(tokenizer: Tokenizer, question: str, regions: int) -> list[int]:
    """``<bos><USER>``, the regions, and the words."""
    slot = [tokenizer.special(token) for token in (REGION, IMAGE, END_REGION)]
    start = [tokenizer.special(BOS), tokenizer.special(USER)]
    return [*start, *(slot * regions), *tokenizer.encode(question)]


def header_ids(tokenizer: Tokenizer) -> list[int]:
    """What opens the answer."""
    return [tokenizer.special(ASSISTANT)]


def answer_ids(tokenizer: Tokenizer, pieces: Sequence[str | Mark]) -> list[int]:
    """Words and masks, and what ends them."""
    ids: list[int] = []
    for piece in pieces:
        ids += tokenizer.encode(piece) if isinstance(piece, str) else [tokenizer.special(SEGMENT)]
    return [*ids, tokenizer.special(EOS)]


def pieces_of(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str | Mark]:
    """A generated answer as words and masks; other special tokens are left out."""
    special = {tokenizer.special(token) for token in CHAT_TOKENS}
    segment = tokenizer.special(SEGMENT)
    pieces: list[str | Mark] = []
    run: list[int] = []
    for token in [*ids, segment]:
        if token == segment:
            if run:
                pieces.append(tokenizer.decode(run))
            pieces.append(MASK)
            run = []
        elif token not in special:
            run.append(token)
    return pieces[:-1]
