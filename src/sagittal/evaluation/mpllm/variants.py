"""The configurations that mpLLM's tables compare, and how each is trained: settled before any comparison.

All share one frozen encoder, one pretrained decoder, one stream of questions and one number of steps; a
variant differs from ``full`` in what its line says and in nothing else. Questions of the test come from the
grammar that training draws from, anew (the paper's come from one pool, too). Heads choose where there are
heads, as in the paper; words are told nothing. The paper's rows without prompt-based weights (Table 2) are
mixtures of one block, which leave a prompt nothing to choose; its shared expert of Tables 2 to 6 is the
learned weighted sum of Table 19, whose figure it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.vlm.config import HierarchicalConfig, SharedConfig, VLMConfig
from sagittal.train.loop import LoopConfig

World = Literal["gli", "met"]
#: As many as fit into ten minutes on one core for the slowest of them.
LOOP = LoopConfig(
    steps=400, rate=1e-3, hidden_rate=3e-3, warm_up=40, decay=0.02, mean_over=60, save_every=100,
    score_every=200,
)  # fmt: skip
SEEDS = (11, 12)
_HIDDEN = 32


@dataclass(frozen=True)
class Variant:
    """One configuration.

    Attributes:
        words: what it is called in a table.
        projector: what brings the sequences together.
        heads: whether it has task heads; without, its words are read.
        region_given: whether the prompt says in which regions the label lies (Table 7).
        spoken: whether its words are scored, too.
    """

    words: str
    projector: HierarchicalConfig | SharedConfig = field(
        default_factory=lambda: HierarchicalConfig(hidden=_HIDDEN)
    )
    heads: bool = True
    region_given: bool = False
    spoken: bool = False

    def config(self, vocabulary: int) -> VLMConfig:
        """Of the model."""
        whole = mpllm_config("small", vocabulary)
        # Each head decides by itself, as the paper's.
        alone = tuple(head.model_copy(update={"unasked": None, "absent": None}) for head in whole.heads)
        changed = {"projector": self.projector, "told": False, "heads": alone if self.heads else ()}
        return VLMConfig.model_validate({**whole.model_dump(), **changed})


def _mixture(**changes: object) -> HierarchicalConfig:
    return HierarchicalConfig.model_validate({"hidden": _HIDDEN, **changes})


VARIANTS: dict[str, Variant] = {
    "full": Variant("mixture of experts, 16 blocks, steered by the prompt", spoken=True),
    "concatenation": Variant(
        "shared linear projection, concatenated (as LLaVA-Med, M3D)", SharedConfig(), spoken=True
    ),
    "sum": Variant("shared linear projection, summed", SharedConfig(fusion="sum")),
    "weighted": Variant("shared linear projection, learned weighted sum", SharedConfig(fusion="weighted")),
    "modality": Variant("modality-level experts alone, one block", _mixture(blocks=(1, 0))),
    "token": Variant("token-level experts alone, one block", _mixture(blocks=(0, 1))),
    "blocks-12": Variant("12 blocks", _mixture(blocks=(6, 6))),
    "blocks-20": Variant("20 blocks", _mixture(blocks=(10, 10))),
    "sigmoid": Variant("sigmoid instead of softmax", _mixture(gate="sigmoid")),
    "flattened": Variant("flattened: each sequence keeps its embeddings", _mixture(flattened=True)),
    "words-alone": Variant("without the multi-task loss: words alone", heads=False, spoken=True),
    "region-given": Variant("with the label's regions in the prompt", region_given=True),
}
#: What is trained on which world.
RUNS: dict[World, tuple[str, ...]] = {
    "gli": tuple(VARIANTS),
    "met": ("full", "concatenation", "weighted"),
}


def all_runs() -> list[tuple[World, str, int]]:
    """World, variant and seed of every run; the first seed of all goes first."""
    return [(world, name, seed) for seed in SEEDS for world, names in RUNS.items() for name in names]
