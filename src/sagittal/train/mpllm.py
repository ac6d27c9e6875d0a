"""mpLLM's training: next-token prediction and the five heads' losses, summed (Eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.models.mpllm.tasks import HEADS, NOT_ASKED, SCOPE
from sagittal.models.vlm.chat import real_targets
from sagittal.models.vlm.model import VLM
from sagittal.runtime import autocast
from sagittal.train.tumour_stream import TumourStream


@dataclass(frozen=True)
class MpLLMTraining:
    """Loss and scores for the one loop.

    Attributes:
        model: what is trained; its encoder is frozen, its features are in the streams.
        training, validation: questions.
        checks: batches of the validation stream that scores are taken over.
        half: whether products may be taken in bfloat16, where that is faster.
    """

    model: VLM
    training: TumourStream
    validation: TumourStream
    checks: int = 12
    half: bool = True

    def __post_init__(self) -> None:
        if next(self.model.parameters()).device.type == "cpu":
            # For batches of short texts plain products beat the blockwise kernel there: a third less time.
            self.model.language.set_attn_implementation("eager")  # type: ignore[operator]

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch: Eq. 2, or next-token prediction alone where the model has no heads."""
        return self._losses(self.training, number)[0]

    def scores(self) -> dict[str, float]:
        """Mean loss, and of each head the share of asked questions that it has right."""
        losses: dict[str, list[float]] = {}
        right: dict[str, list[float]] = {}
        for number in range(self.checks):
            found, heads, targets = self._losses(self.validation, number)
            for name, value in found.items():
                losses.setdefault(f"val {name}", []).append(float(value.detach()))
            for name, hits in _hits(heads, targets).items():
                right.setdefault(f"{name} right", []).extend(hits)
        means = {name: float(np.mean(values)) for name, values in {**losses, **right}.items() if values}
        return {**means, "score": -means["val loss"]}

    def _losses(
        self, stream: TumourStream, number: int
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        turn, targets = stream.batch(number)
        with autocast(wanted=self.half):
            out = self.model(turn)
        words = functional.cross_entropy(
            out.logits.float().flatten(0, 1), real_targets(turn.answer).flatten()
        )
        losses = {} if self.model.heads is None else self.model.heads.losses(out.heads, targets)
        return (
            {"loss": torch.stack([words, *losses.values()]).sum(), "words": words, **losses},
            out.heads,
            targets,
        )


def _hits(heads: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Of each head, whether each question that asks its task is answered right; regions one by one."""
    found: dict[str, list[float]] = {}
    for head in HEADS if heads else ():
        own, truth = heads[head.name].float(), targets[head.name]
        asked = torch.ones(len(own), dtype=torch.bool)
        if head.name != SCOPE:
            asked = truth[:, head.places[NOT_ASKED]] == 0
        if head.many:
            real = [head.places[name] for name in REGIONS]
            alike = ((own > 0) == (truth > 0))[asked][:, real].float().mean(dim=1)
        else:
            alike = (own.argmax(-1) == truth.argmax(-1))[asked].float()
        found[head.name] = alike.tolist()
    return found


def hidden_matrices(model: VLM) -> Sequence[nn.Parameter]:
    """The matrices between the layers of a model's language model, which Muon trains."""
    return layer_matrices(model.language)


def layer_matrices(language: nn.Module) -> Sequence[nn.Parameter]:
    """The matrices between a language model's layers."""
    embed = language.get_input_embeddings().weight  # type: ignore[operator]
    return [p for p in language.parameters() if p.ndim == 2 and p is not embed and p.requires_grad]


def freeze_encoder(model: VLM) -> None:
    """The encoder stays as it is (§4.2)."""
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)


def rounded(module: nn.Module) -> None:
    """Round weights as a checkpoint in half precision keeps them, so that what is frozen is what ships."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.half().float())
