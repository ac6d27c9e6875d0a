"""Encoder and generator: the two arms of a U-Net over any number of interacting volume streams.

VoxelPrompt, §3.1, §3.3 and appendix A.1. At level n, for each stream s of a study,

    a_s  = SiLU(conv(x_s))                    3×3×3, or 2D on thick slices (A.1)
    a'_s = SiLU(U [a_s ; φ_s] + u)            φ mixing
    B    = Eq. 1 over the streams             no activation of its own: it ends in a residual sum
    e_s  = GroupNorm(B_s), four channels a group

and e_s is max-pooled on the way down, or trilinearly up-sampled on the way up. On the way up x_s joins
what came from below with the encoder's e_s of the same level. The generator has the same levels, the
deepest included, and ends in a convolution to one channel of logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from sagittal.errors import ConfigError, GeometryError
from sagittal.nn.grids import Group, StreamGrids
from sagittal.nn.native import NativeConv3d, downsample, upsample
from sagittal.nn.phi import PhiMixing, silu
from sagittal.nn.spacing import SpacingPlan
from sagittal.nn.streams import StreamInteraction

#: Features of one level: per grid, (items·streams, C, X, Y, Z).
LevelFeatures = list[Tensor]


class StreamUNetConfig(BaseModel):
    """Sizes of both arms. The defaults are the paper's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[int, ...] = Field((32, 96, 96, 96, 96, 96), description="per level, finest first")
    phi_channels: int = Field(32, ge=1, description="channels of φ")
    attention: int = Field(32, ge=1, description="dimension b of the stream attention")
    group_size: int = Field(4, ge=1, description="channels a normalisation group")

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if not self.channels or any(c < 1 or c % self.group_size for c in self.channels):
            raise ConfigError(
                "A network has at least one level, and its normalisation groups are whole.",
                expected=f"channels in multiples of {self.group_size}",
                got=self.channels,
            )
        return self

    @property
    def levels(self) -> int:
        """Resolution levels."""
        return len(self.channels)


@dataclass(frozen=True)
class Encoding:
    """What the encoder made of a study.

    Attributes:
        grids: where its streams lie.
        features: per level, finest first, and per grid: (studies·streams, C, X, Y, Z).
        read: (studies, streams, d): ε_v°, one vector per volume for the language model to read.
    """

    grids: StreamGrids
    features: tuple[LevelFeatures, ...]
    read: Tensor


@dataclass(frozen=True)
class Prepared:
    """The part of the generator that no φ changes: its convolutions over the encoder's features.

    Attributes:
        grids: where the streams lie.
        skips: per level and grid, (studies·streams, C, X, Y, Z).
        studies: studies in the batch.
    """

    grids: StreamGrids
    skips: tuple[LevelFeatures, ...]
    studies: int

    def select(self, streams: Sequence[int]) -> Prepared:
        """The same study with some of its streams only, in the order given: the others take no part.

        Raises:
            ConfigError: no stream, one named twice, or one that is not there.
        """
        grids, sources = self.grids.select(streams)
        skips = tuple(
            [level[old].unflatten(0, (self.studies, -1))[:, at].flatten(0, 1) for old, at in sources]
            for level in self.skips
        )
        return Prepared(grids, skips, self.studies)


