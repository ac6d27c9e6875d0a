"""Single-task networks: the fully-connected layer is literal, capacity is ours, streams have no order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from sagittal.geometry import Geometry
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.nn.grids import StreamGrids
from sagittal.nn.phi import PhiMixing
from sagittal.nn.single_task import SingleTaskClassifier, SingleTaskUNet, without_phi
from sagittal.nn.stream_unet import StreamUNetConfig, VolumeEncoder, VolumeGenerator

CONFIG = StreamUNetConfig(channels=(8, 12, 12), phi_channels=6, attention=8)


def grid(shape, spacing=(1, 1, 1)):
    return Geometry(shape, np.diag([*map(float, spacing), 1.0]))


ISOTROPIC, SAGITTAL = grid((9, 10, 12)), grid((3, 11, 12), (5, 0.9, 1.1))
STUDY = [ISOTROPIC, SAGITTAL, ISOTROPIC]


def volumes_of(geometries, studies=2):
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(studies, *g.shape, generator=generator) for g in geometries]


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_capacity_is_that_of_the_network_that_phi_steers(preset):
    config = VoxelPromptConfig.preset(preset)
    encoder = VolumeEncoder(config.vision, config.language.width)
    steered = parameters(encoder, VolumeGenerator(config.vision))
    unet = SingleTaskUNet(config.vision)
    assert 0.95 < parameters(unet) / steered < 1
    # To the last weight: what is missing are the columns of φ, and the layer that the language model reads.
    columns = 2 * config.vision.phi_channels * sum(config.vision.channels)
    assert steered - parameters(unet) == columns + parameters(encoder.to_read)
    classifier = SingleTaskClassifier(config.vision, 5)
    assert 0.9 < parameters(classifier) / parameters(encoder) < 1


def test_mixing_without_phi_is_a_fully_connected_layer():
    mixing = PhiMixing(8, 0)
    x = torch.randn(2, 8, 3, 4, 5)
    literal = functional.silu(torch.einsum("oc,ncxyz->noxyz", mixing.mix.weight, x)
                              + mixing.mix.bias[None, :, None, None, None])  # fmt: skip
    torch.testing.assert_close(mixing(x, torch.empty(2, 0)), literal)


@torch.no_grad()
def test_the_unet_is_the_steered_one_whose_phi_weighs_nothing():
    """With the columns of φ at nought, m_enc and m_gen draw what the benchmark draws, whatever φ is."""
    torch.manual_seed(0)
    unet = SingleTaskUNet(CONFIG)
    encoder, generator = VolumeEncoder(CONFIG, 4), VolumeGenerator(CONFIG)
    for steered, own in ((encoder, unet.encoder), (generator, unet.generator)):
        values = own.state_dict()
        for name, tensor in steered.state_dict().items():
            if name.endswith("mix.mix.weight"):
                tensor.zero_()[:, : values[name].shape[1]] = values[name]
            elif not name.startswith("to_read"):
                tensor.copy_(values[name])
    volumes, grids = volumes_of(STUDY), StreamGrids.of(STUDY, CONFIG.levels)
    ready = generator.prepare(encoder(volumes, grids, torch.randn(2, 3, CONFIG.phi_channels)))
    phi = torch.randn(2, 1, 3, CONFIG.phi_channels)
    torch.testing.assert_close(unet(volumes, grids), generator.agreed(ready, phi)[:, 0])
    torch.testing.assert_close(unet.first(volumes, grids), generator(ready, phi, [0])[0][:, 0])


@torch.no_grad()
@pytest.mark.parametrize("make", [SingleTaskUNet, lambda config: SingleTaskClassifier(config, 4)])
def test_the_order_of_streams_does_not_matter(make):
    torch.manual_seed(0)
    network, volumes = make(CONFIG).eval(), volumes_of(STUDY)
    straight = network(volumes, StreamGrids.of(STUDY, CONFIG.levels))
    for order in itertools.permutations(range(3)):
        if isinstance(network, SingleTaskUNet) and order[0] == 1:
            continue  # Drawn on the grid of another volume.
        grids = StreamGrids.of([STUDY[i] for i in order], CONFIG.levels)
        turned = network([volumes[i] for i in order], grids)
        torch.testing.assert_close(turned, straight, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_classifier_is_the_largest_over_space_and_streams():
    torch.manual_seed(0)
    network, volumes = SingleTaskClassifier(CONFIG, 4), volumes_of(STUDY)
    grids = StreamGrids.of(STUDY, CONFIG.levels)
    deepest = network.encoder(volumes, grids, torch.empty(2, 3, 0)).features[-1]
    largest = torch.cat([x.flatten(2).amax(dim=2).unflatten(0, (2, -1)) for x in deepest], dim=1).amax(dim=1)
    torch.testing.assert_close(network(volumes, grids), network.head(largest))
    assert network(volumes, grids).shape == (2, 4)


@pytest.mark.parametrize("draw", ["forward", "first"])
def test_every_weight_learns(draw):
    torch.manual_seed(0)
    unet, classifier = SingleTaskUNet(CONFIG), SingleTaskClassifier(CONFIG, 4)
    volumes, grids = volumes_of(STUDY), StreamGrids.of(STUDY, CONFIG.levels)
    getattr(unet, draw)(volumes, grids).square().mean().backward()
    classifier(volumes, grids).square().mean().backward()
    for network in (unet, classifier):
        for name, weight in network.named_parameters():
            assert weight.grad is not None and torch.isfinite(weight.grad).all(), name


def test_a_config_without_phi_keeps_its_sizes():
    bare = without_phi(CONFIG)
    assert bare.phi_channels == 0 and bare.channels == CONFIG.channels and CONFIG.phi_channels == 6
