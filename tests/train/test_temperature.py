"""Temperatures: found where they are known, and folded without changing what is chosen."""

from __future__ import annotations

import pytest
import torch

from sagittal.nn.task_heads import HeadConfig, TaskHeads
from sagittal.train.temperature import fit_temperatures, fold_temperatures

TASKS = (
    HeadConfig(name="one", classes=("a", "b", "c", "d")),
    HeadConfig(name="several", classes=("x", "y"), many=True),
)


def drawn(scale: float, count: int = 20_000) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Logits that are ``scale`` times too sure, and what truly happened."""
    torch.manual_seed(0)
    logits = {"one": torch.randn(count, 4) * 1.5, "several": torch.randn(count, 2) * 1.5}
    targets = {
        "one": torch.nn.functional.one_hot(torch.multinomial(logits["one"].softmax(-1), 1)[:, 0], 4).float(),
        "several": torch.bernoulli(logits["several"].sigmoid()),
    }
    return {name: scale * own for name, own in logits.items()}, targets


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(scale: float) -> None:
    logits, targets = drawn(scale)
    found = fit_temperatures(TaskHeads(3, TASKS), logits, targets)
    assert found == pytest.approx({"one": scale, "several": scale}, rel=0.06)


def test_folded_it_divides_the_logits_and_changes_no_choice() -> None:
    torch.manual_seed(1)
    heads, state = TaskHeads(3, TASKS), torch.randn(50, 3)
    before = heads(state)
    chosen = heads.chosen(before)
    fold_temperatures(heads, {"one": 2.0, "several": 0.5})
    after = heads(state)
    torch.testing.assert_close(after["one"], before["one"] / 2)
    torch.testing.assert_close(after["several"], before["several"] * 2)
    assert all(torch.equal(heads.chosen(after)[name], own) for name, own in chosen.items())
