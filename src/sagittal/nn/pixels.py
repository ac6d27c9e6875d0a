"""Pixels in, masks out: a ViT with adapters and a mask decoder that follows one vector (MedPLIB; SAM-Med2D).

Encoder and decoder are Segment Anything's (Kirillov et al. 2023), as transformers has them. SAM-Med2D (Cheng
et al. 2023) puts an adapter beside each feed-forward of the encoder and takes images of 256 × 256. What tells
the decoder which mask is meant is a language model's vector in place of points and boxes (LISA).
:func:`from_sam_med2d` renames the published weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from transformers.models.sam.configuration_sam import SamMaskDecoderConfig, SamVisionConfig
from transformers.models.sam.modeling_sam import SamMaskDecoder, SamVisionEncoder

from sagittal.errors import ConfigError, FileFormatError

#: These parts have no other attention than the plain one, and warn where none is named.
_PLAIN: dict[str, Any] = {"attn_implementation": "eager"}
#: Logits of a mask per patch, an edge.
UPSCALED = 4


class PixelConfig(BaseModel):
    """Sizes. The defaults are SAM-Med2D's with ViT-B."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=256, ge=16, le=2_048, description="pixels of an image, an edge")
    patch: int = Field(default=16, ge=2, le=64)
    width: int = Field(default=768, ge=8, le=4_096, description="of a token")
    layers: int = Field(default=12, ge=1, le=64)
    heads: int = Field(default=12, ge=1, le=64)
    window: int = Field(
        default=14, ge=0, le=128, description="patches that attend to each other, an edge; 0: all"
    )
    whole: tuple[int, ...] = Field(default=(2, 5, 8, 11), description="layers that attend to the whole image")
    channels: int = Field(default=256, ge=32, le=1_024, description="of a feature; a multiple of 32")
    decoder_layers: int = Field(default=2, ge=1, le=16)
    decoder_heads: int = Field(default=8, ge=1, le=32)
    decoder_feed_forward: int = Field(default=2_048, ge=8, le=16_384)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.size % self.patch or self.width % self.heads or self.channels % (2 * self.decoder_heads):
            raise ConfigError(
                "Patches fill the image, heads share the width evenly.",
                expected="size by patch, width by heads, channels by twice the decoder's heads",
                got=self,
            )
        return self

    @property
    def grid(self) -> int:
        """Patches, an edge."""
        return self.size // self.patch


