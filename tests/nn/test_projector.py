"""The mixture of experts against Eq. 1 taken literally, and what must hold of it."""

from __future__ import annotations

import pytest
import torch

from sagittal.errors import ConfigError, InputError
from sagittal.nn.projector import HierarchicalProjector

M, N, WIDTH, QUESTION, OUT = 3, 5, 6, 7, 8


def made(blocks=(2, 3), gate="softmax") -> HierarchicalProjector:
    torch.manual_seed(0)
    return HierarchicalProjector(M, WIDTH, QUESTION, OUT, blocks, gate).double()


def given(batch: int):
    generator = torch.Generator().manual_seed(batch)
    shapes = ((batch, M, N, WIDTH), (batch, M, WIDTH), (batch, QUESTION))
    return [torch.randn(*s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def router(routers, block: int, x):
    """Linear–ReLU–Linear of one block."""
    hidden = (routers.first[block] @ x + routers.first_bias[block]).relu()
    return routers.second[block] @ hidden + routers.bias[block]


def weights(logits, gate: str, present):
    """α and β of one block; experts of missing modalities are not there."""
    both = [i for i in range(2 * M) if present[i % M]]
    chosen = logits[both].softmax(dim=0) if gate == "softmax" else logits[both].sigmoid()
    found = dict(zip(both, chosen, strict=True))
    zero = logits.new_zeros(())
    return [found.get(m, zero) for m in range(M)], [found.get(M + m, zero) for m in range(M)]


def literal(projector, tokens, cls, question, present, of=range(M)):
    """Eq. 1, block by block, modality by modality, token by token."""
    levels = projector.blocks
    rows = []
    for b in range(len(tokens)):
        there = [bool(p) for p in present[b]]
        keep = torch.tensor(there, dtype=torch.float64)
        v, c = tokens[b] * keep[:, None, None], cls[b] * keep[:, None]
        pi = router(projector.high, 0, question[b]).softmax(dim=0)
        row = []
        for i in range(N):
            total = tokens.new_zeros(OUT)
            for h in range(sum(levels)):
                coarse = h < levels[0]
                block = h if coarse else h - levels[0]
                routers = projector.modality_routers if coarse else projector.token_routers
                experts = projector.modality_experts if coarse else projector.token_experts
                looked_at = torch.cat(list(c if coarse else v[:, i]))
                alpha, beta = weights(router(routers, block, looked_at), projector.gate, there)
                for m in of:
                    own = experts.specific[block, :, m] @ v[m, i] + experts.specific_bias[block, m]
                    shared = experts.shared[:, block] @ v[m, i] + experts.shared_bias[block]
                    total = total + pi[h] * (alpha[m] * own + beta[m] * shared)
            row.append(total)
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("blocks", [(2, 3), (2, 0), (0, 3)])
def test_it_is_equation_1(batch, missing, gate, blocks):
    projector, inputs = made(blocks, gate), given(batch)
    present = torch.ones(batch, M, dtype=torch.bool)
    if missing:
        present[0, 1] = present[-1, 2] = False
    found = projector(*inputs, present).embeddings
    wanted = literal(projector, *inputs, present)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    learnt = [*inputs, *projector.parameters()]
    pull = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours = torch.autograd.grad((found * pull).sum(), learnt, allow_unused=True)
    theirs = torch.autograd.grad((wanted * pull).sum(), learnt, allow_unused=True)
    for one, other, x in zip(ours, theirs, learnt, strict=True):
        zero = torch.zeros_like(x)
        torch.testing.assert_close(zero if one is None else one, zero if other is None else other)


def test_flattened_each_modality_has_embeddings_of_its_own():
    inputs, present = given(2), torch.tensor([[True, True, True], [True, False, True]])
    torch.manual_seed(0)
    projector = HierarchicalProjector(M, WIDTH, QUESTION, OUT, (2, 3), flattened=True).double()
    found = projector(*inputs, present)
    assert found.real.tolist() == [[bool(p) for p in row for _ in range(N)] for row in present]
    wanted = torch.cat([literal(projector, *inputs, present, [m]) for m in range(M)], dim=1)
    torch.testing.assert_close(found.embeddings, wanted)
    learnt = [*inputs, *projector.parameters()]
    ours, theirs = (torch.autograd.grad(x.square().sum(), learnt) for x in (found.embeddings, wanted))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_single_precision_is_near():
    projector, inputs = made(), [x.detach() for x in given(2)]
    wanted = literal(projector, *inputs, torch.ones(2, M))
    found = projector.float()(*(x.float() for x in inputs)).embeddings
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5)


def test_weights_of_a_block_sum_to_one_whatever_is_missing():
    present = torch.tensor([[True, True, True], [False, True, False]])
    routing = made()(*given(2), present).routing
    torch.testing.assert_close(routing.high.sum(dim=1), torch.ones(2, dtype=torch.float64))
    for low in (routing.by_modality, routing.by_token):
        sums = low.flatten(-2).sum(dim=-1)
        torch.testing.assert_close(sums, torch.ones_like(sums))
        assert not low[1][..., [0, 2]].any()


def test_what_is_missing_is_not_looked_at():
    projector, (tokens, cls, question) = made(), (x.detach() for x in given(1))
    present = torch.tensor([[True, False, True]])
    found = projector(tokens, cls, question, present).embeddings
    for value in (1e6, float("nan"), float("inf")):
        tokens[:, 1] = cls[:, 1] = value
        torch.testing.assert_close(projector(tokens, cls, question, present).embeddings, found)


def test_rows_of_a_batch_know_nothing_of_each_other():
    projector, inputs = made(), [x.detach() for x in given(4)]
    whole = projector(*inputs)
    assert whole.real.all() and whole.real.shape == whole.embeddings.shape[:2]
    for row in range(4):
        alone = projector(*(x[row : row + 1] for x in inputs))
        torch.testing.assert_close(alone.embeddings[0], whole.embeddings[row])


@pytest.mark.parametrize("flattened", [False, True])
def test_what_is_kept_for_gradients_is_small(flattened):
    """All of it together is less than blocks × modalities × tokens × width."""
    batch, modalities, many, width, blocks = 2, 6, 40, 256, 4
    projector = HierarchicalProjector(modalities, width, QUESTION, OUT, (0, blocks), flattened=flattened)
    kept: dict[int, int] = {}

    def note(x):
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes() // x.element_size()
        return x

    inputs = [torch.randn(batch, modalities, many, width), torch.randn(batch, modalities, width)]
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        projector(*inputs, torch.randn(batch, QUESTION))
    own = {p.data_ptr() for p in projector.parameters()}
    held = sum(size for place, size in kept.items() if place not in own)
    assert 0 < held < batch * blocks * modalities * many * width


@pytest.mark.parametrize(
    "change",
    [
        lambda t, c, p: (t[:, :2], c, p),
        lambda t, c, p: (t, c[:, :2], p),
        lambda t, c, p: (t, c, p[:, :2]),
        lambda t, c, p: (t, c, torch.zeros_like(p)),
    ],
)
def test_what_does_not_fit_is_refused(change):
    tokens, cls, question = given(2)
    tokens, cls, present = change(tokens, cls, torch.ones(2, M, dtype=torch.bool))
    with pytest.raises(InputError):
        made()(tokens, cls, question, present)


@pytest.mark.parametrize(("modalities", "blocks"), [(0, (1, 1)), (2, (0, 0)), (2, (-1, 2))])
def test_a_mixture_without_experts_is_refused(modalities, blocks):
    with pytest.raises(ConfigError):
        HierarchicalProjector(modalities, 4, 4, 4, blocks)
