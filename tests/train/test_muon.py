"""Our Muon against torch's, and against what orthogonal means."""

from __future__ import annotations

from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from sagittal.runtime import fastest_precision  # noqa: E402
from sagittal.train.muon import Muon, orthogonal  # noqa: E402

SHAPES = ((12, 12), (12, 30), (12, 12), (30, 12), (1, 7))


def test_it_goes_where_torchs_own_goes() -> None:
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    theirs = deepcopy(ours)
    first = Muon(ours, 0.02, 0.1)
    second = torch.optim.Muon(theirs, 0.02, 0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(6):
        for number, (own, other) in enumerate(zip(ours, theirs, strict=True)):
            drawn = torch.randn(own.shape, generator=torch.Generator().manual_seed(100 * step + number))
            # A matrix may have no gradient in a step.
            own.grad, other.grad = (None, None) if (step, number) == (2, 1) else (drawn, drawn.clone())
        before = [weight.detach().clone() for weight in ours]
        first.step()
        second.step()
        for own, other, old in zip(ours, theirs, before, strict=True):
            # Theirs is taken in bfloat16, with eight bits.
            torch.testing.assert_close(own, other, rtol=0, atol=0.02 * 0.2 * 30**0.5 * 0.05 * (step + 1))
            assert own.grad is None or not torch.equal(own, old)
    kept = first.state_dict()["state"]
    for number, state in second.state_dict()["state"].items():
        torch.testing.assert_close(kept[number]["momentum_buffer"], state["momentum_buffer"])


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 5, 40), (2, 40, 5)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 1e-4
    made = orthogonal(matrices)
    assert made.dtype is matrices.dtype and made.shape == matrices.shape
    left, values, right = torch.linalg.svd(matrices.double(), full_matrices=False)
    kept = (left.mT @ made.double() @ right.mT).diagonal(dim1=1, dim2=2)
    # The iteration brings all but the smallest to 0.7–1.2.
    large = values > 0.05 * values[:, :1]
    assert (kept[large] > 0.6).all() and (kept[large] < 1.3).all()


def test_nothing_comes_of_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


def test_the_precision_is_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert fastest_precision(torch.device("cpu")) is torch.float32
    matrices = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(2))
    exact = orthogonal(matrices)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    rough = orthogonal(matrices)
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, rtol=0, atol=0.05)
