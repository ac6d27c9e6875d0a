"""How a question becomes tokens: what stands before the images, what after them, and the answer.

Order (t, e) of mpLLM: the question, then the images, then what opens the answer. A tokenizer of ours and one
that comes with a pretrained model are used alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sagittal.errors import ConfigError
from sagittal.language.tokenizer import ASSISTANT, BOS, CHAT_TOKENS, EOS, SYSTEM, USER, Tokenizer, bytes_of
from sagittal.models.vlm.pieces import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Chat(ABC):
    """A chat template around one question.

    Attributes:
        end: the token that ends an answer.
    """

    end: int

    @property
    @abstractmethod
    def size(self) -> int:
        """Tokens of the vocabulary."""

    @property
    @abstractmethod
    def opening(self) -> list[int]:
        """What stands before the question; always the same."""

    @property
    @abstractmethod
    def header(self) -> list[int]:
        """What stands after question and images and opens the answer; always the same."""

    @abstractmethod
    def briefed(self, text: str) -> list[int]:
        """What stands before the first question of a conversation that a system prompt opens."""

    @property
    @abstractmethod
    def again(self) -> list[int]:
        """What stands between an answer with its end and the user's next words."""

    @abstractmethod
    def vocabulary(self) -> list[bytes]:
        """Bytes of each token, by id; special ones have none."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Words, none of them special."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The words of a generated answer, special tokens left out."""

    @abstractmethod
    def special(self, token: str) -> int:
        """Id of a special token.

        Raises:
            ConfigError: the vocabulary has none of that name.
        """

    def question(self, text: str) -> list[int]:
        """What stands before the images, where these follow the question."""
        return [*self.opening, *self.encode(text)]

    def answer(self, text: str) -> list[int]:
        """An answer, and what ends it."""
        return [*self.encode(text), self.end]


class OwnChat(Chat):
    """The template of a tokenizer of ours: ``<bos><USER>`` question ``<ASSISTANT>`` answer ``<eos>``.

    Args:
        tokenizer: with :data:`sagittal.language.tokenizer.CHAT_TOKENS`.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.end = tokenizer.special(EOS)
        self._special = {tokenizer.special(token) for token in CHAT_TOKENS}

    @property
    def size(self) -> int:
        """Tokens of the vocabulary."""
        return self.tokenizer.size

    @property
    def opening(self) -> list[int]:
        """``<bos><USER>``."""
        return [self.tokenizer.special(BOS), self.tokenizer.special(USER)]

    @property
    def header(self) -> list[int]:
        """``<ASSISTANT>``."""
        return [self.tokenizer.special(ASSISTANT)]

    def briefed(self, text: str) -> list[int]:
        """``<bos><SYSTEM>`` words ``<USER>``."""
        special = self.tokenizer.special
        return [special(BOS), special(SYSTEM), *self.encode(text), special(USER)]

    @property
    def again(self) -> list[int]:
        """``<USER>``."""
        return [self.tokenizer.special(USER)]

    def vocabulary(self) -> list[bytes]:
        """Bytes of each token."""
        return self.tokenizer.bytes_of_tokens()

    def encode(self, text: str) -> list[int]:
        """Words, none of them special."""
        return self.tokenizer.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Words; nothing special is among them."""
        return self.tokenizer.decode([token for token in ids if token not in self._special])

    def special(self, token: str) -> int:
        """Id of a special token; all of :data:`sagittal.language.tokenizer.CHAT_TOKENS` are there."""
        return self.tokenizer.special(token)