class Adapter(nn.Module):
    """What SAM-Med2D adds beside a feed-forward: channels weighed by their means, then two convolutions.

    Args:
        width: of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(1, width // 4)
        self.norm = nn.LayerNorm(width)
        self.channel = nn.Sequential(
            nn.Linear(width, narrow, bias=False), nn.ReLU(),
            nn.Linear(narrow, width, bias=False), nn.Sigmoid(),
        )  # fmt: skip
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False), nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False), nn.ReLU(),
        )  # fmt: skip

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, h, w, width) → the same; h and w even."""
        weighed = tokens * self.channel(tokens.mean(dim=(1, 2)))[:, None, None]
        spatial = self.spatial(weighed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = self.norm(tokens + spatial)
        return out


class AdaptedFeedForward(nn.Module):
    """A feed-forward and its adapter, which see the same tokens and are summed."""

    def __init__(self, dense: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.dense, self.adapter = dense, adapter

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, h, w, width) → the same."""
        out: Tensor = self.dense(tokens) + self.adapter(tokens)
        return out


class Pixels(nn.Module):
    """Encoder and mask decoder.

    Args:
        config: sizes.
    """

    def __init__(self, config: PixelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SamVisionEncoder(_vision(config))
        layers: Any = self.encoder.layers
        for layer in layers:
            layer.mlp = AdaptedFeedForward(layer.mlp, Adapter(config.width))
        self.decoder = SamMaskDecoder(
            SamMaskDecoderConfig(
                hidden_size=config.channels, mlp_dim=config.decoder_feed_forward,
                num_hidden_layers=config.decoder_layers, num_attention_heads=config.decoder_heads,
                iou_head_hidden_dim=config.channels,
                **_PLAIN,
            )
        )  # fmt: skip
        #: Frequencies that places in the image are told by.
        self.frequencies = nn.Parameter(torch.randn(2, config.channels // 2), requires_grad=False)
        self.no_mask = nn.Parameter(torch.zeros(config.channels))

    def look(self, images: Tensor) -> Tensor:
        """(B, 3, size, size) → features (B, channels, grid, grid)."""
        features: Tensor = self.encoder(images).last_hidden_state
        return features

    def draw(self, features: Tensor, prompts: Tensor, rows: Tensor) -> Tensor:
        """Masks of some prompts.

        Args:
            features: (B, channels, grid, grid), from :meth:`look`.
            prompts: (R, channels), a vector a mask.
            rows: (R,) the image that each mask belongs to.

        Returns:
            (R, 4 · grid, 4 · grid) logits.
        """
        edge = UPSCALED * self.config.grid
        if len(prompts) == 0:
            return features.new_zeros(0, edge, edge)
        masks, _ = self.decoder(
            image_embeddings=features[rows],
            image_positional_embeddings=self._places(features).expand(len(rows), -1, -1, -1),
            sparse_prompt_embeddings=prompts[:, None, None],
            dense_prompt_embeddings=self.no_mask[None, :, None, None],
            multimask_output=False,
        )
        found: Tensor = masks[:, 0, 0]
        return found

    def _places(self, features: Tensor) -> Tensor:
        """(1, channels, grid, grid): each patch's place, by random frequencies."""
        grid = self.config.grid
        middle = (torch.arange(grid, device=features.device, dtype=self.frequencies.dtype) + 0.5) / grid
        place = torch.stack(torch.meshgrid(middle, middle, indexing="xy"), dim=-1)
        angle = 2 * torch.pi * ((2 * place - 1) @ self.frequencies)
        return torch.cat([angle.sin(), angle.cos()], dim=-1).permute(2, 0, 1)[None].to(features.dtype)


def _vision(config: PixelConfig) -> SamVisionConfig:
    return SamVisionConfig(
        hidden_size=config.width, output_channels=config.channels, num_hidden_layers=config.layers,
        num_attention_heads=config.heads, image_size=config.size, patch_size=config.patch,
        window_size=config.window, global_attn_indexes=list(config.whole),
        # The library's own is for weights that are loaded: nothing could be learnt from it.
        initializer_range=0.02,
        **_PLAIN,
    )  # fmt: skip


#: In the published files → here; the first that fits. What prompts by points, boxes and masks is left out.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"^image_encoder\.patch_embed\.proj\.", "encoder.patch_embed.projection."),
    (r"^image_encoder\.blocks\.(\d+)\.norm([12])\.", r"encoder.layers.\1.layer_norm\2."),
    (r"^image_encoder\.blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp.dense."),
    (r"^image_encoder\.blocks\.(\d+)\.Adapter\.", r"encoder.layers.\1.mlp.adapter."),
    (r"^image_encoder\.blocks\.", "encoder.layers."),
    (r"^image_encoder\.neck\.0\.", "encoder.neck.conv1."),
    (r"^image_encoder\.neck\.1\.", "encoder.neck.layer_norm1."),
    (r"^image_encoder\.neck\.2\.", "encoder.neck.conv2."),
    (r"^image_encoder\.neck\.3\.", "encoder.neck.layer_norm2."),
    (r"^image_encoder\.", "encoder."),
    (r"^prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix$", "frequencies"),
    (r"^prompt_encoder\.no_mask_embed\.weight$", "no_mask"),
    (r"^mask_decoder\.output_upscaling\.0\.", "decoder.upscale_conv1."),
    (r"^mask_decoder\.output_upscaling\.1\.", "decoder.upscale_layer_norm."),
    (r"^mask_decoder\.output_upscaling\.3\.", "decoder.upscale_conv2."),
    (
        r"^mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.0\.",
        r"decoder.\1.proj_in.",
    ),
    (
        r"^mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.1\.",
        r"decoder.\1.layers.0.",
    ),
    (
        r"^mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head)\.layers\.2\.",
        r"decoder.\1.proj_out.",
    ),
    (r"^mask_decoder\.transformer\.(layers\.\d+)\.norm(\d)\.", r"decoder.transformer.\1.layer_norm\2."),
    (r"^mask_decoder\.transformer\.norm_final_attn\.", "decoder.transformer.layer_norm_final_attn."),
    (r"^mask_decoder\.", "decoder."),
)
_LEFT_OUT = re.compile(r"^(prompt_encoder\.(point_embeddings|not_a_point_embed|mask_downscaling)|pixel_)")


def from_sam_med2d(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published weights under the names of :class:`Pixels`.

    Args:
        weights: SAM-Med2D's, by name (with a ``model`` around them, pass what is in it).

    Raises:
        FileFormatError: a name that they do not have.
    """
    found = {}
    for name, value in weights.items():
        if _LEFT_OUT.match(name):
            continue
        for pattern, ours in _NAMES:
            renamed, count = re.subn(pattern, ours, name)
            if count:
                found[renamed] = value[0] if renamed == "no_mask" else value
                break
        else:
            raise FileFormatError("This is no file of SAM-Med2D's weights.", got=name)
    return found
