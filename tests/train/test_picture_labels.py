"""What the encoders of pictures learn first: truths lie where they belong, and a batch can be learnt."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from marked_pictures import tiny, toys, words
from sagittal.nn.vit import Seen
from sagittal.train.picture_labels import (
    KINDS,
    PLANES,
    Labelled,
    PictureLabelTraining,
    PixelLabels,
    PointLabels,
    _points,
)
from sagittal.train.picture_views import Squares, classes_of, plain

EDGE = 32
CLASSES = classes_of(toys())


def squares() -> Squares:
    return Squares.make(toys()[:4], CLASSES, EDGE)


def batch() -> Labelled:
    own = squares()
    images, marks = plain(own.pixels, own.marks, EDGE)
    facts = [p.facts for p in own.pictures]
    return Labelled(
        images, own.labels(torch.arange(len(own)), marks),
        torch.tensor([KINDS.index(f.kind) for f in facts]),
        torch.tensor([PLANES.index(f.orientation) for f in facts]),
    )  # fmt: skip


def module(kind: str) -> PointLabels | PixelLabels:
    model = tiny(words()).train()
    torch.manual_seed(1)
    return PointLabels(model, len(CLASSES)) if kind == "points" else PixelLabels(model.pixels, len(CLASSES))


class Told(nn.Module):
    """An encoder that sees the truth: at each pixel, which class it is."""

    def __init__(self, codes: Tensor, turned: bool = False) -> None:
        super().__init__()
        self.config = SimpleNamespace(grid=(EDGE, EDGE))
        held = 30 * nn.functional.one_hot(codes, len(CLASSES) + 1).float()
        self.tokens = held.transpose(1, 2) if turned else held

    def forward(self, images: Tensor) -> Seen:
        return Seen(self.tokens.flatten(1, 2).mean(dim=1), self.tokens)


class Within(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[..., 1:] - 15


def knowing(own: Labelled, turned: bool = False) -> dict[str, Tensor]:
    made = module("points")
    made.encoder, made.at_point, made.within, made.pooling = (
        Told(own.codes, turned),
        nn.Identity(),
        Within(),
        1,
    )
    made.whole = nn.Linear(len(CLASSES) + 1, len(KINDS) + len(PLANES))
    return made.losses(own, torch.Generator().manual_seed(0))


def test_points_are_asked_where_the_features_are() -> None:
    found = knowing(batch())
    assert float(found["points"]) < 1e-4 and float(found["right"]) == 1 and float(found["within"]) < 1e-4
    # Rows taken for columns would be seen.
    swapped = knowing(batch(), turned=True)
    assert float(swapped["points"]) > 1 and float(swapped["right"]) < 0.7


@torch.no_grad()
def test_the_loss_is_the_sum_of_its_terms() -> None:
    own = batch()
    found = module("points").losses(own, torch.Generator().manual_seed(0))
    terms = sum(float(found[name]) for name in ("points", "within", "kinds", "planes"))
    assert float(found["loss"]) == pytest.approx(terms, rel=1e-5) and 0 <= float(found["right"]) <= 1
    found = module("pixels").losses(own, torch.Generator())
    assert float(found["loss"]) == pytest.approx(float(found["entropy"] + 0.5 * found["outside"]), rel=1e-5)


def test_pixels_are_scored_class_by_class() -> None:
    """Against loops: cross-entropy of each pixel, Dice of each class that a picture shows."""
    own, made = batch(), module("pixels")
    logits = torch.randn(4, len(CLASSES) + 1, EDGE, EDGE, generator=torch.Generator().manual_seed(2))
    made.pixels.look = lambda images: logits
    made.enlarge = nn.Identity()
    found = made.losses(own, torch.Generator())
    p, codes = logits.softmax(1).numpy(), own.codes.numpy()
    entropy = -np.mean([
        np.log(p[b, codes[b, y, x], y, x]) for b in range(4) for y in range(EDGE) for x in range(EDGE)
    ])  # fmt: skip
    dices = [
        2 * p[b, c][codes[b] == c].sum() / (p[b, c].sum() + (codes[b] == c).sum())
        for b in range(4) for c in range(1, len(CLASSES) + 1) if (codes[b] == c).any()
    ]  # fmt: skip
    assert len(dices) == 2 + 2 + 3 + 1
    assert float(found["entropy"]) == pytest.approx(entropy, rel=1e-4)
    assert float(found["outside"]) == pytest.approx(1 - np.mean(dices), rel=1e-4)


@pytest.mark.parametrize("kind", ["points", "pixels"])
def test_a_batch_can_be_learnt_by_heart(kind: str) -> None:
    made, own = module(kind), batch()
    learner = torch.optim.Adam(made.parameters(), 4e-3)
    losses = []
    for _ in range(40):
        learner.zero_grad()
        loss = made.losses(own, torch.Generator().manual_seed(0))["loss"]
        loss.backward()
        learner.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0] and all(np.isfinite(losses))


def test_small_classes_are_asked_for_more_often_than_by_their_size() -> None:
    """By the root of their size: of classes of 900 and of 100 parts, 3 to 1."""
    codes = torch.zeros(3, 200, 200, dtype=torch.long)
    codes[0, :20], codes[1, :50], codes[1, 50:75] = 1, 1, 2
    places = _points(codes, torch.Generator().manual_seed(0))
    assert all(len(set(row.tolist())) == 1_024 for row in places)
    drawn = [np.bincount(c.flatten()[p], minlength=3) / 1_024 for c, p in zip(codes, places, strict=True)]
    assert drawn[0][1] == pytest.approx(1 / (1 + 3), abs=0.04)
    roots = np.sqrt([0.625, 0.25, 0.125])
    np.testing.assert_allclose(drawn[1], roots / roots.sum(), atol=0.04)
    assert drawn[2][0] == 1


def test_batches_and_scores_follow_from_their_numbers() -> None:
    made = module("points").eval()
    with torch.no_grad():
        runs = [PictureLabelTraining(made, squares(), squares(), 3, seed) for seed in (5, 5, 6)]
        first = [float(run.loss(2)["loss"]) for run in runs]
        assert first[0] == first[1] != first[2] and float(runs[0].loss(3)["loss"]) != first[0]
        assert float(runs[0].loss(2)["loss"]) == first[0]
        scores = [run.scores() for run in runs]
    assert scores[0] == scores[1] == scores[2] and scores[0]["score"] == -scores[0]["val loss"]
    assert {"val points", "val within", "val kinds", "val planes", "val right"} <= set(scores[0])
