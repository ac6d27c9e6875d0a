"""One projection for all modalities: literally, with modalities missing, and in each way of fusing them."""

from __future__ import annotations

import pytest
import torch

from sagittal.errors import InputError
from sagittal.nn.shared_projector import SharedProjector

M, N, WIDTH, OUT = 3, 4, 5, 6
FUSIONS = ("concatenation", "sum", "weighted")


def made(fusion, layers=1):
    torch.manual_seed(0)
    projector = SharedProjector(M, WIDTH, OUT, fusion, layers).double()
    if projector.weights is not None:
        torch.nn.init.normal_(projector.weights)
    return projector


def given(batch=2):
    generator = torch.Generator().manual_seed(1)
    shapes = ((batch, M, N, WIDTH), (batch, M, WIDTH), (batch, 7))
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_it_is_what_it_says(fusion, layers):
    projector, (tokens, cls, question) = made(fusion, layers), given()
    present = torch.tensor([[True, True, True], [True, False, True]])
    found = projector(tokens, cls, question, present)
    for b in range(2):
        there = [m for m in range(M) if present[b, m]]
        each = {m: projector.project(tokens[b, m]) for m in there}
        if fusion == "concatenation":
            wanted = torch.cat([each[m] for m in there])
            assert found.embeddings.shape[1] == M * N
        else:
            assert found.real.all() and found.embeddings.shape[1] == N
            weights = torch.ones(len(there), dtype=torch.float64)
            if fusion == "weighted":
                weights = projector.weights[there].exp() / projector.weights[there].exp().sum()
            wanted = sum(w * each[m] for w, m in zip(weights, there, strict=True))
        torch.testing.assert_close(found.embeddings[b][found.real[b]], wanted)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_is_missing_is_not_looked_at(fusion):
    projector, (tokens, cls, question) = made(fusion), given(1)
    present = torch.tensor([[False, True, True]])
    found = projector(tokens, cls, question, present)
    tokens[:, 0] = float("nan")
    again = projector(tokens, cls, question, present)
    torch.testing.assert_close(again.embeddings, found.embeddings)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_study_without_images_is_refused(fusion):
    with pytest.raises(InputError):
        made(fusion)(*given(), torch.zeros(2, M))
