"""Training in stages: what learns in each, from which questions, by which losses (MedPLIB, Figure 3)."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from sagittal.errors import ConfigError
from sagittal.train.packaged import packaged_table

StageName = Literal["alignment", "recognition", "grounding", "adaption"]
Loss = Literal["text", "bce", "dice"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Table):
    """One stage."""

    trained: tuple[str, ...] = Field(
        min_length=1,
        description="beginnings of parameters' names, `*` standing for anything; others are frozen",
    )
    losses: tuple[Loss, ...] = Field(min_length=1)
    data: tuple[str, ...] = Field(min_length=1, description="kinds of questions")
    epochs: int = Field(ge=1)

    def learns(self, name: str) -> bool:
        """Whether a parameter of a full-weight model is trained."""
        return any(fnmatchcase(name, f"{pattern}*") for pattern in self.trained)


class Stages(_Table):
    """All of them, with the weight of each loss (Eq. 5)."""

    weights: Mapping[Loss, float]
    stages: Mapping[StageName, Stage]


@cache
def medplib_stages() -> Stages:
    """The published stages."""
    return Stages.model_validate(packaged_table("medplib_stages"))


def enter(stage: Stage, model: nn.Module) -> list[str]:
    """Freeze what a stage does not train, and nothing else.

    Where the language model has adapters, these and its routers are what learns of it.

    Args:
        stage: from the table.
        model: whose parameters are switched.

    Returns:
        The names of the parameters that learn.

    Raises:
        ConfigError: a part that the stage trains is not there.
    """
    adapted = any("lora_" in name for name, _ in model.named_parameters())
    learning = []
    for name, parameter in model.named_parameters():
        own = stage.learns(name)
        if adapted and name.startswith("language."):
            own = own and ("lora_" in name or ".router." in name)
        # Frequencies of places are drawn once, and never learnt.
        own = own and parameter.is_floating_point() and not name.endswith("frequencies")
        parameter.requires_grad_(own)
        if own:
            learning.append(name)
    for pattern in stage.trained:
        if not any(fnmatchcase(name, f"{pattern}*") for name in learning):
            raise ConfigError(
                "A part that this stage trains is not in the model.",
                expected=pattern,
                got=type(model).__name__,
            )
    return learning
