"""mpLLM's projector: tokens of several modalities, mixed by experts that the question chooses (§3.1, Eq. 1).

    MoE(v, t) = Σ_h π_h(t) Σ_m (α_m^h W_m^h v_m + β_m^h W_shared^h v_m)

π comes from the question; α and β of a block from the images, one pair a modality: of the whole image at
modality-level blocks, of every token position at token-level ones. The sum is never taken as it stands:

- at modality level nothing depends on the position, so that all blocks fold into one matrix a modality and
  sample before they meet the tokens;
- at token level a shared expert meets the weighted sum of the modalities, once; what the specific experts
  meet is made for one block at a time, and made again for gradients.

So nothing of size blocks × modalities × tokens × width is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sagittal.errors import ConfigError, InputError

#: How a block's low-level weights are made: ``softmax`` sums to one over experts (Table 18's better).
Gate = Literal["softmax", "sigmoid"]
HIDDEN = 128
_ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Projected:
    """What a projector makes of a study's images.

    Attributes:
        embeddings: (B, T, d_T), to be read by the language model.
        real: (B, T) False at embeddings that stand for nothing, since their modality is missing.
        routing: what the routers chose; ``None`` of projectors without.
    """

    embeddings: Tensor
    real: Tensor
    routing: Routing | None = None


@dataclass(frozen=True, eq=False)
class Routing:
    """What the routers chose.

    Attributes:
        high: (B, blocks) π, modality-level blocks first.
        by_modality: (B, blocks of that level, 2, M): α, then β.
        by_token: (B, N, blocks of that level, 2, M): α, then β.
    """

    high: Tensor
    by_modality: Tensor
    by_token: Tensor


class Routers(nn.Module):
    """Linear–ReLU–Linear for each of several blocks, in two products for all of them.

    Args:
        blocks: how many.
        width: of what they look at.
        outputs: of each.
        hidden: width between the layers.
    """

    def __init__(self, blocks: int, width: int, outputs: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.first, self.first_bias = _drawn(width, blocks, hidden, width), _drawn(width, blocks, hidden)
        self.second, self.bias = _drawn(hidden, blocks, outputs, hidden), _drawn(hidden, blocks, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → (…, blocks, outputs) logits."""
        hidden = (torch.einsum("...i,hki->...hk", x, self.first) + self.first_bias).relu()
        return torch.einsum("...hk,hok->...ho", hidden, self.second) + self.bias


class Experts(nn.Module):
    """Linear maps of several blocks: one a modality, and one that all modalities share.

    Args:
        blocks: how many blocks.
        modalities: M.
        width: of image tokens, d_I.
        out: of the language model, d_T.
    """

    def __init__(self, blocks: int, modalities: int, width: int, out: int) -> None:
        super().__init__()
        # In the order that products take them in, so that none is copied.
        self.specific = _drawn(width, blocks, out, modalities, width)
        self.specific_bias = _drawn(width, blocks, modalities, out)
        self.shared, self.shared_bias = _drawn(width, out, blocks, width), _drawn(width, blocks, out)

    def bias(self, weights: Tensor, of: slice = _ALL) -> Tensor:
        """(…, blocks, 2, M) weights of all experts → (…, d_T), the sum of their biases.

        ``of`` chooses modalities, here and below; weights and tokens are those of the chosen.
        """
        own = torch.einsum("...hm,hmo->...o", weights[..., 0, :], self.specific_bias[:, of])
        return own + torch.einsum("...hm,ho->...o", weights[..., 1, :], self.shared_bias)

    def folded(self, weights: Tensor, of: slice = _ALL) -> Tensor:
        """(B, blocks, 2, M) weights of all experts → (B, d_T, M, d_I), one matrix a modality."""
        own = torch.einsum("bhm,homi->bomi", weights[:, :, 0], self.specific[:, :, of])
        return own + torch.einsum("bhm,ohi->bomi", weights[:, :, 1], self.shared)

    def at_tokens(self, tokens: Tensor, weights: Tensor, of: slice = _ALL) -> Tensor:
        """What the experts make of tokens with weights of their own, biases left out.

        Args:
            tokens: (B, N, M, d_I).
            weights: (B, N, blocks, 2, M).
            of: modalities.

        Returns:
            (B, N, d_T).
        """
        summed = weights[..., 1, :] @ tokens  # (B, N, blocks, d_I)
        found = functional.linear(summed.flatten(2), self.shared.flatten(1))
        for block, matrices in enumerate(self.specific[:, :, of]):
            found = found + checkpoint(
                _specific, tokens, weights[:, :, block, 0], matrices, use_reentrant=False
            )
        return found


def _specific(tokens: Tensor, weights: Tensor, matrices: Tensor) -> Tensor:
    """Σ_m α_m W_m v_m of one block: tokens (B, N, M, d_I), α (B, N, M), W (d_T, M, d_I)."""
    return functional.linear((tokens * weights[..., None]).flatten(2), matrices.flatten(1))


def _drawn(width: int, *shape: int) -> nn.Parameter:
    """As torch draws a linear layer of so many inputs."""
    bound = width**-0.5
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


