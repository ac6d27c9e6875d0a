"""Trainings that are compared: balance (VILA-M3, Fig. 5), epochs (Figs 4, 11), sizes (Fig. 6, Table 10).

Settled before any of them ran. All learn from one finite set: batches of conversations about films and about
brains, as many as there are studies of each, and of questions and answers of words alone. The encoder is
frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.config import VLMConfig
from sagittal.train.loop import LoopConfig
from sagittal.train.talk_mixture import TEXT, Mixture

SEEDS = (11, 12)
#: Conversations of a batch, and pairs of one of words alone.
TALKS, PAIRS = 8, 12
#: Category → batches of the set. The bank has 903 films and 100 heads and slices, SLAKE 4,919 English pairs:
#: about two conversations for three studies, and a third of the pairs.
COUNTS = {"film": 76, "brain": 8, TEXT: 136}
ONCE = dict.fromkeys(COUNTS, 1)
#: Brings the categories to about a third each.
BALANCED = {"film": 2, "brain": 16, TEXT: 1}
#: Steps before the rate is what it shall be.
WARM_UP = 40
#: Held-out batches of each category of conversations.
HELD = 12
#: Drawn for a set's conversations, held-out ones, and each training's own beginning.
SET_SEED, HELD_SEED = 411, 412


@dataclass(frozen=True)
class Variant:
    """One training.

    Attributes:
        words: what it is called in a table.
        steps: of the training.
        frequency: category → how often an epoch has its batches.
        language: what is other in the language model than in ``small``, which then begins unlearnt; without,
            it begins with what learnt to copy.
    """

    words: str
    steps: int
    frequency: Mapping[str, int] = field(default_factory=lambda: BALANCED)
    language: Mapping[str, Any] | None = None

    def mixture(self, seed: int) -> Mixture:
        """In which order it learns."""
        return Mixture(COUNTS, self.frequency, seed)

    def loop(self) -> LoopConfig:
        """How it learns."""
        return LoopConfig(
            steps=self.steps, rate=1e-3, hidden_rate=3e-3, warm_up=WARM_UP, decay=0.02, mean_over=60,
            save_every=100,
        )  # fmt: skip

    def config(self, vocabulary: int) -> VLMConfig:
        """Of its model."""
        small = vila_m3_config("small", vocabulary)
        return small.model_copy(update={"language": {**small.language, **(self.language or {})}})


_EPOCH, _NATURAL = len(Mixture(COUNTS, BALANCED, 0)), len(Mixture(COUNTS, ONCE, 0))


def _sized(width: int, layers: int) -> Variant:
    """As wide heads and feed-forwards in proportion as ``small`` has."""
    return Variant(
        f"{layers} layers of {width}", _EPOCH,
        language={
            "hidden_size": width, "intermediate_size": width * 8 // 3, "num_hidden_layers": layers,
            "num_attention_heads": width // 32, "num_key_value_heads": width // 32,
        },
    )  # fmt: skip


#: Figs 4, 5, 11.
MIXED = {
    "unbalanced": Variant("not balanced, 2 epochs", 2 * _NATURAL, ONCE),
    "longer": Variant("not balanced, as many steps as balanced", 2 * _EPOCH, ONCE),
    "balanced": Variant("balanced, 2 epochs", 2 * _EPOCH),
    "one": Variant("balanced, 1 epoch", _EPOCH),
    "three": Variant("balanced, 3 epochs", 3 * _EPOCH),
}
#: Fig. 6: by the first seed alone.
SIZES = {"64x2": _sized(64, 2), "128x3": _sized(128, 3), "192x4": _sized(192, 4), "288x5": _sized(288, 5)}
VARIANTS = {**MIXED, **SIZES}
#: Every training: variant and seed.
RUNS = [*((name, seed) for name in MIXED for seed in SEEDS), *((name, SEEDS[0]) for name in SIZES)]
