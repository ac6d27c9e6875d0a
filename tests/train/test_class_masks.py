"""Encoder and mask decoder learn to draw the class of a prompt."""

from __future__ import annotations

import numpy as np
import torch

from marked_pictures import tiny, toys, words
from sagittal.train.class_masks import ClassMasks, ClassMaskTraining
from sagittal.train.picture_views import Squares, classes_of

CLASSES = classes_of(toys())


def module() -> ClassMasks:
    torch.manual_seed(0)
    pixels = tiny(words()).pixels
    assert pixels is not None
    return ClassMasks(pixels, len(CLASSES)).train()


def test_a_picture_with_two_classes_can_be_learnt_by_heart() -> None:
    made = module()
    images = torch.zeros(1, 3, 32, 32)
    codes = torch.zeros(1, 32, 32, dtype=torch.long)
    codes[0, 4:14, 4:14], codes[0, 18:28, 16:30] = 1, 3
    images += codes[:, None] / 4
    optimiser = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(80):
        optimiser.zero_grad()
        terms = made.losses(images, codes, np.random.default_rng(0))
        terms["loss"].backward()
        optimiser.step()
        losses.append(float(terms["dice"].detach()))
    assert losses[-1] < 0.2 < losses[0]


def test_classes_that_are_not_there_are_not_asked_for() -> None:
    made = module()
    codes = torch.zeros(2, 32, 32, dtype=torch.long)
    codes[0, :4], codes[1, 4:9] = 2, 1
    made.losses(torch.rand(2, 3, 32, 32), codes, np.random.default_rng(0))["loss"].backward()
    touched = made.prompts.weight.grad.abs().sum(dim=1).nonzero().flatten().tolist()
    assert touched == [0, 1]


def test_batches_follow_from_their_numbers() -> None:
    made = module()
    squares = Squares.make([p for p in toys() if p.facts.classes], CLASSES, 48)
    training = ClassMaskTraining(made, squares, squares, 3, seed=1)
    training._probability = np.full(len(squares), 1 / len(squares))
    first, again, other = (float(training.loss(n)["loss"].detach()) for n in (5, 5, 6))
    assert first == again != other
    with torch.no_grad():
        assert training.scores()["score"] == -training.scores()["val loss"]
