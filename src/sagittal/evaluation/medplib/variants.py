"""What MedPLIB's tables compare, and how each run is trained: settled before any comparison.

All share frozen encoders and begin with a mask decoder that has met no words, as the paper's begin with
SAM-Med2D's; language model, projector, regions and masks' vectors are learnt anew in each. A variant of the
last stage differs from ``full`` in what its line says and in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.train.loop import LoopConfig
from sagittal.train.stages import StageName

SEEDS = (21, 22)
LOOPS: Mapping[StageName, LoopConfig] = {
    "alignment": LoopConfig(steps=60, rate=1.5e-3, warm_up=10, mean_over=20, save_every=60, score_every=60),
    "recognition": LoopConfig(
        steps=500, rate=1e-3, hidden_rate=4e-3, warm_up=30, decay=0.02, mean_over=60, save_every=100,
        score_every=500,
    ),
    "grounding": LoopConfig(
        steps=300, rate=1.5e-3, hidden_rate=3e-3, warm_up=30, decay=0.02, mean_over=50, save_every=100,
        score_every=300,
    ),
    "adaption": LoopConfig(
        steps=250, rate=8e-4, hidden_rate=2e-3, warm_up=20, decay=0.02, mean_over=40, save_every=100,
        score_every=250,
    ),
}  # fmt: skip
#: Of the text-conditioned U-Net; a batch is 16 requests of one class.
UNET_LOOP = LoopConfig(
    steps=900, rate=1.5e-3, warm_up=50, mean_over=100, save_every=100, score_every=900
)  # fmt: skip
UNET_BATCH = 16


@dataclass(frozen=True)
class Variant:
    """A configuration of the last stage.

    Attributes:
        words: what it is called in a table.
        experts: in place of each feed-forward; one dense feed-forward, the grounding stage's, when ``None``.
    """

    words: str
    experts: ExpertsConfig | None


#: Table 4, and experts against none.
VARIANTS: Mapping[str, Variant] = {
    "full": Variant("two experts, top 1, capacity 1.5 (the paper's)", ExpertsConfig()),
    "one": Variant(
        "the same, outputs not multiplied by the router's probability", ExpertsConfig(scale="one")
    ),
    "capacity-1": Variant("capacity 1", ExpertsConfig(capacity=1.0)),
    "capacity-2": Variant("capacity 2: no token is dropped", ExpertsConfig(capacity=2.0)),
    "top-2": Variant("top 2: every token meets both experts", ExpertsConfig(top=2, capacity=2.0)),
    "dense": Variant("no experts", None),
}
