"""How the segmenter of films learns: partly known places, and one batch by heart."""

from __future__ import annotations

import math

import numpy as np
import torch
from chest_ground import small_bank

from sagittal.nn.flat_unet import FlatUNet, FlatUNetConfig
from sagittal.train.chest_films import LEFT, LUNG, NO_LUNG, RIGHT
from sagittal.train.chest_segmenting import Ground, SegmenterTraining, Squares, organ_losses


def logits_of(chances: list[float]) -> torch.Tensor:
    return torch.tensor(chances).log()[None, :, None, None].expand(1, 4, 2, 2).contiguous()


def test_a_place_costs_what_its_classes_are_unlikely():
    logits = logits_of([0.1, 0.2, 0.3, 0.4])
    expected = {0: 0.1, 1: 0.2, LEFT: 0.3, RIGHT: 0.4, LUNG: 0.7, NO_LUNG: 0.3}
    for code, chance in expected.items():
        found = organ_losses(logits, torch.full((1, 2, 2), code))
        assert math.isclose(float(found["entropy"]), -math.log(chance), rel_tol=1e-5), code


def test_a_film_of_lungs_alone_says_nothing_of_its_heart():
    # Heart or nothing is the same to a place that is no lung.
    codes = torch.tensor([[[NO_LUNG, LUNG], [NO_LUNG, LEFT]]])
    one = torch.zeros(1, 4, 2, 2)
    other = one.clone()
    one[0, 0, :, 0], other[0, 1, :, 0] = 5.0, 5.0
    for name, value in organ_losses(one, codes).items():
        assert math.isclose(float(value), float(organ_losses(other, codes)[name]), rel_tol=1e-5), name
    assert float(organ_losses(one, codes)["heart"]) == 0


def test_right_and_sure_costs_next_to_nothing():
    codes = torch.tensor([[[0, 1], [2, 3]]])
    logits = 30 * torch.nn.functional.one_hot(codes, 4).movedim(-1, 1).float()
    found = organ_losses(logits, codes)
    assert all(abs(float(value)) < 1e-4 for value in found.values())


def ground(real: int) -> Ground:
    codes = torch.full((real, 64, 64), NO_LUNG, dtype=torch.uint8)
    codes[:, 10:50, 40:60], codes[:, 10:50, 4:24] = LEFT, RIGHT
    pixels = torch.randint(0, 255, (real, 64, 64), dtype=torch.uint8)
    return Ground(small_bank(), {"lungs": Squares(pixels, codes)} if real else {})


def test_batches_follow_from_their_numbers():
    network = FlatUNet(FlatUNetConfig(channels=(8,)))
    training = SegmenterTraining(network, ground(3), {}, 64, 4, 11)
    (films, codes), (again, same) = training.batch(5), training.batch(5)
    assert films.shape == (4, 1, 64, 64) and torch.equal(films, again) and torch.equal(codes, same)
    assert not torch.equal(training.batch(6)[0], films)
    kinds = {int(own.max()) == NO_LUNG for number in range(8) for own in training.batch(number)[1]}
    assert kinds == {True, False}
    alone = SegmenterTraining(network, ground(0), {}, 64, 4, 11)
    assert all(int(alone.batch(number)[1].max()) <= RIGHT for number in range(4))


def test_it_learns_one_batch_by_heart():
    torch.manual_seed(0)
    network = FlatUNet(FlatUNetConfig(channels=(16, 32, 32)))
    training = SegmenterTraining(network, ground(0), {}, 64, 2, 3)
    films, codes = training.batch(0)
    optimiser = torch.optim.AdamW(network.parameters(), 4e-3)
    first = None
    for _ in range(60):
        found = organ_losses(network(films), codes)
        first = float(found["loss"].detach()) if first is None else first
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
    assert first is not None and float(found["loss"].detach()) < 0.25 * first


def test_scores_are_dices_over_films_as_they_are():
    torch.manual_seed(0)
    network = FlatUNet(FlatUNetConfig(channels=(8,))).eval()
    bank = small_bank()
    held = Squares(
        torch.from_numpy(np.stack([bank.film(n) for n in range(2)])),
        torch.from_numpy(np.stack([bank.organ(n) for n in range(2)])),
    )
    with torch.no_grad():
        found = SegmenterTraining(network, ground(0), {"simulated": held}, 64, 2, 0).scores()
    assert set(found) == {"simulated lungs", "simulated heart", "score"}
    assert found["score"] == np.mean([found["simulated lungs"], found["simulated heart"]])
