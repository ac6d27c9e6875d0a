"""Texts that the small decoder reads before it sees any image, and its training on them.

Questions and answers about tumours by our grammar, with the classes of simulated studies; where a file of
SLAKE's questions is given (CC BY 4.0), its English ones, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors
from sagittal.models.vlm.chat import Chat, padded
from sagittal.runtime import autocast
from sagittal.train.tumour_bank import TumourBank
from sagittal.train.tumour_stream import Asker

Pair = tuple[str, str]
#: Share of the pairs that come from SLAKE, where it is given.
SLAKE_SHARE = 0.15


def slake_pairs(path: str | Path, languages: Sequence[str] = ("en",)) -> list[Pair]:
    """Questions and answers of a file of SLAKE's.

    Args:
        path: of ``train.json``.
        languages: ``en``, ``zh``.

    Raises:
        StorageError: it cannot be read.
        FileFormatError: it is no such file.
    """
    path = Path(path)
    with storage_errors(path):
        data = path.read_bytes()
    expected = "a JSON list of objects with q_lang, question and answer"
    try:
        asked = json.loads(data)
        if not isinstance(asked, list):
            raise TypeError(f"a JSON {type(asked).__name__}")
        return [(str(q["question"]), str(q["answer"])) for q in asked if q["q_lang"] in languages]
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(
            "This is no file of SLAKE's questions.", expected=expected, got=f"{path}: {error}"
        ) from error


class DecoderTexts:
    """Pairs of question and answer without end; a pair follows from its number.

    Args:
        bank: gives labels and classes.
        asker: words them.
        slake: further pairs.
        seed: of the draws.
    """

    def __init__(self, bank: TumourBank, asker: Asker, slake: Sequence[Pair], seed: int) -> None:
        self.bank, self.asker, self.slake, self.seed = bank, asker, slake, seed
        self._labels = [label for study in range(len(bank)) for label in bank.facts(study)["labels"]]

    def pairs(self, number: int, count: int) -> list[Pair]:
        """The block of pairs of a number."""
        rng = np.random.default_rng([self.seed, number])
        return [self._pair(rng) for _ in range(count)]

    def texts(self, blocks: int, count: int) -> Iterator[str]:
        """Both sides of many pairs, for a tokenizer."""
        for block in range(blocks):
            for question, answer in self.pairs(block, count):
                yield question
                yield answer

    def _pair(self, rng: np.random.Generator) -> Pair:
        if self.slake and rng.random() < SLAKE_SHARE:
            return self.slake[int(rng.integers(len(self.slake)))]
        asked = self.asker.ask(rng, -1, self._labels[int(rng.integers(len(self._labels)))])
        return asked.question, asked.answer


class DecoderTraining:
    """Loss and scores of next-token prediction over whole turns.

    Args:
        decoder: what is trained.
        chat: words to tokens.
        texts, validation: pairs.
        batch: pairs at a time.
    """

    def __init__(
        self, decoder: PreTrainedModel, chat: Chat, texts: DecoderTexts, validation: DecoderTexts, batch: int
    ) -> None:
        self.decoder, self.chat, self.texts, self.held, self.batch = decoder, chat, texts, validation, batch

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        return {"loss": self._loss(self.texts.pairs(number, self.batch))}

    def scores(self) -> dict[str, float]:
        """Mean loss over some held-out pairs."""
        losses = [float(self._loss(self.held.pairs(n, 32))) for n in range(8)]
        return {"val loss": float(np.mean(losses)), "score": -float(np.mean(losses))}

    def _loss(self, pairs: Sequence[Pair]) -> Tensor:
        return pairs_loss(self.decoder, self.chat, pairs)


def pairs_loss(decoder: nn.Module, chat: Chat, pairs: Sequence[Pair]) -> Tensor:
    """Mean cross-entropy of whole turns, questions included."""
    tokens = padded([chat.question(q) + chat.header + chat.answer(a) for q, a in pairs])
    with autocast():
        logits = decoder(input_ids=tokens.ids, attention_mask=tokens.real.long()).logits
    target = tokens.ids.masked_fill(~tokens.real, -100)
    return functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), target[:, 1:].flatten())
