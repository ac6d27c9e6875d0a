"""Temperatures that make heads' probabilities mean what they say (Guo et al. 2017), folded into the heads.

One number a head, found on validation questions by its own loss; classes stay as they are, since a
temperature changes no order.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sagittal.nn.task_heads import TaskHeads


def fit_temperatures(
    heads: TaskHeads, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], steps: int = 100
) -> dict[str, float]:
    """The temperature of each head with the least loss.

    Args:
        heads: gives the losses.
        logits, targets: (questions, classes) of each head, of questions that nothing was trained on.
        steps: of L-BFGS at most.
    """
    return {
        task.name: _fit(heads, task.name, logits[task.name].detach().float(), targets[task.name], steps)
        for task in heads.tasks
    }


def _fit(heads: TaskHeads, name: str, logits: Tensor, targets: Tensor, steps: int) -> float:
    log = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([log], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = heads.loss(name, logits / log.exp(), targets)
        value.backward()
        return value

    optimiser.step(loss)
    return float(log.detach().exp())


def fold_temperatures(heads: TaskHeads, temperatures: Mapping[str, float]) -> None:
    """Divide each head's logits by its temperature, for good."""
    with torch.no_grad():
        for name, value in temperatures.items():
            for parameter in heads.layers[name].parameters():
                parameter.div_(value)
