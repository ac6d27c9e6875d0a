"""A mixture-of-experts feed-forward layer inside a decoder (MedPLIB, Eqs. 1 to 4).

Each token goes to the ``top`` experts that its router finds likeliest; what they make of it is multiplied by
the router's weight, once. An expert takes so many tokens and no more: its *capacity*. A token over capacity
gets nothing from the layer and keeps its residual.

What a capacity is counted over decides who a token depends on. Here it is one sequence's real tokens, in the
order of their positions, so that neither a batch's other rows nor padding ever change a route; the published
form, over the whole batch with its padding, is ``over="batch"``. Tokens that follow a cache are never
dropped: a token that is generated alone would else always fit, and one of many would not. So what is
generated may differ from a full forward in which tokens were dropped, and equals it where none was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class ExpertsConfig(BaseModel):
    """How tokens are shared out; the defaults are the paper's, but for what capacity is counted over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(default=2, ge=1, le=64, description="experts of a layer")
    top: int = Field(default=1, ge=1, le=64, description="experts that a token goes to")
    capacity: float = Field(default=1.5, gt=0, description="times an even share that an expert takes")
    over: Literal["sequence", "batch"] = Field(
        default="sequence", description="what a capacity is counted over; batch is the published form"
    )
    scale: Literal["probability", "one"] = Field(
        default="probability",
        description="what an expert's output is multiplied by; `one` keeps the router's gradient alone, so "
        "that equal experts are the dense layer they came from",
    )


@dataclass(eq=False)
class Passing:
    """What the layers of a decoder have to know of the batch that passes through.

    Attributes:
        real: (B, n) tokens that are no padding; all of them when ``None``.
        whole: whether nothing is cached before it; only then is anything dropped.
        routes: (B, n) expert of each token by its first choice, a tensor a layer, −1 where nothing took it;
            kept where it is a list.
    """

    real: Tensor | None = None
    whole: bool = True
    routes: list[Tensor] | None = None

    def note(self, decoder: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Before a decoder of transformers runs: a forward pre-hook, which is given what the decoder is."""
        tokens: Any = named.get("inputs_embeds")
        if tokens is None:
            tokens = given[0] if given else named["input_ids"]
        mask, past = named.get("attention_mask"), named.get("past_key_values")
        self.real = None if mask is None else mask[:, -tokens.shape[1] :].bool()
        self.whole = past is None or past.get_seq_length() == 0


@dataclass(frozen=True, eq=False)
class Choice:
    """Where tokens go.

    Attributes:
        experts: (B, n, top) likeliest first.
        taken: (B, n, top) False over capacity, and for padding.
        divisor: (B, n) that a token's probabilities are divided by.
    """

    experts: Tensor
    taken: Tensor
    divisor: Tensor


def choose(logits: Tensor, real: Tensor, config: ExpertsConfig, *, whole: bool = True) -> Choice:
    """Share tokens out.

    Args:
        logits: (B, n, experts) of the router.
        real: (B, n) tokens that are no padding.
        config: how.
        whole: whether a capacity holds.
    """
    shares = logits.float().softmax(dim=-1)
    likeliest, experts = shares.topk(config.top, dim=-1)
    total = likeliest.sum(dim=-1)
    taken = real[..., None].expand_as(experts)
    if whole:
        taken = taken & _fits(experts, real, config)
    return Choice(experts, taken, total if config.scale == "one" else torch.ones_like(total))


def _fits(experts: Tensor, real: Tensor, config: ExpertsConfig) -> Tensor:
    """(B, n, top): whether an expert still has room; all first choices come before any second one."""
    batch, length, top = experts.shape
    counted = real
    if config.over == "batch":
        experts, counted = experts.reshape(1, -1, top), torch.ones_like(real).reshape(1, -1)
    share = config.capacity * top / config.count
    room = torch.tensor([ceil(round(share * int(n), 6)) for n in counted.sum(dim=1)], device=experts.device)
    before = torch.zeros(len(experts), 1, config.count, dtype=torch.long, device=experts.device)
    fits = []
    for choice in experts.unbind(dim=-1):
        asked = nn.functional.one_hot(choice, config.count) * counted[..., None]
        rank = (before + asked.cumsum(dim=1) - 1).gather(-1, choice[..., None])[..., 0]
        fits.append(rank < room[:, None])
        before = before + asked.sum(dim=1, keepdim=True)
    return torch.stack(fits, dim=-1).reshape(batch, length, top)


class Router(nn.Module):
    """A token's logits for each expert (Eq. 2).

    No ``nn.Linear``, so that adapters over "all linear layers" leave it alone: it is learnt whole.

    Args:
        width: of a token.
        count: of experts.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, width))
        nn.init.normal_(self.weight, std=width**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, width) → (…, count)."""
        return nn.functional.linear(tokens, self.weight)


class ExpertFeedForward(nn.Module):
    """In place of a decoder layer's feed-forward.

    Args:
        experts: feed-forwards of one shape, as many as the config says.
        width: of a token.
        config: how tokens are shared out.
        passing: what is known of the batch; one for all layers of a decoder.
    """

    def __init__(
        self, experts: Sequence[nn.Module], width: int, config: ExpertsConfig, passing: Passing
    ) -> None:
        super().__init__()
        if len(experts) != config.count or config.top > config.count:
            raise ValueError(f"{len(experts)} experts for {config.count} of which {config.top} are asked")
        self.experts = nn.ModuleList(experts)
        self.router = Router(width, config.count)
        self.config, self.passing = config, passing

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n, width) → (B, n, width).

        Each expert meets its own tokens alone, so that the cost is that of ``top`` experts. The weight of an
        expert is computed from its own tokens: the backward pass keeps them once, for expert and router.
        """
        passing = self.passing
        real = passing.real
        if real is None:
            real = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        with torch.no_grad():
            choice = choose(self.router(tokens), real, self.config, whole=passing.whole)
        if passing.routes is not None:
            passing.routes.append(choice.experts[..., 0].masked_fill(~choice.taken[..., 0], -1))
        flat, divisor = tokens.flatten(0, 1), choice.divisor.flatten()
        out = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            row = ((choice.experts == number) & choice.taken).any(dim=-1).flatten().nonzero()[:, 0]
            if len(row):
                own = flat[row]
                weight = self.router(own).float().softmax(dim=-1)[:, number] / divisor[row]
                made = expert(own)
                out = out.index_add(0, row, (made * weight[:, None].to(made.dtype)).to(out.dtype))
        return out.view_as(tokens)
