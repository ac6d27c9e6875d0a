"""VILA-M3's sizes counted without memory, and conversations: read at once as they are spoken bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sagittal.models.decoding import GrowingContext
from sagittal.models.medplib.pictures import squared_pixels
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.chat import padded
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features, Round


def counted(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("published", "billions", "encoder"),
    [("3B", 2.70, 0.30), ("8B", 8.03, 0.30), ("13B", 13.02, 0.30), ("40B", 34.39, 5.54)],
)
def test_the_published_sizes(published, billions, encoder):
    with torch.device("meta"):
        model = VLM(vila_m3_config("paper", published=published))
    assert round(counted(model.language) / 1e9, 2) == billions
    assert round(counted(model.encoder) / 1e9, 2) == encoder
    assert model.config.tokens == (1_024 if published == "40B" else 729)


def test_the_projector_is_linear_and_everything_is_trained():
    model = VLM(vila_m3_config("small", 300))
    linears = [m for m in model.projector.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linears] == [(128, 192)]
    assert all(p.requires_grad for p in model.parameters()) and model.config.tokens == 64


@pytest.fixture(scope="module")
def model() -> VLM:
    torch.manual_seed(3)
    return VLM(vila_m3_config("tiny", 300)).eval()


SYSTEM, AGAIN, HEADER = [1, 3, 17, 18, 19, 4], [4], [5]
#: (picture?, words, reply) of each round.
TALKS = [
    [(True, [20, 21, 22], [30, 31, 2]), (True, [23, 24], [32, 2]), (False, [25], [33, 34, 35, 2])],
    [(True, [26], [36, 2])],
    [(False, [27, 28], [37, 38, 2]), (False, [29, 20, 21], [39, 2])],
]


def pictures(seed, rows):
    return torch.rand(rows, 1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def rounds_of(model: VLM) -> list[Round]:
    made = []
    for number in range(3):
        there = [talk[number] if number < len(talk) else None for talk in TALKS]
        present = torch.tensor([[one is not None and one[0]] for one in there])
        opening = [
            [] if one is None else SYSTEM + [90] * row if number == 0 else AGAIN
            for row, one in enumerate(there)
        ]
        made.append(
            Round(
                padded(opening), model.look(pictures(number, 3), present),
                padded([one[1] if one else [] for one in there]),
                padded([HEADER if one else [] for one in there]),
                padded([one[2] if one else [] for one in there]),
            )
        )  # fmt: skip
    return made


@torch.no_grad()
def alone(model: VLM, row: int) -> list[torch.Tensor]:
    """Logits of each reply's tokens, one row by itself, piece after piece."""
    context = GrowingContext(model.language)
    found = []
    for number, (seen, words, reply) in enumerate(TALKS[row]):
        context.append_tokens(torch.tensor([SYSTEM + [90] * row if number == 0 else AGAIN]))
        features = None
        if seen:
            features = model.look(pictures(number, 3)[row : row + 1], torch.ones(1, 1, dtype=torch.bool))
        model.hear_round(context, features, padded([words]), padded([HEADER]))
        logits = []
        for token in reply:
            logits.append(context.next_logits[0])
            context.append_tokens(torch.tensor([[token]]))
        found.append(torch.stack(logits))
    return found


def test_a_batch_of_conversations_is_read_as_each_is_spoken(model):
    with torch.no_grad():
        together = model.follow(rounds_of(model))
    for row, talk in enumerate(TALKS):
        for number, expected in enumerate(alone(model, row)):
            assert len(expected) == len(talk[number][2])
            torch.testing.assert_close(together[number][row, : len(expected)], expected, atol=1e-5, rtol=1e-4)


def test_a_prompt_that_all_share_is_read_once_and_learnt_from_by_all(model):
    def rounds(opening):
        words = padded([[20, 21], [22, 23]])
        seen = model.look(pictures(1, 2), torch.ones(2, 1, dtype=torch.bool))
        return [Round(padded(opening), seen, words, padded([HEADER] * 2), padded([[30, 2], [31, 2]]))]

    briefed = torch.tensor([SYSTEM])
    [shared] = model.follow(rounds([[], []]), briefed)
    [apart] = model.follow(rounds([SYSTEM, SYSTEM]))
    torch.testing.assert_close(shared, apart, atol=1e-5, rtol=1e-4)
    weight = model.language.get_input_embeddings().weight
    [one] = torch.autograd.grad(shared[..., 30].sum(), [weight])
    [other] = torch.autograd.grad(apart[..., 30].sum(), [weight])
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_a_picture_changes_what_follows_it_and_nothing_before(model):
    rounds = rounds_of(model)
    with torch.no_grad():
        before = model.follow(rounds)
        features = rounds[1].features
        changed = Features(features.tokens + 1, features.cls, features.present)
        rounds[1] = Round(rounds[1].opening, changed, rounds[1].words, rounds[1].header, rounds[1].reply)
        after = model.follow(rounds)
    torch.testing.assert_close(before[0], after[0])
    assert not torch.allclose(before[1][0], after[1][0])
    # Rows without that picture do not change.
    torch.testing.assert_close(before[1][2, :2], after[1][2, :2], atol=1e-5, rtol=1e-4)


def test_a_shared_prefix_is_read_once(model):
    prefix = GrowingContext(model.language)
    prefix.append_tokens(torch.tensor([SYSTEM * 20]))
    counts = []
    for _ in range(2):
        context = prefix.fork()
        model.hear_round(context, None, padded([[20, 21]]), padded([HEADER]))
        counts.append(context.computed - prefix.computed)
    assert counts == [3, 3] and prefix.computed == len(SYSTEM) * 20


def test_a_picture_as_it_is_shown_keeps_rows_and_colours():
    pixels = np.full((32, 32, 3), 255, np.uint8)
    pixels[4:12, 16:28] = (213, 94, 0)
    found = squared_pixels(pixels, 32)
    assert found.shape == (3, 32, 32) and found[:, 8, 22].tolist() == [213, 94, 0]
    assert int(found[:, 22, 8].min()) == 255
