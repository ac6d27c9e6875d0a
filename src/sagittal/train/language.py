"""Training of VoxelPrompt's language half: programs, and φ against the fixed codes of the scaffold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sagittal.models.voxelprompt.conversation import NO_TARGET, Script
from sagittal.models.voxelprompt.model import VoxelPrompt
from sagittal.runtime import autocast
from sagittal.train.language_check import check
from sagittal.train.language_stream import Kind, LanguageStream

#: That a text loss asks for, in a conversation on average.
_TOKENS = 72


@dataclass(frozen=True)
class LanguageTrainingConfig:
    """What is learnt from.

    Attributes:
        batch: conversations at a time; as many times a step as a block has batches.
        code_weight: of the mean squared error of φ beside the mean cross-entropy of program tokens.
        validation: conversations of each sort that the scores are over.
        half: whether products are taken in bfloat16.
    """

    batch: int = 6
    code_weight: float = 1.0
    validation: int = 200
    half: bool = True


class LanguageTraining:
    """Loss and scores for :class:`sagittal.train.loop.Loop`.

    Args:
        model: whose language model and φ projection learn; its vision networks are left alone.
        stream: of conversations.
        config: batch and weights.
        codes: φ to emit, as :meth:`VoxelPrompt.forward` takes them.
    """

    def __init__(
        self,
        model: VoxelPrompt,
        stream: LanguageStream,
        config: LanguageTrainingConfig,
        codes: bool | Mapping[str, Tensor] = True,
    ) -> None:
        self.model, self.stream, self.config, self.codes = model, stream, config, codes
        #: What learns.
        self.module = nn.ModuleDict({"language": model.language, "to_phi": model.to_phi})
        if model.device.type == "cpu":
            # For batches of short texts plain products beat the blockwise kernel there.
            model.language.set_attn_implementation("eager")

    @property
    def hidden(self) -> list[nn.Parameter]:
        """Matrices between the language model's layers (:class:`~sagittal.train.loop.Loop`)."""
        return [p for n, p in self.model.language.named_parameters() if ".layers." in n and p.ndim == 2]

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of a batch, by its number."""
        scripts = self.stream.batch(number, self.config.batch)
        with self.precision():
            losses = self.model(scripts, codes=self.codes)
        # Each token counts alike, not each conversation: a refusal is a seventh as long as an answer, and
        # would weigh seven times as much wherever it is open whether to answer. The batches of a step are
        # of unlike lengths, so the sum is divided by what a batch holds on average, not by what this holds.
        tokens = torch.tensor([_learnt(script) for script in scripts], device=losses.text.device)
        text = (losses.text * tokens).sum()
        return {
            "loss": text / (_TOKENS * len(scripts)) + self.config.code_weight * losses.codes,
            "text": text / tokens.sum(),
            "exact": losses.exact.float().mean(),
            "codes": losses.codes,
        }

    def scores(self, kinds: Sequence[Kind] = ("clean", "typed", "withheld")) -> Mapping[str, float]:
        """Rates on validation: programs exactly right, φ nearest to its own code, abstentions."""
        found: dict[str, float] = {}
        for kind in kinds:
            drawn = self.stream.validation(kind, self.config.validation)
            with self.precision():
                checks = check(
                    self.model,
                    self.stream.scribe.tokenizer,
                    [d.script for d in drawn],
                    size=32,
                )
            unanswerable = [bool(d.item.reason) for d in drawn]
            abstained = [c.abstains for c in checks]
            both = sum(a and u for a, u in zip(abstained, unanswerable, strict=True))
            nearest = [right for c in checks for right in c.codes]
            found |= {
                f"{kind} exact": _mean([c.exact for c in checks]),
                f"{kind} answerable exact": _mean(
                    [c.exact for c, u in zip(checks, unanswerable, strict=True) if not u]
                ),
                f"{kind} codes": _mean(nearest),
                f"{kind} abstain precision": both / max(1, sum(abstained)),
                f"{kind} abstain recall": both / max(1, sum(unanswerable)),
            }
        # Withheld wordings are looked at and steer nothing: they do not choose the weights.
        return {**found, "score": _mean([found[f"{kind} exact"] for kind in kinds if kind != "withheld"])}

    def precision(self) -> torch.autocast:
        """The precision in which products are taken."""
        return autocast(self.model.device, wanted=self.config.half)


def _learnt(script: Script) -> int:
    """Tokens that have a text loss."""
    return sum(target != NO_TARGET for chunk in script.chunks for target in chunk.targets)


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return sum(values) / max(1, len(values))
