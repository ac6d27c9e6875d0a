"""The two networks of chest films: chest-segmenter and chest-findings.

    python recipes/chest.py bank
    python recipes/chest.py segmenter --real DATA
    python recipes/chest.py segmenter-simulated
    python recipes/chest.py findings --real DATA
    python recipes/chest.py further --real DATA
    python recipes/chest.py ship-segmenter --real DATA --ship src/sagittal/weights
    python recipes/chest.py ship-findings --real DATA --ship src/sagittal/weights

``bank`` simulates the films (25 minutes on a core; --part 0/2 and --part 1/2 share it between processes).
``segmenter`` learns from simulated films, Montgomery's lungs and pictures without a chest;
``segmenter-simulated`` from the first alone, to compare with. ``findings`` learns from simulated films and
the NIH's labels, organs of its films as the segmenter draws them; ``further`` goes on with it. Ten to
twenty-five minutes each on a core; all go on where they were stopped.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sagittal.evaluation.chest.cards import NIH, SIMULATED, findings_scores, segmenter_scores
from sagittal.evaluation.chest.readings import operating_points, read_bank, read_nih
from sagittal.models.chest.findings import ChestFindings, FindingsConfig, findings_card, save_chest_findings
from sagittal.models.chest.network import ENCODER, FindingsNetwork
from sagittal.models.chest.segmenter import (
    ChestSegmenter,
    SegmenterConfig,
    save_chest_segmenter,
    segmenter_card,
)
from sagittal.nn.flat_unet import FlatUNet
from sagittal.runtime import keep_memory
from sagittal.splits import SPLITS
from sagittal.train.chest_bank import FilmBank, make_chest_banks
from sagittal.train.chest_films import montgomery_films, nih_films, other_pictures
from sagittal.train.chest_reading import LOOKS, ReadingTraining, real_films, simulated_films
from sagittal.train.chest_segmenting import Ground, SegmenterTraining, Squares
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.mpllm import rounded

SEED = 20270
SHIP = ("ship-segmenter", "ship-findings")
#: Simulated validation films that choices are made by.
HELD = 40
FINDINGS = {
    "findings": LoopConfig(
        steps=2_200, rate=1.5e-3, hidden_rate=4e-3, warm_up=100, decay=0.02, mean_over=200, save_every=100,
        score_every=440,
    ),
    "further": LoopConfig(
        steps=3_000, rate=1.4e-3, hidden_rate=4e-3, warm_up=60, decay=0.02, mean_over=250, save_every=100,
        score_every=500,
    ),
}  # fmt: skip
SEGMENTER = LoopConfig(
    steps=1_200, rate=2e-3, warm_up=60, decay=0.01, mean_over=120, save_every=100, score_every=300
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("bank", "segmenter", "segmenter-simulated", *FINDINGS, *SHIP))
    parser.add_argument("--real", type=Path, help="folder of the real films")
    parser.add_argument("--out", type=Path, default=Path("runs/chest"))
    parser.add_argument("--ship", type=Path, default=Path("runs/chest/ship"), help="folder of checkpoints")
    parser.add_argument("--part", default="0/1", help="of the bank: which of how many processes")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    if given.real is None and given.step in ("segmenter", *FINDINGS, *SHIP):
        parser.error(f"{given.step} needs --real")
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    if given.step == "bank":
        _bank(given)
    elif given.step in FINDINGS:
        _findings(given)
    elif given.step == "ship-segmenter":
        _ship_segmenter(given)
    elif given.step == "ship-findings":
        _ship_findings(given)
    else:
        _segmenter(given)


def _bank(given: argparse.Namespace) -> None:
    number, of = (int(n) for n in given.part.split("/"))
    for split in SPLITS:
        make_chest_banks(
            split, given.out / "bank", part=(number, of),
            progress=lambda done, of, split=split: _say(f"{split}: {done} of {of}"),
        )  # fmt: skip


def _segmenter(given: argparse.Namespace) -> None:
    config = SegmenterConfig()
    network = FlatUNet(config.network).to(memory_format=torch.channels_last).train()
    real, held = {}, {"simulated": simulated_squares(FilmBank.read(given.out / "bank" / "validation"), HELD)}
    if given.step == "segmenter":
        real = {
            "lungs": Squares.real(montgomery_films(given.real, "train", config.edge)),
            "others": Squares.real(other_pictures(given.real, "train", config.edge)),
        }
        held["lungs"] = Squares.real(montgomery_films(given.real, "validation", config.edge))
        held["others"] = Squares.real(other_pictures(given.real, "validation", config.edge))
    ground = Ground(FilmBank.read(given.out / "bank" / "train"), real)
    training = SegmenterTraining(network, ground, held, config.edge, 8, given.seed)
    Loop(network, SEGMENTER, training.loss, given.out / given.step, scores=training.scores, say=_say).run(
        minutes=given.minutes
    )


def _findings(given: argparse.Namespace) -> None:
    banks = {split: FilmBank.read(given.out / "bank" / split) for split in ("train", "validation")}
    segmenter = drawn_by(given.out, "segmenter")
    real, held = (real_films(nih_films(given.real, split), segmenter) for split in ("train", "validation"))
    network = FindingsNetwork(ENCODER).train()
    if given.step == "further":
        use_mean(torch.load(given.out / "findings" / "last.pt", weights_only=True), network)
    simulated = simulated_films(banks["validation"], range(len(banks["validation"])))
    # At first looks are rough; small findings need clear films.
    config = LOOKS if given.step == "findings" else replace(LOOKS, strength=0.3)
    seed = given.seed + list(FINDINGS).index(given.step)
    training = ReadingTraining(
        network, banks["train"], real, {"simulated": simulated, "real": held}, 16, seed, config
    )
    hidden = [p for p in network.encoder.blocks.parameters() if p.ndim == 2]
    Loop(
        network, FINDINGS[given.step], training.loss, given.out / given.step, scores=training.scores,
        say=_say, hidden=hidden,
    ).run(minutes=given.minutes)  # fmt: skip


def drawn_by(out: Path, step: str) -> ChestSegmenter:
    """The segmenter of a step, by the running mean of its weights."""
    config = SegmenterConfig()
    network = FlatUNet(config.network)
    use_mean(torch.load(out / step / "last.pt", weights_only=True), network)
    return ChestSegmenter(network.eval(), config)


def _ship_segmenter(given: argparse.Namespace) -> None:
    """Scored as it ships: with weights of half precision."""
    segmenter = drawn_by(given.out, "segmenter")
    rounded(segmenter.network)
    scores = tuple(segmenter_scores(segmenter, given.real, FilmBank.read(given.out / "bank" / "test")))
    card = segmenter_card(scores, f"recipes/chest.py, seed {given.seed}")
    save_chest_segmenter(given.ship / "chest-segmenter", segmenter.network, segmenter.config, card=card)


def _ship_findings(given: argparse.Namespace) -> None:
    """Scored as it ships, at operating points of validation films."""
    network = FindingsNetwork(ENCODER)
    use_mean(torch.load(given.out / "further" / "last.pt", weights_only=True), network)
    rounded(network)
    model = ChestFindings(network.eval(), FindingsConfig())
    points = {
        "simulated": operating_points(read_bank(model, FilmBank.read(given.out / "bank" / "validation"))),
        "real": operating_points(read_nih(model, nih_films(given.real, "validation"))),
    }
    model = ChestFindings(network, FindingsConfig.model_validate({"points": points}))
    read = {
        SIMULATED: read_bank(model, FilmBank.read(given.out / "bank" / "test")),
        NIH: read_nih(model, nih_films(given.real, "test")),
    }
    card = findings_card(tuple(findings_scores(read)), f"recipes/chest.py, seed {given.seed}")
    save_chest_findings(given.ship / "chest-findings", network, model.config, card=card)


def simulated_squares(bank: FilmBank, count: int) -> Squares:
    """The first films of a bank."""
    numbers = range(min(count, len(bank)))
    return Squares(
        torch.from_numpy(np.stack([bank.film(n) for n in numbers])),
        torch.from_numpy(np.stack([bank.organ(n) for n in numbers])),
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
