"""MedPLIB's loss (Eq. 5): words token by token, masks one by one, each by its weight."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from marked_pictures import stream_of, tiny, words
from sagittal.runtime import autocast
from sagittal.train.medplib import MedPLIBTraining, mask_losses
from sagittal.train.picture_questions import Kind
from sagittal.train.stages import enter, medplib_stages

TOKENIZER = words()
WEIGHTS = medplib_stages().weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def training(folder: Path, *kinds: Kind, checks: int = 2) -> MedPLIBTraining:
    model = tiny(TOKENIZER)
    drawn = "grounding" in kinds
    streams = [
        stream_of(model, TOKENIZER, folder, kinds=dict.fromkeys(kinds, 1.0), drawn=drawn, seed=seed)
        for seed in (3, 4)
    ]
    return MedPLIBTraining(model, *streams, WEIGHTS, checks)


def test_masks_are_judged_one_by_one() -> None:
    """Against loops over masks and pixels."""
    random = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(5, 12, 12, generator=random)
    truth = (
        torch.rand(5, 12, 12, generator=random) < torch.tensor([0, 0.02, 0.3, 0.8, 1])[:, None, None]
    ).float()
    found = mask_losses(logits, truth)
    bce, dice = [], []
    for own, true in zip(logits.tolist(), truth.tolist(), strict=True):
        p = [[1 / (1 + math.exp(-v)) for v in row] for row in own]
        pairs = [(a, t) for ps, ts in zip(p, true, strict=True) for a, t in zip(ps, ts, strict=True)]
        bce.append(-np.mean([math.log(a) if t else math.log(1 - a) for a, t in pairs]))
        overlap, total = sum(a * t for a, t in pairs), sum(a + t for a, t in pairs)
        dice.append((2 * overlap + 1) / (total + 1))
    assert float(found["bce"]) == pytest.approx(np.mean(bce), rel=1e-5)
    assert float(found["dice"]) == pytest.approx(1 - np.mean(dice), rel=1e-5)


def test_a_small_mask_counts_as_much_as_a_large_one() -> None:
    truth = torch.zeros(2, 16, 16)
    truth[0, :2, :2], truth[1, :12] = 1, 1
    sure = 40 * (truth - 0.5)
    for wrong in (0, 1):
        logits = sure.clone()
        logits[wrong] = -20
        missed = float(truth[wrong].sum())
        found = mask_losses(logits, truth)
        assert float(found["dice"]) == pytest.approx((1 - 1 / (missed + 1)) / 2, abs=1e-4)
        assert float(found["bce"]) == pytest.approx(20 * missed / 256 / 2, rel=1e-4)
    found = mask_losses(sure, truth)
    assert float(found["dice"]) < 1e-6 and float(found["bce"]) < 1e-6


def test_coarser_masks_are_judged_on_the_pixels_of_the_truth() -> None:
    truth = torch.ones(1, 8, 8)
    found = mask_losses(torch.full((1, 4, 4), 2.0), truth)
    p = 1 / (1 + math.exp(-2))
    assert float(found["bce"]) == pytest.approx(-math.log(p), rel=1e-5)
    assert float(found["dice"]) == pytest.approx(1 - (2 * 64 * p + 1) / (64 * p + 65), rel=1e-5)
    # No half pixel is lost: a mirrored answer is judged as its mirror image.
    logits = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    truth[:, :, :3] = 0
    one, other = mask_losses(logits, truth), mask_losses(logits.flip(2), truth.flip(2))
    torch.testing.assert_close(one, other)


def test_masks_that_are_not_as_many_as_the_truth_are_refused() -> None:
    with pytest.raises(AssertionError):
        mask_losses(torch.zeros(1, 4, 4), torch.zeros(2, 4, 4))


@torch.no_grad()
def test_the_loss_is_the_weighted_sum_of_equation_five(folder: Path) -> None:
    made = training(folder, "grounding", "closed")
    for number in range(3):
        found = made.loss(number)
        wanted = sum(
            weight * float(found[name])
            for name, weight in {"text": 1.0, "bce": 2.0, "dice": 0.5}.items()
            if name in found
        )
        assert float(found["loss"]) == pytest.approx(wanted, rel=1e-5)
        assert ("bce" in found) == ("dice" in found) == bool(len(made.training(number).masks))


@torch.no_grad()
def test_words_are_judged_token_by_token_and_padding_not_at_all(folder: Path) -> None:
    made = training(folder, "closed", "category")
    batch = made.training(0)
    found = made.loss(0)
    assert set(found) == {"loss", "text"} and batch.turn.pixels is None
    with autocast():
        out = made.model(batch.turn)
    logs = out.logits.float().log_softmax(-1)
    terms = [
        -float(logs[row, at, int(token)])
        for row, (ids, real) in enumerate(zip(batch.turn.answer.ids, batch.turn.answer.real, strict=True))
        for at, token in enumerate(ids) if bool(real[at])
    ]  # fmt: skip
    assert len(terms) < batch.turn.answer.ids.numel()
    assert float(found["text"]) == pytest.approx(np.mean(terms), rel=1e-4)


@torch.no_grad()
def test_scores_are_means_over_the_same_batches_every_time(folder: Path) -> None:
    made = training(folder, "grounding", "category", checks=3)
    one, other = made.scores(), made.scores()
    assert one == other and one["score"] == -one["val loss"]
    losses = [float(made._losses(made.validation(number))["loss"]) for number in range(3)]
    assert one["val loss"] == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("name", ["recognition", "grounding"])
def test_a_stage_learns_a_batch(folder: Path, name: str) -> None:
    made = training(folder, *(("grounding",) if name == "grounding" else ("category", "closed")))
    made.model.train()
    enter(medplib_stages().stages[name], made.model)
    before = {n: p.detach().clone() for n, p in made.model.named_parameters() if not p.requires_grad}
    learner = torch.optim.Adam([p for p in made.model.parameters() if p.requires_grad], 5e-3)
    losses = []
    for _ in range(20):
        learner.zero_grad()
        terms = made.loss(1)
        terms["loss"].backward()
        learner.step()
        losses.append({key: float(value.detach()) for key, value in terms.items()})
    assert losses[-1]["loss"] < 0.9 * losses[0]["loss"] and losses[-1]["text"] < losses[0]["text"]
    for parameter, value in made.model.named_parameters():
        assert parameter not in before or torch.equal(value, before[parameter])
