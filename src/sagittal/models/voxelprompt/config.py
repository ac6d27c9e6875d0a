"""Sizes of VoxelPrompt, and its three presets."""

from __future__ import annotations

from importlib.resources import files
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sagittal.errors import ConfigError
from sagittal.models.voxelprompt.preparation import PreparationConfig
from sagittal.nn.stream_unet import StreamUNetConfig

Preset = Literal["tiny", "small", "paper"]
_MOST_LEVELS, _MOST_CHANNELS = 10, 4_096


class LanguageConfig(BaseModel):
    """The agent: a decoder-only transformer of LLaMA's architecture, trained from scratch (§3.3)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocabulary: int = Field(default=32_000, ge=1, le=1_000_000, description="tokens γ")
    width: int = Field(default=512, ge=2, le=16_384, description="dimension d of embeddings and states")
    layers: int = Field(default=16, ge=1, le=256, description="transformer layers")
    heads: int = Field(default=32, ge=1, le=1_024, description="attention heads")
    feed_forward: int = Field(default=2_048, ge=1, le=65_536, description="width of the feed-forward layers")
    positions: int = Field(default=2_048, ge=1, le=1_000_000, description="most tokens of a conversation")
    tied: bool = Field(default=False, description="one matrix embeds tokens and scores them")

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.width % (2 * self.heads):
            raise ConfigError(
                "A head's width is even.", expected=f"a multiple of {2 * self.heads}", got=self.width
            )
        return self


class VoxelPromptConfig(BaseModel):
    """The whole model. The defaults are the paper's.

    Sizes are bounded, since a config may come with a foreign checkpoint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: LanguageConfig = LanguageConfig()
    vision: StreamUNetConfig = StreamUNetConfig.model_validate({})
    preparation: PreparationConfig = PreparationConfig()
    image_weight: float = Field(
        default=0.1, ge=0, description="λ of Eq. 2, the weight of a mask's soft Dice loss"
    )
    voxel_weight: float = Field(
        default=0.0,
        ge=0,
        description="weight of a mask's mean voxel-wise cross-entropy; 0, none, is the paper's",
    )

    doubt: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="a question is asked back where what was understood is less likely than this by the "
        "model's own account; 0, never, is the paper's",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        vision = self.vision
        if vision.levels > _MOST_LEVELS or max(*vision.channels, vision.phi_channels, 1) > _MOST_CHANNELS:
            raise ConfigError(
                "The vision network is too large.",
                expected=f"at most {_MOST_LEVELS} levels of {_MOST_CHANNELS} channels",
                got=f"{vision.levels} levels of {max(vision.channels)} channels",
            )
        return self

    @classmethod
    def preset(cls, name: Preset, *, vocabulary: int | None = None) -> Self:
        """A named configuration.

        Args:
            name: ``tiny`` (tests), ``small`` (ships) or ``paper``.
            vocabulary: the size of the tokenizer in hand, instead of the preset's.

        Raises:
            ConfigError: there is no such preset.
        """
        folder = files("sagittal.models.voxelprompt") / "presets"
        known = sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))
        if name not in known:
            raise ConfigError("There is no such preset.", expected=", ".join(known), got=name)
        values = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
        if vocabulary is not None:
            values["language"]["vocabulary"] = vocabulary
        return cls.model_validate(values)
