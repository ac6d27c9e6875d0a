"""Copying: a model that repeats what stood before has no loss, and one that does not has all of it."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from sagittal.train.copying import CopyTraining


class Reader(torch.nn.Module):
    """Says the token that followed the last one where it stood before, or nothing in particular."""

    def __init__(self, reads):
        super().__init__()
        self.config, self.reads, self.shapes = SimpleNamespace(vocab_size=500), reads, set()

    def forward(self, input_ids):
        rows, length = input_ids.shape
        self.shapes.add((rows, length))
        assert torch.equal(input_ids[:, : length // 2], input_ids[:, length // 2 :])
        logits = torch.zeros(rows, length, 500)
        if self.reads:
            following = input_ids.roll(-length // 2 - 1, 1)
            logits.scatter_(2, following[..., None], 50.0)
        return SimpleNamespace(logits=logits)


@pytest.mark.parametrize(("reads", "loss"), [(True, 0.0), (False, math.log(500))])
def test_only_what_stood_before_is_asked_for(reads, loss):
    model = Reader(reads)
    training = CopyTraining(model, seed=1, shortest=4, longest=9, tokens=200)
    for number in range(12):
        assert float(training.loss(number)["loss"]) == pytest.approx(loss, abs=1e-5)
    assert training.scores()["val loss"] == pytest.approx(loss, abs=1e-5)
    assert {length // 2 for _, length in model.shapes} == {4, 5, 6, 7, 8, 9}
    assert all(rows * length <= 200 for rows, length in model.shapes)


def test_a_batch_follows_from_its_number_alone():
    words = torch.nn.Embedding(500, 500)

    class Speaker:
        config = SimpleNamespace(vocab_size=500)

        def __call__(self, input_ids):
            return SimpleNamespace(logits=words(input_ids))

    training = CopyTraining(Speaker(), seed=3)
    one, again, other = (float(training.loss(n)["loss"].detach()) for n in (5, 5, 6))
    assert one == again != other
