"""Pixel encoder and mask decoder: SAM-Med2D's layout, adapters, one vector a mask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sagittal.errors import ConfigError, FileFormatError
from sagittal.nn.pixels import Adapter, PixelConfig, Pixels, from_sam_med2d

TINY = PixelConfig(
    size=32, patch=4, width=16, layers=2, heads=2, window=3, whole=(1,), channels=32, decoder_heads=2,
    decoder_feed_forward=24,
)  # fmt: skip


def made(seed: int = 0) -> Pixels:
    torch.manual_seed(seed)
    return Pixels(TINY)


def images(count: int, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def published(c: PixelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published file, written down from its own code."""
    w, d, n = c.width, c.channels, c.width // 4
    shapes: dict[str, tuple[int, ...]] = {
        "image_encoder.pos_embed": (1, c.grid, c.grid, w),
        "image_encoder.patch_embed.proj.weight": (w, 3, c.patch, c.patch),
        "image_encoder.patch_embed.proj.bias": (w,),
        "image_encoder.neck.0.weight": (d, w, 1, 1),
        "image_encoder.neck.2.weight": (d, d, 3, 3),
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, d // 2),
        "prompt_encoder.not_a_point_embed.weight": (1, d),
        "prompt_encoder.no_mask_embed.weight": (1, d),
        "mask_decoder.iou_token.weight": (1, d),
        "mask_decoder.mask_tokens.weight": (4, d),
        "mask_decoder.output_upscaling.0.weight": (d, d // 4, 2, 2),
        "mask_decoder.output_upscaling.0.bias": (d // 4,),
        "mask_decoder.output_upscaling.3.weight": (d // 4, d // 8, 2, 2),
        "mask_decoder.output_upscaling.3.bias": (d // 8,),
    }

    def norm(name: str, width: int) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def linear(name: str, into: int, out: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, into), (out,)

    for number in range(4):
        shapes[f"prompt_encoder.point_embeddings.{number}.weight"] = (1, d)
    for place, (out, into, edge) in {0: (4, 1, 2), 3: (16, 4, 2), 6: (d, 16, 1)}.items():
        shapes[f"prompt_encoder.mask_downscaling.{place}.weight"] = (out, into, edge, edge)
        shapes[f"prompt_encoder.mask_downscaling.{place}.bias"] = (out,)
    norm("prompt_encoder.mask_downscaling.1", 4)
    norm("prompt_encoder.mask_downscaling.4", 16)
    norm("image_encoder.neck.1", d)
    norm("image_encoder.neck.3", d)
    norm("mask_decoder.output_upscaling.1", d // 4)
    for number in range(c.layers):
        block = f"image_encoder.blocks.{number}"
        edge = c.grid if number in c.whole else c.window
        norm(f"{block}.norm1", w)
        norm(f"{block}.norm2", w)
        linear(f"{block}.attn.qkv", w, 3 * w)
        linear(f"{block}.attn.proj", w, w)
        for axis in "hw":
            shapes[f"{block}.attn.rel_pos_{axis}"] = (2 * edge - 1, w // c.heads)
        linear(f"{block}.mlp.lin1", w, 4 * w)
        linear(f"{block}.mlp.lin2", 4 * w, w)
        norm(f"{block}.Adapter.norm", w)
        shapes[f"{block}.Adapter.channel.0.weight"] = (n, w)
        shapes[f"{block}.Adapter.channel.2.weight"] = (w, n)
        shapes[f"{block}.Adapter.spatial.0.weight"] = (w, w, 3, 3)
        shapes[f"{block}.Adapter.spatial.2.weight"] = (w, w, 4, 4)
    for number in range(c.decoder_layers):
        layer = f"mask_decoder.transformer.layers.{number}"
        for kind, half in (
            ("self_attn", 1),
            ("cross_attn_token_to_image", 2),
            ("cross_attn_image_to_token", 2),
        ):
            _attention(linear, f"{layer}.{kind}", d, half)
        for place in range(1, 5):
            norm(f"{layer}.norm{place}", d)
        linear(f"{layer}.mlp.lin1", d, c.decoder_feed_forward)
        linear(f"{layer}.mlp.lin2", c.decoder_feed_forward, d)
    _attention(linear, "mask_decoder.transformer.final_attn_token_to_image", d, 2)
    norm("mask_decoder.transformer.norm_final_attn", d)
    for number in range(4):
        for place, out in enumerate((d, d, d // 8)):
            linear(f"mask_decoder.output_hypernetworks_mlps.{number}.layers.{place}", d, out)
    for place, out in enumerate((d, d, 4)):
        linear(f"mask_decoder.iou_prediction_head.layers.{place}", d, out)
    return shapes


def _attention(linear, name: str, width: int, half: int) -> None:
    for part in ("q_proj", "k_proj", "v_proj"):
        linear(f"{name}.{part}", width, width // half)
    linear(f"{name}.out_proj", width // half, width)


def test_a_published_file_fills_every_tensor() -> None:
    random = torch.Generator().manual_seed(2)
    weights = {name: torch.randn(shape, generator=random) for name, shape in published(TINY).items()}
    found = from_sam_med2d({**weights, "pixel_mean": torch.zeros(3, 1, 1)})
    model = made()
    model.load_state_dict(found, strict=True)
    own, last = model.state_dict(), "output_hypernetworks_mlps.3"
    for ours, theirs in {
        "encoder.layers.1.attn.qkv.weight": "image_encoder.blocks.1.attn.qkv.weight",
        "encoder.layers.0.mlp.adapter.spatial.2.weight": "image_encoder.blocks.0.Adapter.spatial.2.weight",
        "encoder.layers.0.mlp.dense.lin2.bias": "image_encoder.blocks.0.mlp.lin2.bias",
        f"decoder.{last}.proj_out.bias": f"mask_decoder.{last}.layers.2.bias",
        "decoder.iou_prediction_head.layers.0.weight": "mask_decoder.iou_prediction_head.layers.1.weight",
        "decoder.transformer.layers.0.layer_norm4.weight": "mask_decoder.transformer.layers.0.norm4.weight",
        "frequencies": "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    }.items():
        assert torch.equal(own[ours], weights[theirs]), ours
    assert torch.equal(own["no_mask"], weights["prompt_encoder.no_mask_embed.weight"][0])
    with pytest.raises(FileFormatError, match="SAM-Med2D"):
        from_sam_med2d({**weights, "text_encoder.weight": torch.zeros(1)})


def test_the_published_size() -> None:
    with torch.device("meta"):
        model = Pixels(PixelConfig())
    places = 16 * 16 * 768 + 2 * 64 * (8 * (2 * 14 - 1) + 4 * (2 * 16 - 1))
    block = 4 * 768 * 768 + 4 * 768 + 2 * 768 * 3_072 + 3_072 + 768 + 4 * 768
    patches, neck = 16 * 16 * 3 * 768 + 768, 768 * 256 + 9 * 256 * 256 + 4 * 256
    adapter = 2 * 768 + 2 * 768 * 192 + 768 * 768 * (9 + 16)
    assert sum(p.numel() for p in model.encoder.parameters()) == places + patches + neck + 12 * (
        block + adapter
    )
    assert sum(p.numel() for p in model.decoder.parameters()) == 4_058_340
    # What the authors state of the whole.
    assert round(sum(p.numel() for p in model.parameters()) / 1e6) == 271


def test_an_adapter_against_a_literal_one() -> None:
    torch.manual_seed(4)
    adapter, tokens = Adapter(8), torch.randn(2, 6, 4, 8)
    for row in range(2):
        x = tokens[row]
        mean = x.reshape(-1, 8).mean(dim=0)
        gate = torch.sigmoid(adapter.channel[2].weight @ torch.relu(adapter.channel[0].weight @ mean))
        weighed = (x * gate).permute(2, 0, 1)[None]
        down = torch.relu(functional.conv2d(weighed, adapter.spatial[0].weight, stride=2, padding=1))
        up = torch.relu(functional.conv_transpose2d(down, adapter.spatial[2].weight, stride=2, padding=1))
        wanted = adapter.norm(x + up[0].permute(1, 2, 0))
        torch.testing.assert_close(adapter(tokens)[row], wanted, rtol=1e-5, atol=1e-6)


def test_each_mask_is_of_its_own_image_and_prompt() -> None:
    model = made().eval()
    prompts = torch.randn(3, 32, generator=torch.Generator().manual_seed(3))
    features = model.look(images(2))
    assert features.shape == (2, 32, 8, 8)
    both = model.draw(features, prompts, torch.tensor([1, 0, 1]))
    assert both.shape == (3, 32, 32)
    for number, row in enumerate((1, 0, 1)):
        alone = model.draw(
            model.look(images(2)[row : row + 1]), prompts[number : number + 1], torch.tensor([0])
        )
        torch.testing.assert_close(both[number], alone[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(both[0], both[2])
    assert model.draw(features, prompts[:0], torch.zeros(0, dtype=torch.long)).shape == (0, 32, 32)


def test_two_masks_of_one_image_are_learnt_by_heart() -> None:
    model = made()
    image = torch.zeros(1, 3, 32, 32)
    image[..., 4:14, 4:14], image[..., 16:30, 18:28] = 1.0, 0.5
    truth = torch.zeros(2, 32, 32)
    truth[0, 4:14, 4:14] = truth[1, 16:30, 18:28] = 1
    prompts = torch.nn.Parameter(torch.randn(2, 32))
    optimiser = torch.optim.Adam([*model.parameters(), prompts], 3e-3)
    losses = []
    for _ in range(40):
        found = model.draw(model.look(image), prompts, torch.tensor([0, 0]))
        loss = functional.binary_cross_entropy_with_logits(found, truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]


def test_sizes_that_do_not_fit_are_refused() -> None:
    for strange in ({"size": 30}, {"heads": 3}, {"channels": 34}):
        with pytest.raises(ConfigError, match="Patches fill"):
            PixelConfig(**{**TINY.model_dump(), **strange})
