"""A question with regions, and an answer with masks, as tokens (MedPLIB).

A region stands before the words as ``<REGION>``, a slot for its vector, ``</REGION>``; a mask stands in the
answer, where it is spoken of, as ``<SEG>``. A tokenizer of ours has these tokens; one that comes with a
pretrained model gets them from :func:`add_places`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from sagittal.language.tokenizer import CHAT_TOKENS, END_REGION, IMAGE, REGION, SEGMENT
from sagittal.models.vlm.chat import Chat

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Ids, the same in every vocabulary of ours with chat tokens.
SLOT_ID, SEGMENT_ID = CHAT_TOKENS.index(IMAGE), CHAT_TOKENS.index(SEGMENT)
#: Around and in place of a region, and in place of a mask; in the order in which a vocabulary grows by them.
PLACES = (REGION, END_REGION, IMAGE, SEGMENT)
#: A mask's place among the words of an answer.
Mark = Literal[True]
MASK: Mark = True


@dataclass(frozen=True)
class Speech:
    """A chat whose questions point at places, and whose answers hold masks.

    Attributes:
        chat: template and words.
        region: the tokens of one region.
        slot: the one of them in whose place its vector stands.
        segment: the token that stands for a mask.
    """

    chat: Chat
    region: tuple[int, int, int]
    slot: int
    segment: int

    @classmethod
    def of(cls, chat: Chat) -> Self:
        """With the ids that its vocabulary has.

        Raises:
            ConfigError: it has no tokens for places.
        """
        begin, end, slot, segment = (chat.special(token) for token in PLACES)
        return cls(chat, (begin, slot, end), slot, segment)

    @property
    def end(self) -> int:
        """The token that ends an answer."""
        return self.chat.end

    @property
    def header(self) -> list[int]:
        """What opens the answer."""
        return self.chat.header

    def question(self, text: str, regions: int) -> list[int]:
        """What opens a question, the regions, and the words."""
        return [*self.chat.opening, *(self.region * regions), *self.chat.encode(text)]

    def answer(self, pieces: Sequence[str | Mark]) -> list[int]:
        """Words and masks, and what ends them."""
        ids: list[int] = []
        for piece in pieces:
            ids += self.chat.encode(piece) if isinstance(piece, str) else [self.segment]
        return [*ids, self.end]

    def pieces(self, ids: Sequence[int]) -> list[str | Mark]:
        """A generated answer as words and masks; other special tokens are left out."""
        pieces: list[str | Mark] = []
        run: list[int] = []
        said = 0
        for token in [*ids, self.segment]:
            if token != self.segment:
                run.append(token)
                continue
            # Read from the beginning: many tokenizers tell a word's space by what stands before it.
            text = self.chat.decode(run)
            if text[said:]:
                pieces.append(text[said:])
            said = max(said, len(text))
            pieces.append(MASK)
        return pieces[:-1]


def add_places(tokenizer: PreTrainedTokenizerBase, language: PreTrainedModel) -> None:
    """Give a pretrained model's vocabulary the tokens for regions and masks, in place.

    What of them is there already stays as it is. New embeddings are drawn around the mean of the others, as
    transformers has it; the model's config must be read after this.

    Args:
        tokenizer: of the model.
        language: whose embeddings, in and out, grow with it.
    """
    tokenizer.add_special_tokens({"extra_special_tokens": list(PLACES)}, replace_extra_special_tokens=False)
    # Embeddings are often more than there are words, so that they can be shared out evenly.
    if len(tokenizer) > language.config.vocab_size:
        language.resize_token_embeddings(len(tokenizer))
