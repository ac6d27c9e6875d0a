"""Task heads: a linear layer a task over a state of the language model, and their losses (mpLLM, Eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional


def _is_none(value: object) -> bool:
    return value is None


class HeadConfig(BaseModel):
    """One task.

    Where classes are named that say that a task was not asked, and that what it asks about is not there, the
    tasks that have them agree: of one thing, no task finds it absent where another finds it large.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="of the task")
    classes: tuple[str, ...] = Field(min_length=2, description="that it chooses from")
    many: bool = Field(default=False, description="whether several classes may hold at once")
    unasked: str | None = Field(
        default=None, exclude_if=_is_none, description="class that says that the task was not asked"
    )
    absent: str | None = Field(
        default=None, exclude_if=_is_none, description="class that says that what is asked about is not there"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        named = {self.unasked, self.absent} - {None}
        if not named <= set(self.classes) or (self.unasked is None) != (self.absent is None):
            raise ValueError("unasked and absent are two of the classes, or neither is named")
        return self

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

        Where several may hold and none is likely, the likeliest one stands. Tasks that know of absence decide
        about it together: as it makes the larger share of what they are asked right, by what they expect.
        """
        found = {task.name: _likeliest(logits[task.name], task.many) for task in self.tasks}
        able = [task for task in self.tasks if task.absent is not None]
        if able:
            asked = {task.name: found[task.name][:, task.places[task.unasked or ""]] == 0 for task in able}
            gains = [torch.where(asked[t.name], _gain(t, logits[t.name].float()), 0.0) for t in able]
            gone = torch.stack(gains).sum(dim=0) > 0
            for task in able:
                agreed = torch.where(gone[:, None], *_both(task, logits[task.name]))
                found[task.name] = torch.where(asked[task.name][:, None], agreed, found[task.name])
        return found


def _likeliest(logits: Tensor, many: bool) -> Tensor:
    best = functional.one_hot(logits.argmax(-1), logits.shape[-1]).bool()
    return (torch.where((logits > 0).any(-1, keepdim=True), logits > 0, best) if many else best).float()


def _gain(task: HeadConfig, logits: Tensor) -> Tensor:
    """(B,) how much likelier a task is right when it finds nothing there than when it does; −1 to 1.

    Where several classes may hold, each counts by itself: nothing there is none of them.
    """
    others = [n for name, n in task.places.items() if name not in (task.absent, task.unasked)]
    if task.many:
        shares = logits[:, others].sigmoid()
        return (1 - shares).mean(-1) - torch.maximum(shares, 1 - shares).mean(-1)
    shares = logits.softmax(-1)
    return shares[:, task.places[task.absent or ""]] - shares[:, others].amax(-1)


def _both(task: HeadConfig, logits: Tensor) -> tuple[Tensor, Tensor]:
    """(B, classes) what is chosen of something absent, and of something that is there."""
    places = [task.places[name] for name in (task.absent, task.unasked) if name is not None]
    without = logits.clone()
    without[:, places] = float("-inf")
    absent = torch.zeros_like(logits)
    absent[:, places[0]] = 1
    return absent.float(), _likeliest(without, task.many)
