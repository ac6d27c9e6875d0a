"""The regression on descriptors against torch's own minimum; the ROC's area against a literal count."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.errors import InputError
from sagittal.score.descriptors import Rated, Told
from sagittal.score.logistic import LogisticFit, auroc, describe_study


def data(n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    return x, rng.random(n) < 1 / (1 + np.exp(-(2 * x[:, 0] - x[:, 1] + 0.5)))


def test_it_is_the_minimum() -> None:
    x, y = data()
    fit = LogisticFit.of(x, y)
    w = torch.tensor(fit.weights, requires_grad=True)
    margin = torch.where(torch.tensor(y), 1.0, -1.0) * (torch.tensor(x) @ w[:-1] + w[-1])
    loss = torch.nn.functional.softplus(-margin).sum() + 0.5 * w[:-1].square().sum()
    [gradient] = torch.autograd.grad(loss, w)
    assert gradient.abs().max() < 1e-2
    assert fit.weights[0] > 0 > fit.weights[1]


def test_scores_of_what_is_separable() -> None:
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    y = np.array([False, False, True, True])
    found = LogisticFit.of(x, y).scores(x, y)
    assert found["accuracy"].value == found["auroc"].value == 1


def test_the_area_is_a_count_of_pairs() -> None:
    rng = np.random.default_rng(1)
    scores, positive = rng.integers(6, size=60) / 6, rng.random(60) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert auroc(scores, positive) == pytest.approx(np.mean(pairs))
    weights = rng.integers(0, 3, size=60)
    again = auroc(np.repeat(scores, weights), np.repeat(positive, weights))
    assert auroc(scores, positive, weights.astype(float)) == pytest.approx(again)


def test_one_kind_alone_is_refused() -> None:
    x, _ = data()
    with pytest.raises(InputError, match="Both kinds"):
        LogisticFit.of(x, np.ones(len(x), bool))


def test_a_study_is_described_by_shares_of_its_answers() -> None:
    def rated(n: int, volume: str) -> Rated:
        return Rated(str(n), "s", "ET", ("volume",), Told({"volume": (volume,)}))

    found = describe_study([rated(0, "<1%"), rated(1, "<1%"), rated(2, "1-5%"), rated(3, "1-5%")])
    assert sorted(found[found > 0]) == [0.5, 0.5]
    assert len(found) == len(describe_study([]))
    assert not describe_study([Rated("a", "s", "RC", ("volume",), Told({"volume": ("<1%",)}))]).any()
