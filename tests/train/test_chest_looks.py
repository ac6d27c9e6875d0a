"""Films seen anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.models.chest.films import stretched
from sagittal.train.chest_looks import LookConfig, looks, maps, turned

STILL = LookConfig(turn=0.0, scale=(0.0, 0.0), move=0.0)


def picture(count: int = 3, edge: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((count, edge, edge))).float()


def test_looks_follow_from_the_seed():
    first, second = (looks(picture(), LookConfig(), np.random.default_rng(4)) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    other, _ = looks(picture(), LookConfig(), np.random.default_rng(5))
    assert not torch.equal(first[0], other)


@pytest.mark.parametrize("seed", range(6))
def test_films_stay_within_black_and_white(seed):
    films, shown = looks(picture(4), LookConfig(inverted=0.5), np.random.default_rng(seed))
    assert films.shape == (4, 64, 64) and shown.dtype == torch.bool
    assert float(films.min()) >= 0 and float(films.max()) <= 1 and bool(torch.isfinite(films).all())
    # Borders hide less than a fifth of a side.
    assert float(shown.float().mean()) > 0.6


def test_without_strength_a_film_gets_marks_and_borders_alone():
    config = LookConfig(strength=0.0, shadows=False, inverted=0.0)
    films, shown = looks(picture(8), config, np.random.default_rng(0))
    plain = stretched(picture(8))
    # Letters may lie anywhere, but never on most of a film.
    same = ((films - plain).abs() < 0.05)[shown].float().mean()
    assert float(same) > 0.8


def test_inverted_films_are_black_for_white():
    config = LookConfig(strength=0.0, shadows=False, inverted=1.0)
    plain = LookConfig(strength=0.0, shadows=False, inverted=0.0)
    turned_round, _ = looks(picture(), config, np.random.default_rng(1))
    films, _ = looks(picture(), plain, np.random.default_rng(1))
    assert torch.allclose(turned_round, 1 - films)


def test_a_map_that_is_still_changes_nothing_but_its_sides():
    theta = maps(5, STILL, np.random.default_rng(0))
    assert theta.shape == (5, 2, 3)
    sides = torch.stack([theta[:, 0, 0], theta[:, 1, 1]])
    assert float((sides.log().abs()).max()) <= 0.0601
    assert float(theta[:, :, 2].abs().max()) == 0 and float(theta[:, 0, 1].abs().max()) == 0
    still = torch.eye(2, 3)[None]
    assert torch.allclose(turned(picture(1)[:, None], still, 64)[:, 0], picture(1), atol=1e-5)


def test_labels_go_where_the_film_goes():
    film = torch.zeros(1, 1, 64, 64)
    film[:, :, 20:40, 10:30] = 1
    theta = maps(1, LookConfig(), np.random.default_rng(3))
    moved, labels = turned(film, theta, 64), turned(film, theta, 64, "nearest")
    assert bool(((moved > 0.5) == (labels > 0.5)).float().mean() > 0.98)
    assert not torch.equal(labels, film)
