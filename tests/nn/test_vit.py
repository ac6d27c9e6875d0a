"""The vision transformer against M3D's layout computed literally, for slices and volumes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from sagittal.errors import ConfigError, FileFormatError, InputError
from sagittal.nn.vit import Seen, ViT, ViTConfig, from_m3d

VOLUME = ViTConfig(size=(4, 6, 8), patch=(2, 3, 2), channels=2, width=12, layers=2, heads=3, feed_forward=20)
SLICE = VOLUME.model_copy(update={"size": (6, 8), "patch": (3, 2)})


def stored(config: ViTConfig) -> dict[str, torch.Tensor]:
    """Random weights under the names, and in the shapes, that M3D-CLIP has."""
    generator = torch.Generator().manual_seed(0)
    width, wide = config.width, config.feed_forward
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embedding.patch_embeddings.1.weight": (width, math.prod(config.patch) * config.channels),
        "patch_embedding.patch_embeddings.1.bias": (width,),
        "patch_embedding.position_embeddings": (1, math.prod(config.grid), width),
        "cls_token": (1, 1, width),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for n in range(config.layers):
        shapes |= {
            f"blocks.{n}.attn.qkv.weight": (3 * width, width),
            f"blocks.{n}.attn.out_proj.weight": (width, width),
            f"blocks.{n}.attn.out_proj.bias": (width,),
            f"blocks.{n}.mlp.linear1.weight": (wide, width),
            f"blocks.{n}.mlp.linear1.bias": (wide,),
            f"blocks.{n}.mlp.linear2.weight": (width, wide),
            f"blocks.{n}.mlp.linear2.bias": (width,),
            **{f"blocks.{n}.norm{i}.{part}": (width,) for i in (1, 2) for part in ("weight", "bias")},
        }
    made = {
        f"vision_encoder.{name}": torch.randn(shape, generator=generator, dtype=torch.float64) / 3
        for name, shape in shapes.items()
    }
    return {**made, "language_encoder.pooler.bias": torch.zeros(3), "logit_scale": torch.ones(())}


def normed(x, weight, bias):
    centred = x - x.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt() * weight + bias


def attend(one, three, config):
    """What one token's heads make of all tokens; each is query, key and value behind each other."""
    size, parts = config.width // config.heads, []
    for head in range(config.heads):
        starts = (i * config.width + head * size for i in range(3))
        q, k, v = (slice(start, start + size) for start in starts)
        scores = torch.stack([one[q] @ other[k] / size**0.5 for other in three]).softmax(dim=0)
        parts.append(sum(s * other[v] for s, other in zip(scores, three, strict=True)))
    return torch.cat(parts)


def literal(state, image, config):
    """One image, a token after the other, under the stored names."""
    w = {name.removeprefix("vision_encoder."): value for name, value in state.items()}
    tokens = [w["cls_token"].flatten()]
    for number, corner in enumerate(itertools.product(*map(range, config.grid))):
        values = [
            image[(channel, *(c * p + o for c, p, o in zip(corner, config.patch, offset, strict=True)))]
            for offset in itertools.product(*map(range, config.patch))
            for channel in range(config.channels)
        ]
        projected = w["patch_embedding.patch_embeddings.1.weight"] @ torch.stack(values)
        projected = projected + w["patch_embedding.patch_embeddings.1.bias"]
        tokens.append(projected + w["patch_embedding.position_embeddings"][0, number])
    for n in range(config.layers):
        block = {
            key.removeprefix(f"blocks.{n}."): v for key, v in w.items() if key.startswith(f"blocks.{n}.")
        }
        first, second = ((block[f"norm{i}.weight"], block[f"norm{i}.bias"]) for i in (1, 2))
        three = [block["attn.qkv.weight"] @ normed(x, *first) for x in tokens]
        attended = [
            block["attn.out_proj.weight"] @ attend(one, three, config) + block["attn.out_proj.bias"]
            for one in three
        ]
        tokens = [x + a for x, a in zip(tokens, attended, strict=True)]
        for i, x in enumerate(tokens):
            inner = block["mlp.linear1.weight"] @ normed(x, *second) + block["mlp.linear1.bias"]
            inner = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
            tokens[i] = x + block["mlp.linear2.weight"] @ inner + block["mlp.linear2.bias"]
    return torch.stack([normed(x, w["norm.weight"], w["norm.bias"]) for x in tokens])


@pytest.mark.parametrize("config", [VOLUME, SLICE], ids=["volume", "slice"])
def test_it_computes_what_m3ds_encoder_computes(config):
    state = stored(config)
    encoder = ViT(config).double()
    encoder.load_state_dict(from_m3d(state))
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, config.channels, *config.size, generator=generator, dtype=torch.float64)
    seen = encoder(images)
    assert seen.tokens.shape == (2, *config.grid, config.width)
    for image, cls, tokens in zip(images, seen.cls, seen.tokens, strict=True):
        wanted = literal(state, image, config)
        torch.testing.assert_close(cls, wanted[0])
        torch.testing.assert_close(tokens.flatten(0, -2), wanted[1:])


def test_the_papers_encoder_has_its_size():
    with torch.device("meta"):
        encoder = ViT(ViTConfig())
    d, f = 768, 3072
    block = 4 * d + 3 * d * d + (d * d + d) + (d * f + f) + (f * d + d)
    wanted = (4 * 16 * 16 * d + d) + 8 * 16 * 16 * d + d + 12 * block + 2 * d
    assert sum(p.numel() for p in encoder.parameters()) == wanted
    assert Seen(torch.zeros(1, d), torch.zeros(1, 8, 16, 16, d)).pooled().shape == (1, 256, d)


@pytest.mark.parametrize("grid", [(4, 2, 6), (4, 6)])
def test_pooling_takes_means_of_neighbours(grid):
    tokens = torch.randn(2, *grid, 5)
    found = Seen(torch.zeros(2, 5), tokens).pooled(2)
    corners = itertools.product(*(range(0, n, 2) for n in grid))
    for number, corner in enumerate(corners):
        near = tokens[(slice(None), *(slice(c, c + 2) for c in corner))]
        torch.testing.assert_close(found[:, number], near.flatten(1, -2).mean(dim=1))
    with pytest.raises(InputError):
        Seen(torch.zeros(2, 5), tokens).pooled(4)


def test_other_images_are_refused():
    for shape in ((1, 2, 4, 6, 7), (1, 1, 4, 6, 8), (1, 2, 6, 8)):
        with pytest.raises(InputError):
            ViT(VOLUME)(torch.zeros(shape))


@pytest.mark.parametrize(
    "change",
    [
        {"size": (4, 6)}, {"size": (5, 6, 8)}, {"size": (4,), "patch": (2,)}, {"size": (0, 6, 8)},
        {"width": 13},
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(change):
    with pytest.raises(ConfigError):
        ViTConfig.model_validate({**VOLUME.model_dump(), **change})


def test_other_weights_are_refused():
    with pytest.raises(FileFormatError, match="begin with"):
        from_m3d({"logit_scale": torch.ones(())})
    with pytest.raises(FileFormatError, match="layout"):
        from_m3d({**stored(VOLUME), "vision_encoder.blocks.0.attn.qkv.bias": torch.zeros(36)})
