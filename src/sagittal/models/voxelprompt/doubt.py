"""A question that the model is not sure to have read right is asked back, not answered.

A program begins with what was understood (``asked = "volume: whole tumour"``). Where the model gives that
line less than even odds, by its own account it is more likely wrong than right, and its number would look as
sure as any other. Not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from sagittal.agent.loop import ASKED, UNSURE
from sagittal.agent.text import plain
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.decoding import GrowingContext
from sagittal.models.voxelprompt.model import VoxelPrompt

_ASKED = re.compile(rf'{ASKED} = "([^"\n]*)"\n')
_ABSTAIN = "abstain("
_LONGEST = 160


def first_line(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[int]:
    """The tokens of a program up to the one that ends its first line; all, where none does."""
    for n in range(1, len(tokens) + 1):
        if "\n" in tokenizer.decode(tokens[:n]):
            return list(tokens[:n])
    return list(tokens)


@torch.no_grad()
def likelihood(model: VoxelPrompt, before: GrowingContext, lines: Sequence[Sequence[int]]) -> Tensor:
    """What probability a model gives to lines that it wrote.

    Args:
        model: that wrote them.
        before: the context that they follow; it does not grow.
        lines: the tokens of each row; none for a row that wrote nothing, which is certain.

    Returns:
        (rows,): products over tokens.
    """
    last = before.last_state
    ids = torch.zeros(len(lines), max(1, *map(len, lines)), dtype=torch.long)
    real = torch.zeros_like(ids, dtype=torch.bool)
    for row, line in enumerate(lines):
        ids[row, : len(line)] = torch.tensor(line, dtype=torch.long)
        real[row, : len(line)] = True
    ids, real = ids.to(last.device), real.to(last.device)
    states = before.fork().append_embeddings(model.embed(ids), real)
    follow = before.logits(torch.cat([last[:, None], states[:, :-1]], dim=1))
    logs = follow.float().log_softmax(dim=-1).gather(2, ids[..., None])[..., 0]
    return logs.where(real, 0.0).sum(dim=1).exp()


def doubted(program: str) -> str | None:
    """What is said instead of a program that is doubted; ``None`` where it answers nothing anyway."""
    found = _ASKED.match(program)
    if found is None or _ABSTAIN in program:
        return None
    read = plain(found.group(1), _LONGEST)
    return (
        f'{ASKED} = "{UNSURE}{read}"\n'
        f'abstain("It is not clear what is asked: {read}? Please ask in other words.")'
    )
