"""Single-task benchmarks: the stream U-Net without φ, and a classifier on its encoder (§5.2, §5.3).

VoxelPrompt replaces each φ-mixing layer by a fully-connected layer without φ inputs. A mixing layer whose φ
has no channels is that layer, a' = SiLU(U a + u); everything else stays, the interaction of streams included.
Capacity differs by 32 columns of each U.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sagittal.nn.grids import StreamGrids
from sagittal.nn.stream_unet import Encoding, StreamUNetConfig, VolumeEncoder, VolumeGenerator


class SingleTaskUNet(nn.Module):
    """m_enc and m_gen for one structure (§5.2).

    Args:
        config: sizes of the network that φ steers; its φ is left out.
    """

    def __init__(self, config: StreamUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _encoder(config)
        self.generator = VolumeGenerator(without_phi(config))

    def forward(self, volumes: Sequence[Tensor], grids: StreamGrids) -> Tensor:
        """Logits that all streams of the first one's grid agree on: their order does not matter.

        Args:
            volumes: per stream, (studies, X, Y, Z), intensities in [0, 1].
            grids: of the streams.

        Returns:
            (studies, X, Y, Z).
        """
        prepared = self.generator.prepare(self.encode(volumes, grids))
        return self.generator.agreed(prepared, _no_phi(volumes, 1, len(volumes)))[:, 0]

    def first(self, volumes: Sequence[Tensor], grids: StreamGrids) -> Tensor:
        """Logits of the first stream alone, (studies, X, Y, Z): half the price with two, for training."""
        prepared = self.generator.prepare(self.encode(volumes, grids))
        [logits] = self.generator(prepared, _no_phi(volumes, 1, len(volumes)), [0])
        return logits[:, 0]

    def encode(self, volumes: Sequence[Tensor], grids: StreamGrids) -> Encoding:
        """Features at every level."""
        encoding: Encoding = self.encoder(volumes, grids, _no_phi(volumes, len(volumes)))
        return encoding


class SingleTaskClassifier(nn.Module):
    """m_enc, the largest value over space and streams, and a fully-connected layer to n classes (§5.3).

    Args:
        config: sizes of the network that φ steers; its φ is left out.
        classes: n.
    """

    def __init__(self, config: StreamUNetConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = _encoder(config)
        self.head = nn.Linear(config.channels[-1], classes)
        # All classes alike at first: largest values are far from 0, and would make loud guesses of them.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, volumes: Sequence[Tensor], grids: StreamGrids) -> Tensor:
        """(studies, classes) logits; for arguments see :meth:`SingleTaskUNet.forward`."""
        encoding: Encoding = self.encoder(volumes, grids, _no_phi(volumes, len(volumes)))
        logits: Tensor = self.head(encoding.read.amax(dim=1))
        return logits


def without_phi(config: StreamUNetConfig) -> StreamUNetConfig:
    """The same sizes with a φ of no channels."""
    # A copy is not validated: a config that is read from a file names a φ.
    return config.model_copy(update={"phi_channels": 0})


def _encoder(config: StreamUNetConfig) -> VolumeEncoder:
    """m_enc without φ; what it reads are the largest values of the deepest features, as they are."""
    encoder = VolumeEncoder(without_phi(config), config.channels[-1])
    encoder.register_module("to_read", nn.Identity())
    return encoder


def _no_phi(volumes: Sequence[Tensor], *between: int) -> Tensor:
    return torch.empty(len(volumes[0]), *between, 0, device=volumes[0].device)
