"""The terms of VoxelPrompt's loss (Eq. 2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

# Voxels added above and below: an empty target that is drawn empty has no loss.
_SMOOTH = 1.0


def soft_dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 − 2 Σ p t / (Σ p² + Σ t²) with p = sigmoid(logits): V-Net's soft Dice, which §3.2 cites.

    Args:
        logits: any shape.
        target: the same shape, in [0, 1].

    Returns:
        A scalar, in single precision whatever the precision of the logits.
    """
    p, t = logits.float().sigmoid(), target.float()
    overlap = (p * t).sum()
    return 1 - (2 * overlap + _SMOOTH) / (p.square().sum() + t.square().sum() + _SMOOTH)


def voxel_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy over voxels; a scalar."""
    return functional.binary_cross_entropy_with_logits(logits.float(), target.float())


def token_losses(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each token, and 1 where another token was likelier.

    Args:
        logits: (n, vocabulary).
        targets: (n,) token ids.

    Returns:
        (n,) and (n,), single precision.
    """
    logits = logits.float()
    loss = functional.cross_entropy(logits, targets, reduction="none")
    return loss, (logits.argmax(dim=-1) != targets).float()
