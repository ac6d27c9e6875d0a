"""The shipped mpLLM, from simulated tumour studies.

    python recipes/mpllm_data.py --heads HEADS --out runs/mpllm/data
    python recipes/decoder.py --data runs/mpllm/data --slake SLAKE/train.json
    python recipes/mpllm.py encoder --data runs/mpllm/data --out runs/mpllm
    python recipes/mpllm.py train --data runs/mpllm/data --out runs/mpllm --decoder runs/decoder

``encoder`` learns to say what lies where, from one sequence at a time; then it is frozen. ``train`` learns
projector, heads and language model together (Eq. 2), with sequences missing now and then. Each about an hour
on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.presets import SMALL_ENCODER
from sagittal.nn.vit import ViT
from sagittal.runtime import keep_memory
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.mpllm import MpLLMTraining, freeze_encoder, hidden_matrices
from sagittal.train.tumour_bank import TumourBank
from sagittal.train.tumour_stream import FeatureStore, StreamConfig, TumourStream
from sagittal.train.voxel_labels import VoxelLabels, VoxelLabelTraining

SEED = 20261
WORLDS = ("gli", "met", "pre")
ENCODER = LoopConfig(
    steps=2_400, rate=1e-3, hidden_rate=4e-3, warm_up=100, decay=0.02, mean_over=200, save_every=100,
    score_every=400,
)  # fmt: skip
TRAIN = LoopConfig(
    steps=4_000, rate=1e-3, hidden_rate=3e-3, warm_up=100, decay=0.02, mean_over=200, save_every=100,
    score_every=400,
)  # fmt: skip


def main() -> None:
    """One of the steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("encoder", "train"))
    parser.add_argument("--data", type=Path, default=Path("runs/mpllm/data"))
    parser.add_argument("--decoder", type=Path, default=Path("runs/decoder"))
    parser.add_argument("--out", type=Path, default=Path("runs/mpllm"))
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    {"encoder": _encoder, "train": _train}[given.step](given)


def _encoder(given: argparse.Namespace) -> None:
    module = VoxelLabels(ViT(SMALL_ENCODER))
    training = VoxelLabelTraining(
        module, _bank(given, "training"), _bank(given, "validation"), studies=4, seed=given.seed
    )
    hidden = [p for block in module.encoder.blocks for p in block.parameters() if p.ndim == 2]
    loop = Loop(
        module, ENCODER, training.loss, given.out / "encoder", scores=training.scores, say=_say, hidden=hidden
    )
    loop.run(minutes=given.minutes)


def _train(given: argparse.Namespace) -> None:
    tokenizer = Tokenizer.from_json((given.decoder / "tokenizer.json").read_text("utf-8"), CHAT_TOKENS)
    model = VLM(mpllm_config("small", tokenizer.size)).train()
    labels = VoxelLabels(model.encoder)
    use_mean(torch.load(given.out / "encoder" / "last.pt", weights_only=True), labels)
    use_mean(torch.load(given.decoder / "last.pt", weights_only=True), model.language)
    freeze_encoder(model)
    chat, wordings = OwnChat(tokenizer), TumourWordings.load()
    streams = []
    for split, config in (
        ("training", StreamConfig(missing=0.25)),
        ("validation", StreamConfig(batch=64, pool="withheld")),
    ):
        bank = _bank(given, split)
        features = FeatureStore.make(model, bank, given.out / "features" / f"{split}.pt")
        streams.append(TumourStream(bank, features, chat, wordings, given.seed, told=True, config=config))
    training = MpLLMTraining(model, streams[0], streams[1])
    loop = Loop(
        model, TRAIN, training.loss, given.out / "train", scores=training.scores, say=_say,
        hidden=hidden_matrices(model),
    )  # fmt: skip
    loop.run(minutes=given.minutes)


def _bank(given: argparse.Namespace, split: str) -> TumourBank:
    return TumourBank([given.data / split / name for name in WORLDS])


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
