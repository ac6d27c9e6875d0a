"""A region of an image as one vector for a language model: "this here" (MedPLIB; the sampler is SEEM's).

Points inside the region are drawn, the image's features are read off there and averaged, and a small MLP
brings the mean to the language model's width. Points, boxes and free shapes all come as masks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.errors import InputError

#: Points that are drawn, or all there are (NOTES).
POINTS = 512


def sampled(mask: Tensor, points: int = POINTS, *, drawn: bool = False) -> Tensor:
    """Pixels of a region, drawn without replacement.

    Args:
        mask: (H, W) bool.
        points: at most so many.
        drawn: by torch's generator; else evenly spread over the region's pixels, always the same.

    Returns:
        (n, 2) row and column, n = min(points, pixels of the region).

    Raises:
        InputError: the region is empty.
    """
    inside = mask.nonzero()
    if len(inside) == 0:
        raise InputError("The region is empty.", expected="at least one pixel of the image in it")
    if len(inside) <= points:
        return inside
    if drawn:
        chosen = torch.randperm(len(inside))[:points]
    else:
        chosen = (2 * torch.arange(points) + 1) * len(inside) // (2 * points)
    return inside[chosen.to(inside.device)]


class RegionPrompt(nn.Module):
    """Features under a region → one vector; in training the points are drawn anew each time.

    Args:
        width: of the image's features, C_v.
        out: of the language model's embeddings.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, out), nn.GELU(), nn.Linear(out, out))

    def forward(self, features: Tensor, masks: Tensor, rows: Tensor) -> Tensor:
        """Vectors of some regions.

        Args:
            features: (B, C_v, h, w) of the images.
            masks: (R, H, W) bool, on the pixels that the encoder was given.
            rows: (R,) the image that each region belongs to.

        Returns:
            (R, out).

        Raises:
            InputError: a region is empty.
        """
        means = [
            self._mean(features[row], mask)
            for mask, row in zip(masks, rows.tolist(), strict=True)
        ]  # fmt: skip
        stacked = torch.stack(means) if means else features.new_zeros(0, features.shape[1])
        out: Tensor = self.mlp(stacked)
        return out

    def _mean(self, features: Tensor, mask: Tensor) -> Tensor:
        """(C_v,): features at the points, by bilinear interpolation between the patches' middles."""
        size = torch.tensor(mask.shape, device=features.device)
        place = (sampled(mask, drawn=self.training).to(features.device) + 0.5) / size
        grid = (2 * place - 1).flip(-1)[None, :, None].to(features.dtype)
        found = functional.grid_sample(
            features[None], grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return found[0, :, :, 0].mean(dim=1)