class HubChat(Chat):
    """The template that a pretrained model's tokenizer brings along.

    Args:
        tokenizer: of transformers, with or without a chat template.

    Raises:
        ConfigError: the template changes what it is given, or the tokenizer names no token that ends a text.
    """

    _MARK = "\u2063sagittal\u2063"

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        if tokenizer.eos_token_id is None:
            raise ConfigError("The tokenizer names no token that ends a text.", got=type(tokenizer).__name__)
        whole = self._whole(self._MARK)
        before, mark, after = whole.partition(self._MARK)
        if not mark:
            raise ConfigError("The chat template loses the question.", got=whole[:200])
        self._before, self._after = before, after
        # Chat models end a turn with a token of their own, which the template puts after an answer.
        self.end = self._ending()

    @property
    def size(self) -> int:
        """Tokens of the vocabulary, those that were added among them."""
        return len(self.tokenizer)

    @property
    def opening(self) -> list[int]:
        """What the template puts before the words."""
        own = self._ids(self._before, special=True)
        start = self.tokenizer.bos_token_id
        if start is not None and own[:1] != [start] and getattr(self.tokenizer, "add_bos_token", False):
            own = [start, *own]
        return own

    @property
    def header(self) -> list[int]:
        """What the template puts after the words."""
        return self._ids(self._after, special=True)

    def briefed(self, text: str) -> list[int]:
        """The template's system turn, or the beginning of the user's where it has none."""
        before, between, _ = self._conversation()
        return [
            *self._ids(before, special=True),
            *self._ids(text, special=False),
            *self._ids(between, special=True),
        ]

    @property
    def again(self) -> list[int]:
        """What the template puts there, but for the end of the answer."""
        ids = self._ids(self._conversation()[2], special=True)
        return ids[1:] if ids[:1] == [self.end] else ids

    def vocabulary(self) -> list[bytes]:
        """Bytes of each token, where the tokenizer is of byte-level BPE.

        Raises:
            ConfigError: it is of another kind.
        """
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        tokens = self.tokenizer.convert_ids_to_tokens(list(range(self.size)))
        return [b"" if n in special or t is None else bytes_of(t) for n, t in enumerate(tokens)]

    def encode(self, text: str) -> list[int]:
        """Words, none of them special."""
        return self._ids(text, special=False)

    def decode(self, ids: Sequence[int]) -> str:
        """Words, special tokens left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def special(self, token: str) -> int:
        """Id of a token that was added to the vocabulary."""
        found = self.tokenizer.get_added_vocab().get(token)
        if found is None:
            raise ConfigError("The tokenizer lacks a special token.", expected=token)
        return int(found)

    def _whole(self, question: str, answer: str | None = None) -> str:
        if self.tokenizer.chat_template is None:
            return f"Question: {question}\nAnswer: {answer or ''}"
        turns = [{"role": "user", "content": question}]
        if answer is not None:
            turns.append({"role": "assistant", "content": answer})
        made = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=answer is None)
        return str(made)

    def _conversation(self) -> tuple[str, str, str]:
        """The template's words before a system prompt, before a question, and between answer and question."""
        marks = [f"{self._MARK}{n}" for n in range(4)]
        roles = ("system", "user", "assistant", "user")
        if self.tokenizer.chat_template is None:
            whole = f"{marks[0]}\nQuestion: {marks[1]}\nAnswer: {marks[2]}\nQuestion: {marks[3]}"
        else:
            turns = [{"role": r, "content": m} for r, m in zip(roles, marks, strict=True)]
            whole = str(self.tokenizer.apply_chat_template(turns, tokenize=False))
        before, _, rest = whole.partition(marks[0])
        between, _, rest = rest.partition(marks[1])
        _, found, rest = rest.partition(marks[2])
        after, last, _ = rest.partition(marks[3])
        if not found or not last:
            raise ConfigError("The chat template loses a turn.", got=whole[:200])
        return before, between, after

    def _ending(self) -> int:
        rest = self._whole("x", self._MARK).partition(self._MARK)[2]
        first = self._ids(rest, special=True)[:1]
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        return first[0] if first and first[0] in special else int(self.tokenizer.eos_token_id)

    def _ids(self, text: str, *, special: bool) -> list[int]:
        made = self.tokenizer(text, add_special_tokens=False, split_special_tokens=not special)
        return list(made["input_ids"])


def padded(rows: Sequence[Sequence[int]]) -> Tokens:
    """Rows of tokens as one piece, padded on the right."""
    width = max(1, max(len(row) for row in rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    real = torch.zeros(len(rows), width, dtype=torch.bool)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row, dtype=torch.long)
        real[number, : len(row)] = True
    return Tokens(ids, real)


def header_of(chat: Chat, rows: int) -> Tokens:
    """The header, once a row."""
    return padded([chat.header] * rows)


def real_targets(answer: Tokens) -> Tensor:
    """(B, n) ids of an answer, −100 at padding: what the words' loss is taken over."""
    return answer.ids.masked_fill(~answer.real, -100)
