"""The eyes: losses against literal ones, a change of task that forgets nothing, a patch learnt by heart."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from sagittal.models.voxelprompt import VoxelPromptConfig
from sagittal.models.voxelprompt.codebook import structure_codes
from sagittal.nn.phi import PhiMixing
from sagittal.nn.stream_unet import StreamUNetConfig
from sagittal.score.overlap import dice
from sagittal.train.patches import Patches
from sagittal.train.vision_losses import (
    EVERYTHING,
    NAMES,
    Eyes,
    _binary,
    _leaf_dice,
    everything_loss,
    pyramid_loss,
)
from sagittal.train.vision_scores import predicted, score, simulated_case
from sagittal.train.vision_set import VisionSet
from sagittal.train.vision_stages import mean_eyes

SIZES = StreamUNetConfig.model_validate({"channels": (8, 16), "phi_channels": 16, "attention": 8})


@pytest.fixture
def eyes() -> Eyes:
    torch.manual_seed(0)
    return Eyes(SIZES, 32)


def test_dice_of_leaves_is_the_literal_one() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = torch.randn(5, 4, 3, 2, generator=generator).softmax(dim=0)
    leaf = torch.randint(0, 4, (4, 3, 2), generator=generator)
    literal = []
    for n in range(5):
        target = (leaf == n).float()
        if target.any():
            literal.append((2 * (shares[n] * target).sum() + 1) / (shares[n].sum() + target.sum() + 1))
    torch.testing.assert_close(_leaf_dice(shares, leaf), 1 - torch.stack(literal).mean())


def test_an_empty_mask_asks_for_nothing_but_emptiness() -> None:
    logits, empty = torch.randn(2, 3, 3, 3), torch.zeros(2, 3, 3, 3)
    expected = functional.binary_cross_entropy_with_logits(logits, empty)
    torch.testing.assert_close(_binary(logits, empty), expected)
    assert float(_binary(torch.full_like(logits, -50), empty)) < 1e-6


def test_prompts_begin_with_what_was_learnt(studies: VisionSet, eyes: Eyes) -> None:
    """Without φ the features are those that everything was read from; each φ then changes them."""
    patch = Patches(studies, 0, 16, 2, asked=3)(1)
    with torch.no_grad():
        before = list(eyes._ascend(patch, [EVERYTHING]))[-1]
        eyes.begin_prompts()
        asked = list(eyes._ascend(patch, patch.asked))[-1]
        for module in eyes.generator.modules():
            if isinstance(module, PhiMixing):
                module._parts()[1].zero_()
        without = list(eyes._ascend(patch, patch.asked[:1]))[-1]
    torch.testing.assert_close(before, without, atol=1e-4, rtol=1e-4)
    assert not torch.equal(asked[0], asked[1]) and not torch.equal(asked[0], without[0])


def test_codes_begin_with_the_fixed_ones_and_learn(studies: VisionSet, eyes: Eyes) -> None:
    patch = Patches(studies, 0, 16, 2, asked=3)(1)
    fixed = structure_codes(patch.asked, SIZES.phi_channels)
    torch.testing.assert_close(eyes.phi(patch.asked), fixed)
    pyramid_loss(eyes, patch, (1, 3))["loss"].backward()
    assert eyes.codes.grad is not None
    moved = eyes.codes.grad.abs().sum(dim=1) > 0
    assert {name for name, m in zip(NAMES, moved, strict=True) if m} == set(patch.asked)


@pytest.mark.parametrize(
    "loss",
    [
        everything_loss,
        partial(pyramid_loss, counts=(2,)),
        partial(pyramid_loss, counts=(1, 2), everything=0.3),
    ],
)
def test_one_patch_is_learnt_by_heart(studies: VisionSet, eyes: Eyes, loss) -> None:  # type: ignore[no-untyped-def]
    patch = Patches(studies, 3, 12, 2, asked=2)(7)
    optimiser = torch.optim.Adam(eyes.parameters(), 5e-3)
    values = []
    for _ in range(25):
        terms = loss(eyes, patch)
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
        values.append(float(terms["loss"].detach()))
    assert values[-1] < 0.75 * values[0]


def test_pathologies_that_are_not_settled_teach_nothing(studies: VisionSet, eyes: Eyes) -> None:
    draw = Patches(studies, 1, 12, 2, asked=1)
    patch = next(p for p in map(draw, range(40)) if not p.settled.all())
    everything_loss(eyes, patch)["loss"].backward()
    grad = eyes.all_heads.weight.grad
    assert grad is not None
    rows = grad[-len(patch.settled) :]
    assert (rows[~patch.settled] == 0).all()
    assert not patch.settled.any() or (rows[patch.settled] != 0).any()


def test_scores_are_means_by_group(studies: VisionSet, eyes: Eyes) -> None:
    cases = [simulated_case(f"made-{n}", studies.load(n), ("brainstem", "hippocampus"), 2) for n in (0, 1)]
    for prompted in (False, True):
        found = score(eyes.eval(), cases, prompted=prompted)
        literal = [
            dice(predicted(eyes, c, prompted=prompted)["brainstem"], c.truth["brainstem"]) for c in cases
        ]
        assert found["made brainstem"] == pytest.approx(np.mean(literal))


def test_the_mean_of_stages_is_that_of_their_running_means(tmp_path: Path) -> None:
    sizes = VoxelPromptConfig.preset("tiny")
    kept = []
    for number, stage in enumerate(("first", "second")):
        torch.manual_seed(number)
        eyes = Eyes(sizes.vision, sizes.language.width)
        weights = [p for p in eyes.parameters() if p.requires_grad]
        # The weights that the loop ended at are not the mean of its last steps.
        mean = [p.detach() + number + 1 for p in weights]
        (tmp_path / stage).mkdir()
        torch.save({"module": eyes.state_dict(), "mean": mean}, tmp_path / stage / "last.pt")
        kept.append(mean)
    for stages in (("first",), ("second",), ("first", "second")):
        wanted = kept[:1] if stages == ("first",) else kept[1:] if stages == ("second",) else kept
        found = [p for p in mean_eyes(tmp_path, stages, sizes).parameters() if p.requires_grad]
        for weight, *others in zip(found, *wanted, strict=True):
            torch.testing.assert_close(weight.detach(), sum(others) / len(others))
