"""Encoder and generator: shapes, reuse over prompts, invariances, gradients, precision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from sagittal.errors import ConfigError, GeometryError
from sagittal.geometry import Geometry
from sagittal.nn.grids import StreamGrids
from sagittal.nn.stream_unet import Encoding, StreamUNetConfig, VolumeEncoder, VolumeGenerator

CONFIG = StreamUNetConfig(channels=(8, 12, 12), phi_channels=6, attention=8)


def grid(shape, spacing=(1, 1, 1), origin=(0, 0, 0)):
    affine = np.diag([*map(float, spacing), 1.0])
    affine[:3, 3] = origin
    return Geometry(shape, affine)


ISOTROPIC = grid((9, 10, 12))
SAGITTAL = grid((3, 11, 12), (5, 0.9, 1.1))
FINE = grid((8, 9, 14), (1.2, 1.2, 0.6), (1, 0, 2))


@pytest.fixture
def arms():
    torch.manual_seed(0)
    return VolumeEncoder(CONFIG, 20), VolumeGenerator(CONFIG)


def study(geometries, studies=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(studies, *g.shape, generator=generator) for g in geometries]


def phi_for(*shape, seed=2):
    return torch.randn(*shape, CONFIG.phi_channels, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def segment(arms, geometries, volumes, prompts=2, streams=None, phi=None, phi_enc=None):
    encoder, generator = arms
    count = len(geometries)
    grids = StreamGrids.of(geometries, CONFIG.levels)
    phi_enc = phi_for(len(volumes[0]), count) if phi_enc is None else phi_enc
    phi = phi_for(len(volumes[0]), prompts, count, seed=3) if phi is None else phi
    encoding = encoder(volumes, grids, phi_enc)
    return generator(generator.prepare(encoding), phi, streams), encoding


@pytest.mark.parametrize("geometries", [[ISOTROPIC], [ISOTROPIC] * 3, [SAGITTAL, ISOTROPIC, FINE, SAGITTAL]])
def test_every_stream_gets_logits_on_its_own_grid(arms, geometries):
    logits, encoding = segment(arms, geometries, study(geometries, 2), prompts=3)
    assert [tuple(x.shape) for x in logits] == [(2, 3, *g.shape) for g in geometries]
    assert encoding.read.shape == (2, len(geometries), 20)
    assert len(encoding.features) == CONFIG.levels


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_streams_does_not_matter(arms, order):
    geometries = [ISOTROPIC, SAGITTAL, ISOTROPIC]
    volumes, phi, phi_enc = study(geometries), phi_for(1, 2, 3), phi_for(1, 3, seed=5)
    straight, encoding = segment(arms, geometries, volumes, phi=phi, phi_enc=phi_enc)
    turned, encoding_turned = segment(
        arms,
        [geometries[i] for i in order],
        [volumes[i] for i in order],
        phi=phi[:, :, list(order)],
        phi_enc=phi_enc[:, list(order)],
    )
    torch.testing.assert_close(encoding_turned.read, encoding.read[:, list(order)], rtol=1e-4, atol=1e-4)
    for place, stream in enumerate(order):
        torch.testing.assert_close(turned[place], straight[stream], rtol=1e-4, atol=1e-4)


def test_streams_of_one_grid_agree_in_any_order(arms):
    geometries = [ISOTROPIC, ISOTROPIC, SAGITTAL, ISOTROPIC]
    volumes, phi = study(geometries), phi_for(1, 2, 4, seed=3)
    each, _ = segment(arms, geometries, volumes, phi=phi)
    encoder, generator = arms

    @torch.no_grad()
    def agreed(order):
        grids = StreamGrids.of([geometries[s] for s in order], CONFIG.levels)
        encoding = encoder([volumes[s] for s in order], grids, phi_for(1, 4)[:, order])
        return generator.agreed(generator.prepare(encoding), phi[:, :, order])

    expected = (each[0] + each[1] + each[3]) / 3
    for order in ([0, 1, 2, 3], [3, 0, 1, 2], [1, 2, 3, 0]):
        assert torch.allclose(agreed(order), expected, atol=1e-5)
    assert torch.allclose(agreed([2, 0, 1, 3]), each[2], atol=1e-5)


def test_streams_do_interact(arms):
    geometries = [ISOTROPIC, ISOTROPIC]
    volumes = study(geometries)
    first, _ = segment(arms, geometries, volumes)
    changed, _ = segment(arms, geometries, [volumes[0], volumes[1].flip(1)])
    assert (first[0] - changed[0]).abs().max() > 1e-3


def test_prompts_of_one_encoding_are_independent_and_repeatable(arms):
    encoder, generator = arms
    geometries = [ISOTROPIC, SAGITTAL]
    phi = phi_for(1, 3, 2)
    with torch.no_grad():
        encoding = encoder(study(geometries), StreamGrids.of(geometries, 3), phi_for(1, 2))
        prepared = generator.prepare(encoding)
        together = generator(prepared, phi)
        for prompt in (2, 0, 1, 2):
            alone = generator(prepared, phi[:, prompt : prompt + 1])
            for a, b in zip(alone, together, strict=True):
                torch.testing.assert_close(a[:, 0], b[:, prompt], rtol=1e-4, atol=1e-4)
    assert (together[0][:, 0] - together[0][:, 1]).abs().max() > 1e-3


def test_studies_of_a_batch_do_not_mix(arms):
    geometries = [ISOTROPIC, FINE]
    volumes, phi, phi_enc = study(geometries, 3), phi_for(3, 2, 2), phi_for(3, 2, seed=9)
    together, _ = segment(arms, geometries, volumes, phi=phi, phi_enc=phi_enc)
    alone, _ = segment(arms, geometries, [v[1:2] for v in volumes], phi=phi[1:2], phi_enc=phi_enc[1:2])
    for a, b in zip(alone, together, strict=True):
        torch.testing.assert_close(a[0], b[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("wanted", [[1], [2, 0]])
def test_asking_for_fewer_streams_gives_the_same_logits(arms, wanted):
    geometries = [ISOTROPIC, SAGITTAL, ISOTROPIC]
    volumes = study(geometries)
    every, _ = segment(arms, geometries, volumes)
    some, _ = segment(arms, geometries, volumes, streams=wanted)
    assert len(some) == len(wanted)
    for got, stream in zip(some, wanted, strict=True):
        torch.testing.assert_close(got, every[stream], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chosen", [[1], [2, 1], [3, 0, 2], [0, 1, 2, 3]])
def test_chosen_streams_are_generated_as_if_the_others_were_not_there(arms, chosen):
    encoder, generator = arms
    geometries = [ISOTROPIC, SAGITTAL, ISOTROPIC, SAGITTAL]
    with torch.no_grad():
        encoding = encoder(study(geometries, 2), StreamGrids.of(geometries, 3), phi_for(2, 4))
        phi = phi_for(2, 2, len(chosen), seed=7)
        got = generator(generator.prepare(encoding).select(chosen), phi)
        # The same from an encoding that never held the others, made by hand from its parts.
        apart = StreamGrids.of([geometries[i] for i in chosen], 3)
        place = {0: (0, 0), 2: (0, 1), 1: (1, 0), 3: (1, 1)}
        features = tuple(
            [
                torch.stack([_of(level, *place[chosen[m]]) for m in group], dim=1).flatten(0, 1)
                for group in apart.groups
            ]
            for level in encoding.features
        )
        alone = generator.prepare(Encoding(apart, features, encoding.read[:, chosen]))
        expected = generator(alone, phi)
    assert len(got) == len(chosen)
    for a, b, stream in zip(got, expected, chosen, strict=True):
        assert tuple(a.shape) == (2, 2, *geometries[stream].shape)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def _of(level, group, place):
    return level[group].unflatten(0, (2, -1))[:, place]


@pytest.mark.parametrize("wrong", [[], [0, 0], [2], [-1]])
def test_streams_are_chosen_by_number_each_once(wrong):
    with pytest.raises(ConfigError):
        StreamGrids.of([ISOTROPIC, SAGITTAL], 3).select(wrong)


def test_the_generator_is_a_convolution_over_the_concatenation(arms):
    _, generator = arms
    level = 1
    skip, below = torch.randn(1, 12, 4, 5, 6), torch.randn(1, 12, 4, 5, 6)
    weight = torch.cat([generator.from_skip[level].weight, generator.from_below[level].weight], dim=1)
    whole = torch.nn.functional.conv3d(
        torch.cat([skip, below], 1), weight, generator.from_skip[level].bias, padding=1
    )
    apart = generator.from_skip[level](skip) + generator.from_below[level](below)
    torch.testing.assert_close(apart, whole, rtol=1e-4, atol=1e-4)


def transposed(arms, axis):
    """The same arms for volumes whose array axis ``axis`` changed places with the last."""
    made = VolumeEncoder(CONFIG, 20), VolumeGenerator(CONFIG)
    for old, new in zip(arms, made, strict=True):
        state = {
            name: value.transpose(2 + axis, 4) if value.ndim == 5 else value
            for name, value in old.state_dict().items()
        }
        new.load_state_dict(state)
    return made


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("spacing", [(1, 1, 1.5), (1, 1, 5)])
def test_the_slice_axis_may_be_any_axis(arms, axis, spacing):
    last = Geometry((9, 10, 6), np.diag([*map(float, spacing), 1.0]), slice_axis=2)
    swapped = [0, 1, 2]
    swapped[axis], swapped[2] = 2, axis
    there = Geometry(
        tuple(last.shape[i] for i in swapped),
        np.diag([*[float(spacing[i]) for i in swapped], 1.0]),
        slice_axis=axis,
    )
    volumes = study([last, last])
    expected, encoding = segment(arms, [last, last], volumes)
    moved = [v.transpose(1 + axis, 3) for v in volumes]
    got, encoding_moved = segment(transposed(arms, axis), [there, there], moved)
    torch.testing.assert_close(encoding_moved.read, encoding.read, rtol=1e-4, atol=1e-4)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a.transpose(2 + axis, 4), b, rtol=1e-4, atol=1e-4)


def test_read_is_the_global_maximum_of_the_deepest_level(arms):
    encoder, _ = arms
    geometries = [ISOTROPIC, SAGITTAL, ISOTROPIC]
    _, encoding = segment(arms, geometries, study(geometries))
    same, other = encoding.features[-1]
    pooled = [same[0], other[0], same[1]]
    expected = torch.stack([encoder.to_read(x.flatten(1).max(dim=1).values) for x in pooled])
    torch.testing.assert_close(encoding.read[0], expected)


def test_normalisation_groups_hold_four_channels():
    encoder = VolumeEncoder(StreamUNetConfig(channels=(16, 32)), 8)
    for level, channels in zip(encoder.levels, (16, 32), strict=True):
        assert level.norm.num_channels // level.norm.num_groups == 4
        assert level.norm.num_channels == channels
    with pytest.raises(ConfigError):
        StreamUNetConfig(channels=(16, 18))
    with pytest.raises(ConfigError):
        StreamUNetConfig(channels=())


def test_features_are_normalised_within_their_groups(arms):
    _, encoding = segment(arms, [ISOTROPIC], study([ISOTROPIC]))
    top = encoding.features[0][0].unflatten(1, (-1, 4))
    torch.testing.assert_close(top.mean(dim=(2, 3, 4, 5)), torch.zeros(1, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(top.std(dim=(2, 3, 4, 5), unbiased=False), torch.ones(1, 2), atol=1e-3, rtol=0)


def test_the_default_is_the_papers_network():
    config = StreamUNetConfig()
    assert (config.channels, config.phi_channels, config.attention) == ((32, 96, 96, 96, 96, 96), 32, 32)
    with torch.device("meta"):
        encoder, generator = VolumeEncoder(config, 512), VolumeGenerator(config)
    convs = 27 * (32 + 32 * 96 + 4 * 96 * 96) + 32 + 5 * 96
    mixing = (64 + 1) * 32 + 5 * (128 + 1) * 96
    attention = (4 * 32 * 32 + 32) + 5 * (4 * 96 * 32 + 96)
    norms = 2 * (32 + 5 * 96)
    read = 97 * 512
    assert sum(p.numel() for p in encoder.parameters()) == convs + mixing + attention + norms + read
    up = 27 * (32 * 32 + 5 * 96 * 96 + 96 * 32 + 4 * 96 * 96) + 32 + 5 * 96
    head = 27 * 32 + 1
    assert sum(p.numel() for p in generator.parameters()) == up + mixing + attention + norms + head


@pytest.mark.parametrize("geometries", [[ISOTROPIC], [ISOTROPIC, SAGITTAL, ISOTROPIC]])
def test_gradients_reach_every_parameter_and_phi(arms, geometries):
    encoder, generator = arms
    count = len(geometries)
    phi_enc, phi = phi_for(1, count).requires_grad_(), phi_for(1, 2, count).requires_grad_()
    encoding = encoder(study(geometries), StreamGrids.of(geometries, 3), phi_enc)
    logits = generator(generator.prepare(encoding), phi)
    (sum(x.square().mean() for x in logits) + encoding.read.square().mean()).backward()
    single = count == 1
    for arm in arms:
        for name, parameter in arm.named_parameters():
            if single and ("query" in name or "key" in name):
                continue  # attention over one stream is constant: nothing to learn
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
            assert torch.isfinite(parameter.grad).all(), name
    assert phi_enc.grad.abs().sum() > 0 and phi.grad.abs().sum() > 0


def test_inference_in_place_equals_training_mode(arms):
    geometries = [ISOTROPIC, SAGITTAL]
    fast, _ = segment(arms, geometries, study(geometries))
    encoder, generator = arms
    encoding = encoder(study(geometries), StreamGrids.of(geometries, 3), phi_for(1, 2))
    kept = generator(generator.prepare(encoding), phi_for(1, 2, 2, seed=3))
    for a, b in zip(fast, kept, strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-5, atol=1e-5)


def test_bfloat16_is_close_and_runs_are_the_same(arms):
    geometries = [ISOTROPIC, SAGITTAL]
    volumes = study(geometries)
    exact, _ = segment(arms, geometries, volumes)
    with torch.autocast("cpu", torch.bfloat16):
        rough, encoding = segment(arms, geometries, volumes)
        again, _ = segment(arms, geometries, volumes)
    assert encoding.features[0][0].dtype == torch.bfloat16
    for a, b, c in zip(exact, rough, again, strict=True):
        assert torch.equal(b, c)
        spread = float(a.std())
        assert float((a - b.float()).abs().mean()) < 0.05 * spread


def test_features_stay_in_channels_last_memory(arms):
    _, encoding = segment(arms, [grid((8, 8, 8))] * 2, study([grid((8, 8, 8))] * 2))
    for level in encoding.features:
        assert level[0].is_contiguous(memory_format=torch.channels_last_3d)


def test_a_volume_that_does_not_fit_its_grid_is_refused(arms):
    with pytest.raises(GeometryError):
        segment(arms, [ISOTROPIC], [torch.rand(1, 9, 10, 11)])
    with pytest.raises(ConfigError):
        StreamGrids.of([], 3)


def test_bfloat16_training_points_the_same_way(arms):
    geometries = [ISOTROPIC, SAGITTAL, ISOTROPIC]
    found = []
    for enabled in (False, True):
        for arm in arms:
            arm.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            encoding = arms[0](study(geometries), StreamGrids.of(geometries, 3), phi_for(1, 3))
            logits = arms[1](arms[1].prepare(encoding), phi_for(1, 2, 3))
            loss = sum((x.float().sigmoid() - 0.3).square().mean() for x in logits)
        loss.backward()
        parameters = [p for arm in arms for p in arm.parameters() if p.grad is not None]
        found.append(torch.cat([p.grad.flatten() for p in parameters]))
    assert torch.nn.functional.cosine_similarity(*found, dim=0) > 0.99
