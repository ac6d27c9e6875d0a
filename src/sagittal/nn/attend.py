"""Attention across streams for a block of voxels, with its own backward pass.

Of a block, nothing is kept for the backward pass but its input; attention weights are computed anew.
Automatic differentiation would keep several float32 arrays of the input's size, and would sum over the
short channel axis, which is many times slower than a product with a vector of ones.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Attend(torch.autograd.Function):
    """B = a + w + Σ_t softmax_t(a M x_tᵀ) x_t Uᵀ at every voxel, in float32.

    Call ``Attend.apply(stacked, asked, seen, to_key, to_value, bias)``:

    * ``stacked``: (items, T, n, c), the streams x_t at n voxels, in any precision;
    * ``asked``: which of them attend (a list of A numbers below T);
    * ``seen``: (T, n) bool, which stream reaches which voxel, or ``None`` for all;
    * ``to_key``: M = W_Q W_Kᵀ / √b, (c, c);  ``to_value``: U, with x_t Uᵀ = x_t W_V W_f, (c, c);
    * ``bias``: w, (c,).

    Returns (items, A, n, c) in the precision of ``stacked``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        stacked: Tensor,
        asked: list[int],
        seen: Tensor | None,
        to_key: Tensor,
        to_value: Tensor,
        bias: Tensor,
    ) -> Tensor:
        """See the class."""
        ctx.save_for_backward(stacked, seen, to_key, to_value)
        ctx.asked = asked
        x = stacked.float()
        a = _pick(x, asked)
        share = _shares(a @ to_key, x, seen)
        return _weighted(a + bias, share, x @ to_value.transpose(-1, -2)).to(stacked.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of ``stacked``, ``to_key``, ``to_value`` and ``bias``."""
        stacked, seen, to_key, to_value = ctx.saved_tensors
        with torch.autocast(grad.device.type, enabled=False):
            x, g = stacked.float(), grad.float()
            a = _pick(x, ctx.asked)
            q = a @ to_key
            share = _shares(q, x, seen)
            # (items, A, T, n): of the weights, then through the softmax to the scores.
            of_share = _products(g, x @ to_value.transpose(-1, -2))
            of_score = share * (of_share - (share * of_share).sum(dim=2, keepdim=True))
            of_value = _weighted(None, share.transpose(1, 2), g)
            of_q = _weighted(None, of_score, x)
            of_x = _weighted(of_value @ to_value, of_score.transpose(1, 2), q)
            of_a = g + of_q @ to_key.transpose(-1, -2)
            of_x.index_add_(1, torch.tensor(ctx.asked, device=x.device), of_a)
            of_key = a.flatten(0, 2).transpose(-1, -2) @ of_q.flatten(0, 2)
            of_to_value = of_value.flatten(0, 2).transpose(-1, -2) @ x.flatten(0, 2)
            of_bias = g.new_ones(g[..., 0].numel()) @ g.flatten(0, 2)
        return of_x.to(stacked.dtype), None, None, of_key, of_to_value, of_bias


def _pick(x: Tensor, asked: list[int]) -> Tensor:
    return x if asked == list(range(x.shape[1])) else x[:, asked]


def _products(a: Tensor, x: Tensor) -> Tensor:
    """(items, A, n, c), (items, T, n, c) → (items, A, T, n): scalar products of every pair."""
    return (a[:, :, None] * x[:, None]) @ a.new_ones(a.shape[-1])


def _shares(q: Tensor, x: Tensor, seen: Tensor | None) -> Tensor:
    scores = _products(q, x)
    if seen is not None:
        scores = scores.masked_fill(~seen, float("-inf"))
    return scores.softmax(dim=2)


def _weighted(start: Tensor | None, share: Tensor, x: Tensor) -> Tensor:
    """``start`` + Σ_t share[:, :, t] x_t: (items, A, n, c), in place of ``start`` where there is one."""
    for t in range(x.shape[1]):
        weight, value = share[:, :, t, :, None], x[:, None, t]
        start = weight * value if start is None else start.addcmul_(weight, value)
    assert start is not None  # there is at least one stream
    return start
