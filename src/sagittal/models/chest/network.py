"""A vision transformer on chest films and what is told from it: findings, and where things are.

The encoder is to serve a language model, frozen: what its patches' tokens hold is asked of each token by
itself, by one linear map (:attr:`FindingsNetwork.patch`), and the whole film's findings follow from [CLS],
the mean of the tokens, and what the patches say.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sagittal.io.films.names import FINDINGS, SEVERITY
from sagittal.models.chest.segmenter import ORGANS
from sagittal.nn.vit import ViT, ViTConfig

ENCODER = ViTConfig(
    size=(224, 224), patch=(14, 14), channels=1, width=128, layers=6, heads=4, feed_forward=512
)
#: Cardiothoracic ratios are told as (ratio − middle) / spread.
CTR_MIDDLE, CTR_SPREAD = 0.5, 0.1


@dataclass(frozen=True, eq=False)
class Told:
    """What is told of films; logits where not said otherwise.

    Attributes:
        findings: (B, 10).
        oedema: (B, 4).
        ap: (B,) an AP film, against PA.
        female: (B,).
        ctr: (B,) the ratio.
        boxes: (B, 3, 4) of each organ: left, top, right, bottom as shares of the square.
        organs: (B, rows, columns, 3) share of a patch that is an organ.
        places: (B, rows, columns, 10) whether a finding shows in a patch.
    """

    findings: Tensor
    oedema: Tensor
    ap: Tensor
    female: Tensor
    ctr: Tensor
    boxes: Tensor
    organs: Tensor
    places: Tensor


class FindingsNetwork(nn.Module):
    """Encoder and heads.

    Args:
        config: of the encoder; with one channel.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.encoder = ViT(config)
        width = config.width
        self.patch = nn.Linear(width, len(ORGANS) + len(FINDINGS))
        self.findings = nn.Linear(2 * width + 2 * len(FINDINGS), len(FINDINGS))
        self.whole = nn.Linear(2 * width, len(SEVERITY) + 2)
        self.sizes = nn.Sequential(
            nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, 1 + 4 * len(ORGANS))
        )
        # Most patches show no finding.
        with torch.no_grad():
            self.patch.bias[len(ORGANS) :] = -4.0

    def forward(self, films: Tensor) -> Told:
        """Look at films.

        Args:
            films: (B, 1, h, w) in [0, 1], from :func:`sagittal.models.chest.films.prepared`.

        Raises:
            InputError: films of another size.
        """
        seen = self.encoder(films)
        tokens, cls = seen.tokens.float(), seen.cls.float()
        organs, places = self.patch(tokens).float().split([len(ORGANS), len(FINDINGS)], dim=-1)
        flat = places.flatten(1, 2)
        both = torch.cat([cls, tokens.flatten(1, 2).mean(dim=1)], dim=1)
        # Where a finding shows best, and how widely.
        most, wide = flat.amax(dim=1), flat.sigmoid().mean(dim=1).clamp(min=1e-4).log()
        findings = self.findings(torch.cat([both, most, wide], dim=1)).float()
        oedema, ap, female = self.whole(both).float().split([len(SEVERITY), 1, 1], dim=1)
        sizes = self.sizes(both).float()
        return Told(
            findings, oedema, ap[:, 0], female[:, 0], CTR_MIDDLE + CTR_SPREAD * sizes[:, 0],
            sizes[:, 1:].sigmoid().unflatten(1, (len(ORGANS), 4)), organs, places,
        )  # fmt: skip
