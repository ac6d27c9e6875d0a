"""MedPLIB's training: next-token prediction and the losses of masks (Eq. 5), in the stages of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sagittal.models.vlm.chat import real_targets
from sagittal.models.vlm.model import VLM
from sagittal.runtime import autocast
from sagittal.train.loop import mean_terms
from sagittal.train.picture_stream import PictureStream
from sagittal.train.picture_turns import Batch
from sagittal.train.stages import Loss


@dataclass(frozen=True)
class MedPLIBTraining:
    """Loss and scores for the one loop.

    Attributes:
        model: what is trained; its encoders are frozen, their features are in the streams.
        training, validation: questions.
        weights: of each loss.
        checks: batches of the validation stream that scores are taken over.
    """

    model: VLM
    training: PictureStream
    validation: PictureStream
    weights: Mapping[Loss, float]
    checks: int = 8

    def __post_init__(self) -> None:
        # For batches of short texts plain products beat the blockwise kernel on a CPU.
        self.model.language.set_attn_implementation("eager")  # type: ignore[operator]

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch (Eq. 5)."""
        return self._losses(self.training(number))

    def scores(self) -> dict[str, float]:
        """Mean losses over the checked batches; masks are drawn where the true answers hold them."""
        return mean_terms(self._losses(self.validation(number)) for number in range(self.checks))

    def _losses(self, batch: Batch) -> Mapping[str, Tensor]:
        with autocast():
            out = self.model(batch.turn)
        terms: dict[Loss, Tensor] = {
            "text": functional.cross_entropy(
                out.logits.float().flatten(0, 1), real_targets(batch.turn.answer).flatten()
            )
        }
        if len(batch.masks):
            assert out.masks is not None, "pixels were given"
            terms |= mask_losses(out.masks.logits, batch.masks)
        return summed(terms, self.weights)


def summed(terms: Mapping[Loss, Tensor], weights: Mapping[Loss, float]) -> dict[str, Tensor]:
    """The weighted sum of losses as ``loss``, and each of them (Eq. 5)."""
    found: dict[str, Tensor] = {"loss": torch.stack([weights[n] * value for n, value in terms.items()]).sum()}
    found.update(terms.items())
    return found


def mask_losses(logits: Tensor, truth: Tensor) -> dict[Loss, Tensor]:
    """Binary cross-entropy and 1 − Dice of each mask, each mask as heavy as any other.

    Args:
        logits: (R, h, h).
        truth: (R, S, S) 0 or 1, a mask for each of ``logits``.
    """
    assert len(logits) == len(truth), "a mask for each <SEG>"
    logits = logits.float()
    if logits.shape[-1] != truth.shape[-1]:
        logits = functional.interpolate(
            logits[:, None], size=truth.shape[-2:], mode="bilinear", align_corners=False
        )[:, 0]
    p = logits.sigmoid()
    overlap = (p * truth).sum(dim=(1, 2))
    dice = (2 * overlap + 1) / (p.sum(dim=(1, 2)) + truth.sum(dim=(1, 2)) + 1)
    return {
        "bce": functional.binary_cross_entropy_with_logits(logits, truth),
        "dice": (1 - dice).mean(),
    }