class HierarchicalProjector(nn.Module):
    """The hierarchical mixture of experts.

    Args:
        modalities: M, those of the data set; some may be missing in a study.
        width: of image tokens and of [CLS] vectors, d_I.
        question: width of the language model's state at the end of the question.
        out: of the language model's embeddings, d_T.
        blocks: modality-level and token-level blocks (8 and 8 in the paper, for four labels).
        gate: how low-level weights are made.
        hidden: width of the routers' hidden layer.
        flattened: whether the sum over modalities is left out, so that each has its own N embeddings, one
            after another (the M × T tokens of §3).

    Raises:
        ConfigError: no block, or no modality.
    """

    def __init__(
        self,
        modalities: int,
        width: int,
        question: int,
        out: int,
        blocks: tuple[int, int] = (8, 8),
        gate: Gate = "softmax",
        *,
        hidden: int = HIDDEN,
        flattened: bool = False,
    ) -> None:
        super().__init__()
        if min(blocks) < 0 or sum(blocks) < 1 or modalities < 1:
            raise ConfigError(
                "A mixture has experts.",
                expected="at least one block and one modality",
                got=f"{blocks} blocks, {modalities} modalities",
            )
        self.modalities, self.blocks, self.gate, self.flattened = modalities, blocks, gate, flattened
        self.high = Routers(1, question, sum(blocks), hidden)
        looked_at = modalities * width
        self.modality_routers = Routers(blocks[0], looked_at, 2 * modalities, hidden)
        self.token_routers = Routers(blocks[1], looked_at, 2 * modalities, hidden)
        self.modality_experts = Experts(blocks[0], modalities, width, out)
        self.token_experts = Experts(blocks[1], modalities, width, out)

    def forward(
        self, tokens: Tensor, cls: Tensor, question: Tensor, present: Tensor | None = None
    ) -> Projected:
        """Mix the modalities' tokens.

        Args:
            tokens: (B, M, N, d_I) image tokens.
            cls: (B, M, d_I) [CLS] vectors.
            question: (B, question) the language model's state at the question's end.
            present: (B, M) False where a modality is missing: it gets no weight, the others share it, and
                what stands in its place is not looked at. All are there when ``None``.

        Returns:
            N embeddings, all real, and the weights; flattened, M × N, real where the modality is there.

        Raises:
            InputError: shapes that do not fit, or a study without any modality.
        """
        there = modalities_there(self.modalities, tokens, cls, present)
        # Zeros stand for what is missing, whatever the arrays hold there.
        v = tokens.transpose(1, 2).masked_fill(~there[:, None, :, None], 0)
        seen = cls.masked_fill(~there[..., None], 0)
        routing = self._route(v, seen, question, there)
        if not self.flattened:
            mixed = self._mixed(v, routing, _ALL)
            return Projected(mixed, there.new_ones(mixed.shape[:2]), routing)
        # Made again for gradients: kept for every modality, what shared experts meet would be too large.
        apart = [
            checkpoint(self._mixed, v, routing, slice(m, m + 1), use_reentrant=False)
            for m in range(self.modalities)
        ]
        return Projected(torch.cat(apart, dim=1), there.repeat_interleave(v.shape[1], dim=1), routing)

    def _mixed(self, v: Tensor, routing: Routing, of: slice) -> Tensor:
        """Eq. 1 over some of the modalities: (B, N, M, d_I) → (B, N, d_T)."""
        v, first = v[:, :, of], self.blocks[0]
        by_modality = routing.by_modality[..., of] * routing.high[:, :first, None, None]
        by_token = routing.by_token[..., of] * routing.high[:, None, first:, None, None]
        whole, fine = self.modality_experts, self.token_experts
        mixed = torch.einsum("bnmi,bomi->bno", v, whole.folded(by_modality, of))
        mixed = mixed + whole.bias(by_modality, of)[:, None]
        return mixed + fine.at_tokens(v, by_token, of) + fine.bias(by_token, of)

    def _route(self, v: Tensor, cls: Tensor, question: Tensor, there: Tensor) -> Routing:
        high = self.high(question)[:, 0].softmax(dim=-1)
        # Each modality has two experts in a block, and both go with it.
        gone = ~torch.cat([there, there], dim=1)
        by_modality = self._gated(self.modality_routers(cls.flatten(1)), gone[:, None])
        by_token = self._gated(self.token_routers(v.flatten(2)), gone[:, None, None])
        pair = (2, self.modalities)
        return Routing(high, by_modality.unflatten(-1, pair), by_token.unflatten(-1, pair))

    def _gated(self, logits: Tensor, gone: Tensor) -> Tensor:
        if self.gate == "sigmoid":
            return logits.sigmoid().masked_fill(gone, 0)
        return logits.masked_fill(gone, float("-inf")).softmax(dim=-1)


def modalities_there(modalities: int, tokens: Tensor, cls: Tensor, present: Tensor | None) -> Tensor:
    """(B, M) which modalities are there.

    Raises:
        InputError: shapes that do not fit, or a study without any modality.
    """
    shape = (len(tokens), modalities)
    there = tokens.new_ones(shape, dtype=torch.bool) if present is None else present.bool()
    fit = tokens.shape[:2] == cls.shape[:2] == there.shape == shape
    if not fit or not bool(there.any(dim=1).all()):
        raise InputError(
            "The modalities do not fit the projector.",
            expected=f"(B, {modalities}, …) tokens, [CLS] vectors and presence; one there in each",
            got=f"{tuple(tokens.shape)}, {tuple(cls.shape)}, {there.tolist()}",
        )
    return there
