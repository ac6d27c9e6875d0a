"""How much of its language a model kept: the loss on answers that no training read, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sagittal.models.vlm.chat import Chat, padded, real_targets
from sagittal.score.descriptors import Figure, resampled
from sagittal.train.decoder_texts import Pair

_TOGETHER = 32


def unread(pairs: Iterable[Pair], read: Iterable[Pair]) -> list[Pair]:
    """Each pair once that does not stand among those that were read.

    Most of SLAKE's test questions stand word for word, with the same answer, in its training file, about
    another image: without the image these pairs are training data.
    """
    known = set(read)
    return [pair for pair in dict.fromkeys(pairs) if pair not in known]


@torch.no_grad()
def answer_losses(language: nn.Module, chat: Chat, pairs: Sequence[Pair]) -> Figure:
    """Mean loss of an answer's tokens, in nats, with its interval over resampled pairs.

    Args:
        language: in evaluation mode.
        chat: the format that it was trained with.
        pairs: question and answer.
    """
    sums, counts = [], []
    for first in range(0, len(pairs), _TOGETHER):
        for question, answer in pairs[first : first + _TOGETHER]:
            asked = [*chat.question(question), *chat.header]
            told = padded([chat.answer(answer)])
            ids = torch.cat([torch.tensor([asked]), told.ids], dim=1)
            logits = language(input_ids=ids).logits[:, len(asked) - 1 : -1]
            own = functional.cross_entropy(logits[0].float(), real_targets(told)[0], reduction="sum")
            sums.append(float(own))
            counts.append(told.ids.shape[1])
    total, tokens = np.array(sums), np.array(counts)

    def mean(weights: np.ndarray) -> dict[str, float]:
        return {"loss": float((total * weights).sum() / (tokens * weights).sum())}

    return resampled(mean, np.arange(len(pairs)).astype(str))["loss"]