class _Level(nn.Module):
    """What both arms do after a level's convolution: SiLU, φ mixing, stream interaction, normalisation."""

    def __init__(self, config: StreamUNetConfig, level: int) -> None:
        super().__init__()
        channels = config.channels[level]
        self.level = level
        self.mix = PhiMixing(channels, config.phi_channels)
        self.interact = StreamInteraction(channels, config.attention)
        self.norm = nn.GroupNorm(channels // config.group_size, channels)

    def forward(
        self,
        convolved: LevelFeatures,
        phi: Tensor,
        grids: StreamGrids,
        answer: Sequence[Group] | None = None,
    ) -> LevelFeatures:
        # convolved: per grid (items·S_g, C, X, Y, Z); phi: (items, streams, phi_channels).
        mixed = [
            self.mix(silu(x), phi[:, list(group)].flatten(0, 1))
            for x, group in zip(convolved, grids.groups, strict=True)
        ]
        joined = self.interact(mixed, grids.geometries(self.level), phi.shape[0], answer)
        return [self.norm(x) if len(x) else x for x in joined]


class VolumeEncoder(nn.Module):
    """m_enc: volumes and φ to features at every level, and one vector per volume to read.

    Args:
        config: sizes.
        width: d, the width of the language model's embeddings.
    """

    def __init__(self, config: StreamUNetConfig, width: int) -> None:
        super().__init__()
        self.config = config
        inputs = (1, *config.channels[:-1])
        self.convs = nn.ModuleList(NativeConv3d(i, o) for i, o in zip(inputs, config.channels, strict=True))
        self.levels = nn.ModuleList(_Level(config, n) for n in range(config.levels))
        self.to_read = nn.Linear(config.channels[-1], width)

    def forward(self, volumes: Sequence[Tensor], grids: StreamGrids, phi: Tensor) -> Encoding:
        """Encode a study, or a batch of studies whose volumes lie on the same grids.

        Args:
            volumes: per stream, (studies, X, Y, Z), intensities in [0, 1].
            grids: from :meth:`StreamGrids.of`, for the same streams and the network's levels.
            phi: (studies, streams, phi_channels), one φ per volume.

        Raises:
            GeometryError: a volume's shape is not its grid's.
        """
        x = [_stack(volumes, group, plan) for group, plan in zip(grids.groups, grids.plans, strict=True)]
        features = []
        for n, (conv, level) in enumerate(zip(self.convs, self.levels, strict=True)):
            at = [plan.levels[n] for plan in grids.plans]
            if n:
                x = [downsample(v, p.levels[n - 1].factors) for v, p in zip(x, grids.plans, strict=True)]
            convolved = [conv(v, level_at.flat_axis) for v, level_at in zip(x, at, strict=True)]
            x = level(convolved, phi, grids)
            features.append(x)
        return Encoding(grids, tuple(features), self._read(x, grids, phi.shape[0]))

    def _read(self, deepest: LevelFeatures, grids: StreamGrids, studies: int) -> Tensor:
        """ε_v°: the largest value of each channel of the deepest output, fully connected to d (§3.1)."""
        pooled = [x.amax(dim=(2, 3, 4)).unflatten(0, (studies, -1)) for x in deepest]
        order = [stream for group in grids.groups for stream in group]
        back = torch.tensor([order.index(stream) for stream in range(grids.streams)])
        return self.to_read(torch.cat(pooled, dim=1).index_select(1, back.to(pooled[0].device)))


class VolumeGenerator(nn.Module):
    """m_gen: an encoding and φ to one channel of logits per stream.

    A convolution over concatenated inputs is the sum of two convolutions. The one over the encoder's
    features does not depend on φ: :meth:`prepare` computes it once, for any number of prompts.

    Args:
        config: sizes, the same as the encoder's.
    """

    def __init__(self, config: StreamUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.from_skip = nn.ModuleList(NativeConv3d(c, c) for c in config.channels)
        self.from_below = nn.ModuleList(
            NativeConv3d(below, here, bias=False)
            for here, below in zip(config.channels, config.channels[1:], strict=False)
        )
        self.levels = nn.ModuleList(_Level(config, n) for n in range(config.levels))
        self.head = NativeConv3d(config.channels[0], 1)

    def prepare(self, encoding: Encoding) -> Prepared:
        """Convolve the encoder's features, once for all prompts."""
        skips = tuple(
            [
                conv(x, plan.levels[n].flat_axis)
                for x, plan in zip(features, encoding.grids.plans, strict=True)
            ]
            for n, (conv, features) in enumerate(zip(self.from_skip, encoding.features, strict=True))
        )
        return Prepared(encoding.grids, skips, encoding.read.shape[0])

    def forward(self, prepared: Prepared, phi: Tensor, streams: Sequence[int] | None = None) -> list[Tensor]:
        """Logits of every prompt, on the native grid of each wanted stream.

        Args:
            prepared: from :meth:`prepare`.
            phi: (studies, prompts, streams, phi_channels): per prompt, one φ per volume.
            streams: streams whose volume is wanted; all when ``None``. Fewer cost less.

        Returns:
            Per wanted stream, in the order asked, (studies, prompts, X, Y, Z) logits.
        """
        wanted = list(range(prepared.grids.streams)) if streams is None else list(streams)
        for x in self.ascend(prepared, phi, wanted):
            finest = x
        return self._logits(finest, prepared.grids, wanted, phi.shape[:2])

    def agreed(self, prepared: Prepared, phi: Tensor) -> Tensor:
        """The mean of the logits of all streams on the first stream's grid: their order does not matter.

        Args:
            prepared, phi: as for :meth:`forward`.

        Returns:
            (studies, prompts, X, Y, Z).
        """
        together = next(group for group in prepared.grids.groups if 0 in group)
        logits = self(prepared, phi, together)
        return torch.stack([x.float() for x in logits]).mean(dim=0)

    def ascend(
        self, prepared: Prepared, phi: Tensor, wanted: Sequence[int], counts: Sequence[int] | None = None
    ) -> Iterator[LevelFeatures]:
        """The features of each level, deepest first; :meth:`forward` makes logits of the last.

        Args:
            prepared, phi: as for :meth:`forward`.
            wanted: streams whose features are wanted at the finest level.
            counts: per level, finest first: of how many prompts, the first ones, features are made; no more
                than at the level below. All when ``None``. A deep level costs next to nothing, so that
                training can ask it for many more prompts than the finest.

        Yields:
            Per grid, (studies·prompts·streams, C, X, Y, Z).
        """
        grids, prompts = prepared.grids, phi.shape[1]
        kept = [prompts] * self.config.levels if counts is None else list(counts)
        answer = [tuple(i for i, s in enumerate(g) if s in wanted) for g in grids.groups]
        x: LevelFeatures = []
        for n in reversed(range(self.config.levels)):
            x = [v.unflatten(0, (prepared.studies, prompts, -1))[:, : kept[n]].flatten(0, 2) for v in x]
            prompts = kept[n]
            convolved = self._convolve(n, prepared, x, prompts)
            x = self.levels[n](convolved, phi[:, :prompts].flatten(0, 1), grids, None if n else answer)
            yield x

    def _convolve(self, n: int, prepared: Prepared, below: LevelFeatures, prompts: int) -> LevelFeatures:
        """Convolution over [up-sampled features ; skip] at level n, per grid (studies·prompts·S_g, …)."""
        result = []
        for g, (skip, plan) in enumerate(zip(prepared.skips[n], prepared.grids.plans, strict=True)):
            apart = skip.unflatten(0, (prepared.studies, 1, -1))
            if not below:
                # A copy: what follows may work in place, and the prepared features serve other prompts too.
                result.append(apart.repeat_interleave(prompts, dim=1).flatten(0, 2))
                continue
            level = plan.levels[n]
            up = upsample(below[g], level.factors, level.geometry.shape)
            convolved = self.from_below[n](up, level.flat_axis)
            split = convolved.unflatten(0, (prepared.studies, prompts, -1))
            result.append(split.add_(apart).flatten(0, 2))
        return result

    def _logits(
        self, x: LevelFeatures, grids: StreamGrids, wanted: list[int], batch: tuple[int, ...]
    ) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        for v, group, plan in zip(x, grids.groups, grids.plans, strict=True):
            here = [s for s in group if s in wanted]
            if here:
                logits = self.head(v, plan.levels[0].flat_axis).squeeze(1).unflatten(0, (*batch, -1))
                found |= {s: logits[:, :, i] for i, s in enumerate(here)}
        return [found[s] for s in wanted]


def _stack(volumes: Sequence[Tensor], group: Group, plan: SpacingPlan) -> Tensor:
    """(studies·S_g, 1, X, Y, Z) of the volumes on one grid."""
    shape = plan.levels[0].geometry.shape
    for stream in group:
        if tuple(volumes[stream].shape[1:]) != shape:
            raise GeometryError(
                "A volume does not fit its grid.",
                expected=f"(studies, {', '.join(map(str, shape))})",
                got=tuple(volumes[stream].shape),
            )
    stacked = torch.stack([volumes[s] for s in group], dim=1).flatten(0, 1).unsqueeze(1)
    return stacked.contiguous(memory_format=torch.channels_last_3d)
