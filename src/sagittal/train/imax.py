"""IMAX's training: next-token prediction over the answers of all seven tasks, together (§4.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from sagittal.models.vlm.chat import real_targets
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Turn
from sagittal.runtime import autocast
from sagittal.train.film_stream import FilmStream
from sagittal.train.loop import mean_terms


@dataclass(frozen=True)
class IMAXTraining:
    """Loss and scores for the one loop.

    Attributes:
        model: what is trained; its encoder is frozen, its features are in the streams.
        training, validation: entries.
        checks: batches of the validation stream that scores are taken over.
    """

    model: VLM
    training: FilmStream
    validation: FilmStream
    checks: int = 64

    def __post_init__(self) -> None:
        # For batches of short texts plain products beat the blockwise kernel on a CPU.
        self.model.language.set_attn_implementation("eager")  # type: ignore[operator]

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch."""
        return self._loss(self.training(number))

    def scores(self) -> dict[str, float]:
        """Mean loss over the checked batches."""
        return mean_terms(self._loss(self.validation(number)) for number in range(self.checks))

    def _loss(self, turn: Turn) -> Mapping[str, Tensor]:
        with autocast():
            out = self.model(turn)
        words = functional.cross_entropy(
            out.logits.float().flatten(0, 1), real_targets(turn.answer).flatten()
        )
        return {"loss": words}
