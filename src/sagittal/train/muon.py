"""Muon for the matrices between a network's layers: updates that are made orthogonal.

As ``torch.optim.Muon``, which takes one matrix after the other and always computes in bfloat16: on a
processor that has to take such products apart, it was half of a training step. Here matrices of one shape are
taken together, in the precision that is fastest.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from sagittal.runtime import fastest_precision

#: Of the quintic iteration (Jordan et al. 2024), and how often it is taken.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_TIMES = 5
_LEAST_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal, with Nesterov's look ahead and decoupled weight decay.

    Updates have the size of AdamW's at the same rate, whatever the matrix's shape (Liu et al. 2025, Eq. 4).

    Args:
        weights: matrices.
        rate: learning rate.
        decay: weight decay.
        momentum: share of the past.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], rate: float, decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(weights, {"lr": rate, "weight_decay": decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update all matrices that have a gradient."""
        assert closure is None, "gradients are there"
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape].append(weight)
            for shape, weights in alike.items():
                ahead = torch.stack([self._ahead(weight, group["momentum"]) for weight in weights])
                size = 0.2 * math.sqrt(max(shape)) * group["lr"]
                for weight, update in zip(weights, orthogonal(ahead), strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-size)

    def _ahead(self, weight: Tensor, momentum: float) -> Tensor:
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight.grad)
        past: Tensor = state["momentum_buffer"]
        past.lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(past, momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """(n, rows, columns) with all singular values brought near 1, by a quintic Newton–Schulz iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(fastest_precision(matrices.device))
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_LEAST_NORM)
    for _ in range(_TIMES):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x.mT if tall else x).to(matrices.dtype)
