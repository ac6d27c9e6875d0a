"""How findings are learnt: what is not known costs nothing, and one batch is learnt by heart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from chest_ground import small_bank

from sagittal.io.films.names import FINDINGS
from sagittal.models.chest.network import FindingsNetwork
from sagittal.nn.vit import ViTConfig
from sagittal.train.chest_reading import (
    Facts,
    ReadingTraining,
    _boxes,
    patch_truth,
    reading_losses,
    simulated_films,
    told_of,
)

TINY = ViTConfig(size=(56, 56), patch=(14, 14), channels=1, width=32, layers=2, heads=2, feed_forward=64)


def network() -> FindingsNetwork:
    torch.manual_seed(0)
    return FindingsNetwork(TINY)


def test_boxes_hold_their_masks_as_shares_of_the_square():
    masks = torch.zeros(1, 3, 20, 20)
    masks[0, 0, 4:10, 6:16] = 1
    masks[0, 1, 0, 0] = 1
    boxes, seen = _boxes(masks)
    assert boxes[0, 0].tolist() == pytest.approx([6 / 20, 4 / 20, 16 / 20, 10 / 20])
    # One pixel in four hundred is not seen well enough.
    assert seen.tolist() == [[True, False, False]]


def test_lung_opacity_shows_wherever_a_kind_of_it_does():
    bank = small_bank()
    films = simulated_films(bank, range(len(bank)))
    opacity = (films.bits >> FINDINGS.index("Lung Opacity")) & 1
    for name in ("Consolidation", "Nodule", "Atelectasis"):
        other = (films.bits >> FINDINGS.index(name)) & 1
        assert not bool((other & ~opacity & 1).any())
    labels = films.facts.findings
    assert labels.shape == (len(bank), 10) and set(labels.unique().tolist()) <= {0, 1}


def unknown(count: int) -> Facts:
    none = torch.full((count,), -1)
    no = torch.zeros(count, dtype=torch.bool)
    return Facts(torch.full((count, 10), -1).int(), none, none, none, torch.full((count,), torch.nan), no, no)


def test_what_is_not_known_costs_nothing():
    told = network()(torch.rand(2, 1, 56, 56))
    bits = torch.zeros(2, 56, 56, dtype=torch.int32)
    codes = torch.ones_like(bits)
    assert float(reading_losses(told, codes, bits, unknown(2), 14)["loss"].detach()) == 0


def test_one_label_costs_its_own_cross_entropy():
    told = network()(torch.rand(2, 1, 56, 56))
    facts = unknown(2)
    facts.findings[1, 4] = 1
    found = reading_losses(told, torch.zeros(2, 56, 56), torch.zeros(2, 56, 56).int(), facts, 14)
    expected = 2 * torch.nn.functional.softplus(-told.findings[1, 4])
    assert float(found["loss"].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_batches_follow_from_their_numbers_and_mix_real_films_in():
    bank = small_bank()
    real = simulated_films(bank, range(3))
    real.facts.oedema[:] = -1
    training = ReadingTraining(network(), bank, real, {}, 4, 5)
    first, again = training.batch(2), training.batch(2)
    assert first[0].shape == (4, 1, 56, 56)
    assert all(torch.equal(a, b) for a, b in zip(first[:3], again[:3], strict=True))
    graded = [int((training.batch(n)[3].oedema < 0).sum()) for n in range(12)]
    assert 0 < sum(graded) < 48


def test_it_learns_one_batch_by_heart():
    bank = small_bank()
    own = network()
    training = ReadingTraining(own, bank, None, {}, 4, 0)
    films, codes, bits, facts = training.batch(0)
    optimiser = torch.optim.AdamW(own.parameters(), 3e-3)
    losses = []
    for _ in range(150):
        found = reading_losses(own(films), codes, bits, facts, 14)
        losses.append(float(found["loss"].detach()))
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
    assert losses[-1] < 0.4 * losses[0]


def test_scores_rank_findings():
    bank = small_bank()
    films = simulated_films(bank, range(len(bank)))
    own = network().eval()
    told = told_of(own, films, batch=4)
    assert told["findings"].shape == (len(bank), 10) and told["places"].shape == (len(bank), 4, 4, 10)
    found = ReadingTraining(own, bank, None, {"simulated": films}, 2, 0).scores()
    assert 0 <= found["score"] <= 1 and np.isclose(found["score"], found["simulated auroc"])


def test_a_patch_knows_what_lies_in_it():
    codes, bits = torch.zeros(1, 28, 28, dtype=torch.int32), torch.zeros(1, 28, 28, dtype=torch.int32)
    codes[0, :14, :7] = 3
    bits[0, 14:, 14:16] = 1 << 9
    bits[0, 0, 14] = 1 << 9
    organs, shares, places = patch_truth(codes, bits, 14)
    assert organs.shape == (1, 3, 28, 28) and float(organs.sum()) == 14 * 7
    assert shares[0, 0, 0].tolist() == [0, 0, 0.5] and float(shares.sum()) == 0.5
    # Two columns of fourteen are enough, one pixel is not.
    assert places[0, 1, 1].tolist() == [0] * 9 + [1] and float(places.sum()) == 1
