"""One projection for all modalities, put together in three ways: what mpLLM is compared with (Table 19).

Concatenation is the multi-image way of LLaVA-Med and M3D: the language model reads M times as many tokens.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from sagittal.nn.projector import Projected, modalities_there

#: ``concatenation``: one modality's tokens after another's; ``weighted``: a sum with learned weights.
Fusion = Literal["concatenation", "sum", "weighted"]


class SharedProjector(nn.Module):
    """A linear map or a small MLP that every modality's tokens go through.

    Args:
        modalities: M.
        width: of image tokens, d_I.
        out: of the language model's embeddings, d_T.
        fusion: how modalities are put together.
        layers: 1, linear, or 2, with GELU between them.
    """

    def __init__(
        self, modalities: int, width: int, out: int, fusion: Fusion, layers: Literal[1, 2] = 1
    ) -> None:
        super().__init__()
        self.modalities, self.fusion = modalities, fusion
        first = nn.Linear(width, out)
        self.project = first if layers == 1 else nn.Sequential(first, nn.GELU(), nn.Linear(out, out))
        self.weights = nn.Parameter(torch.zeros(modalities)) if fusion == "weighted" else None

    def forward(
        self, tokens: Tensor, cls: Tensor, question: Tensor, present: Tensor | None = None
    ) -> Projected:
        """Project and put together; arguments as for :class:`~sagittal.nn.projector.HierarchicalProjector`.

        Neither [CLS] vectors nor the question are looked at. What is missing is left out of a sum, and its
        weight is shared by what is there; concatenated, it is marked as not real.

        Returns:
            N embeddings; M × N where they are concatenated.

        Raises:
            InputError: shapes that do not fit, or a study without any modality.
        """
        there = modalities_there(self.modalities, tokens, cls, present)
        # Zeros stand for what is missing, whatever the arrays hold there.
        found = self.project(tokens.masked_fill(~there[..., None, None], 0))
        if self.fusion == "concatenation":
            return Projected(found.flatten(1, 2), there.repeat_interleave(found.shape[2], dim=1))
        if self.weights is None:
            weights = there.to(found.dtype)
        else:
            weights = self.weights.expand(there.shape).masked_fill(~there, float("-inf")).softmax(dim=1)
        mixed = torch.einsum("bm,bmno->bno", weights, found)
        return Projected(mixed, there.new_ones(mixed.shape[:2]))
