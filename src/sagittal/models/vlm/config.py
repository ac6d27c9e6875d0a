"""What a vision-language model is made of; a config names its parts and reaches inside none."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sagittal.errors import ConfigError
from sagittal.models.vlm.volumes import VolumeConfig
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.nn.pixels import PixelConfig
from sagittal.nn.projector import HIDDEN, Gate
from sagittal.nn.shared_projector import Fusion
from sagittal.nn.task_heads import HeadConfig
from sagittal.nn.vit import ViTConfig


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HierarchicalConfig(_Config):
    """mpLLM's mixture of experts (:mod:`sagittal.nn.projector`)."""

    kind: Literal["hierarchical"] = "hierarchical"
    blocks: tuple[int, int] = Field(default=(8, 8), description="modality-level and token-level blocks")
    gate: Gate = Field(default="softmax", description="how low-level weights are made")
    hidden: int = Field(default=HIDDEN, ge=1, le=4_096, description="width of the routers' hidden layer")
    flattened: bool = Field(default=False, description="each modality keeps its own embeddings (§3)")


class SharedConfig(_Config):
    """One projection for all images (:mod:`sagittal.nn.shared_projector`)."""

    kind: Literal["shared"] = "shared"
    fusion: Fusion = Field(default="concatenation", description="how several images are put together")
    layers: Literal[1, 2] = Field(default=1, description="linear, or a small MLP")


class LoRAConfig(_Config):
    """Adapters in the language model; the defaults are mpLLM's (§4.2)."""

    r: int = Field(default=16, ge=1, le=1_024, description="rank")
    alpha: int = Field(default=32, ge=1, description="scale, over r")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = Field(
        default="all-linear", description="layers that get one, by name"
    )


class PointingConfig(_Config):
    """Regions that questions point at (:mod:`sagittal.nn.region_prompt`)."""

    slot: int = Field(ge=0, description="id of the token in whose place a region's vector stands")


class DrawingConfig(_Config):
    """Masks that answers hold (:mod:`sagittal.nn.pixels`)."""

    segment: int = Field(ge=0, description="id of the token that stands for a mask, <SEG>")
    pixels: PixelConfig = PixelConfig()


def _is_default(value: object) -> bool:
    # What a config does not use, its checkpoint does not name: older ones stay as they are.
    return value in (None, False)


class VLMConfig(_Config):
    """Encoder → projector → language model, and what hangs on it."""

    encoder: ViTConfig = Field(default=ViTConfig(), description="of slices or volumes")
    pooling: int = Field(default=2, ge=1, le=64, description="patches that are averaged, an axis")
    images: tuple[str, ...] = Field(
        default=("t1", "t1c", "t2", "flair"),
        min_length=1,
        description="kinds of image, each with a place of its own in the projector",
    )
    volumes: VolumeConfig = VolumeConfig()
    projector: HierarchicalConfig | SharedConfig = Field(default=HierarchicalConfig(), discriminator="kind")
    language: dict[str, Any] = Field(
        description="of a causal language model of transformers: its own config, with `model_type`"
    )
    lora: LoRAConfig | None = Field(default=None, description="adapters; without, all of it is trained")
    heads: tuple[HeadConfig, ...] = Field(default=(), description="tasks with classes")
    told: bool = Field(
        default=False,
        description="whether the words are told what the heads chose; the paper's are not",
    )

    images_first: bool = Field(
        default=False, exclude_if=_is_default, description="images come before the question, not after it"
    )
    experts: ExpertsConfig | None = Field(
        default=None, exclude_if=_is_default, description="in place of each layer's feed-forward"
    )
    pointing: PointingConfig | None = Field(default=None, exclude_if=_is_default)
    drawing: DrawingConfig | None = Field(default=None, exclude_if=_is_default)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.images_first and self.projector.kind == "hierarchical":
            raise ConfigError(
                "A projector that the question steers needs the question before the images.",
                expected="images_first: false, or a shared projector",
            )
        if self.pointing is not None and (len(self.images) > 1 or len(self.encoder.size) != 2):
            raise ConfigError(
                "A region is one of a single picture.",
                expected="one image and an encoder with two axes",
                got=f"{len(self.images)} images, {len(self.encoder.size)} axes",
            )
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "model_type" not in self.language:
            raise ConfigError("A language model's config names its architecture.", expected="model_type")
        if self.told and not self.heads:
            raise ConfigError("Words are told of classes only where there are heads.", expected="heads")
        names = [head.name for head in self.heads]
        for what, values in (("image", self.images), ("head", names)):
            if len(set(values)) != len(values):
                raise ConfigError(f"Each {what} is named once.", got=", ".join(values))
        return self

    @property
    def tokens(self) -> int:
        """Embeddings of one image, after pooling."""
        count = 1
        for patches in self.encoder.grid:
            count *= patches // self.pooling
        return count
