"""What IMAX's tables compare, and how each run is trained: settled before any run, but for the control.

All models share one frozen encoder and one pretrained language model; a connector is learnt anew in each.
Each seed draws IMAX and DMAX anew from the pool, so that what is told of an arm is not told of one choice of
films. The questions of the test are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sagittal.models.imax import imax_config
from sagittal.models.vlm.config import HierarchicalConfig, SharedConfig, VLMConfig
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.train.film_stream import steps_of
from sagittal.train.imax_stage import BATCH
from sagittal.train.loop import LoopConfig

#: Films with scattered annotation, dense ones, and the former with pseudo-labels (Table 2); and a control of
#: ours: the first for as long as the third.
Arm = Literal["dmax", "imax", "pseudo", "longer"]
Pool = Literal["simulated", "real"]
Stage = Literal["dmax", "imax", "pretrain", "finetune", "longer"]

ARMS: tuple[Arm, ...] = get_args(Arm)
SEEDS = (31, 32, 33, 34, 35)
#: Of the comparison of connectors (Table 1), whose runs are many.
FEW_SEEDS = (31, 32)
#: Passes over the entries: three, as published (§4.2.2). Pretraining has four to six times as many entries;
#: it makes one pass over them.
EPOCHS: Mapping[Stage, float] = {"dmax": 3, "imax": 3, "pretrain": 1, "finetune": 3}
#: Of the control, which was added when the first gains of pseudo-labels had been seen: about as many steps
#: over DMAX as pretraining and fine-tuning make together.
LONGER_EPOCHS: Mapping[Pool, float] = {"simulated": 9, "real": 7}
#: Of the simulated pool: its films and its seed; other ones taught the encoder.
POOL_FILMS, POOL_SEED = 2_000, 411
#: Films of the test set that are asked about.
TEST_FILMS = {"simulated": 200, "real": 1_000}


@dataclass(frozen=True)
class Connector:
    """A configuration of Table 1.

    Attributes:
        words: what it is called in a table.
        changes: fields of the config that differ from the unified model's.
    """

    words: str
    changes: Mapping[str, Any]

    def config(self, vocabulary: int) -> VLMConfig:
        """Of the model."""
        whole = imax_config("small", vocabulary, lora=False)
        return VLMConfig.model_validate({**whole.model_dump(), **self.changes})


#: The paper compares seven published models, of which one projects linearly (LLaVA-Med), one through experts
#: (Uni-Med) and one has experts in its language model (HealthGPT, by adapters); ours are of these kinds.
CONNECTORS: Mapping[str, Connector] = {
    "mlp": Connector("two-layer MLP (the unified model)", {}),
    "linear": Connector("linear projection", {"projector": SharedConfig()}),
    "mixture": Connector(
        "mixture of experts as projector, steered by the question, which comes before the film",
        {"projector": HierarchicalConfig(hidden=32), "images_first": False},
    ),
    "feed-forward": Connector(
        "two-layer MLP, two experts in each feed-forward (top 1, nothing dropped)",
        {"experts": ExpertsConfig(capacity=2.0, scale="one")},
    ),
}
#: What is trained on which pool: connector → arms.
RUNS: Mapping[Pool, Mapping[str, tuple[Arm, ...]]] = {
    "simulated": {name: ARMS if name == "mlp" else ("dmax", "imax") for name in CONNECTORS},
    "real": {"mlp": ARMS},
}


def seeds_of(connector: str) -> tuple[int, ...]:
    """Of a connector's runs."""
    return SEEDS if connector == "mlp" else FEW_SEEDS


def loop_of(stage: Stage, entries: int, pool: Pool = "simulated") -> LoopConfig:
    """How a stage trains.

    Args:
        stage: which.
        entries: to learn from.
        pool: where they are from; the control's steps depend on it.
    """
    steps = steps_of(entries, BATCH, LONGER_EPOCHS[pool] if stage == "longer" else EPOCHS[stage])
    return LoopConfig(
        steps=steps, rate=1e-3, hidden_rate=3e-3, warm_up=steps // 10, decay=0.02,
        mean_over=max(20, steps // 12), save_every=200, score_every=steps,
    )  # fmt: skip
