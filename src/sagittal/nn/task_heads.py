"""Task heads: a linear layer a task over a state of the language model, and their losses (mpLLM, Eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional


class HeadConfig(BaseModel):
    """One task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="of the task")
    classes: tuple[str, ...] = Field(min_length=2, description="that it chooses from")
    many: bool = Field(default=False, description="whether several classes may hold at once")

    @property
    def places(self) -> Mapping[str, int]:
        """Class → its place."""
        return {name: place for place, name in enumerate(self.classes)}


class TaskHeads(nn.Module):
    """A linear layer a task.

    Args:
        width: of the state.
        tasks: their names and classes.
    """

    def __init__(self, width: int, tasks: Sequence[HeadConfig]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.layers = nn.ModuleDict({task.name: nn.Linear(width, len(task.classes)) for task in tasks})

    def forward(self, state: Tensor) -> dict[str, Tensor]:
        """(B, width) → of each task, (B, classes) logits."""
        return {task.name: self.layers[task.name](state) for task in self.tasks}

    def losses(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss of each task, mean over the batch.

        Args:
            logits: from :meth:`forward`.
            targets: (B, classes) shares of 0 and 1: one class, or any number where several may hold.

        Returns:
            Cross-entropy of a task with one class; binary cross-entropy, mean over classes, of another.
        """
        return {task.name: self.loss(task.name, logits[task.name], targets[task.name]) for task in self.tasks}

    def loss(self, name: str, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of one task; arguments as for :meth:`losses`, of this task alone."""
        many = next(task.many for task in self.tasks if task.name == name)
        measure = functional.binary_cross_entropy_with_logits if many else functional.cross_entropy
        return measure(logits.float(), targets.float())

    def probabilities(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, classes) of each task: they sum to one, or each stands for itself where several may hold."""
        return {
            task.name: logits[task.name].float().sigmoid()
            if task.many
            else logits[task.name].float().softmax(-1)
            for task in self.tasks
        }

    def chosen(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B, classes) 0 or 1: the likeliest class, or every one that is more likely than not.

        Where several may hold and none is likely, the likeliest one stands.
        """
        found = {}
        for task in self.tasks:
            own = logits[task.name]
            best = functional.one_hot(own.argmax(-1), own.shape[-1]).bool()
            found[task.name] = (
                torch.where((own > 0).any(-1, keepdim=True), own > 0, best) if task.many else best
            ).float()
        return found
