"""The shipped mpLLM, from simulated tumour studies.

    python recipes/mpllm_data.py --heads HEADS --out runs/mpllm/data
    python recipes/mpllm.py encoder --data runs/mpllm/data --out runs/mpllm
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sagittal.models.vlm.presets import SMALL_ENCODER
from sagittal.nn.vit import ViT
from sagittal.runtime import keep_memory
from sagittal.train.loop import Loop, LoopConfig
from sagittal.train.tumour_bank import TumourBank
from sagittal.train.voxel_labels import VoxelLabels, VoxelLabelTraining

SEED = 20261
ENCODER = LoopConfig(
    steps=2_400,
    rate=1e-3,
    hidden_rate=4e-3,
    warm_up=100,
    decay=0.02,
    mean_over=200,
    save_every=100,
    score_every=400,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("encoder",))
    parser.add_argument("--data", type=Path, default=Path("runs/mpllm/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/mpllm"))
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    module = VoxelLabels(ViT(SMALL_ENCODER))
    training = VoxelLabelTraining(
        module,
        TumourBank([given.data / "training" / name for name in ("gli", "met", "pre")]),
        TumourBank([given.data / "validation" / name for name in ("gli", "met", "pre")]),
        studies=4,
        seed=given.seed,
    )
    hidden = [p for block in module.encoder.blocks for p in block.parameters() if p.ndim == 2]
    Loop(
        module, ENCODER, training.loss, given.out / "encoder", scores=training.scores,
        say=lambda line: print(line, flush=True), hidden=hidden,
    ).run(minutes=given.minutes)  # fmt: skip


if __name__ == "__main__":
    main()
