"""IMAX's small model: a pool of simulated films, DMAX, IMAX, pseudo-labels, and the model that ships.

    python recipes/imax.py pool
    python recipes/imax.py dmax
    python recipes/imax.py imax
    python recipes/imax.py pseudo
    python recipes/imax.py pretrain
    python recipes/imax.py finetune
    python recipes/imax.py train
    python recipes/imax.py ship --real DATA --ship src/sagittal/weights

``pool`` simulates films and builds the sets of :mod:`sagittal.builders.chest_tasks`; with ``--share 0/2`` and
``--share 1/2`` two processes share the simulation. ``dmax`` and ``imax`` train on sets of equal size.
``pseudo`` has the model of ``dmax`` answer what its films lack, ``pretrain`` learns from both, ``finetune``
goes on with DMAX alone (IMAX, Figure 4). ``train`` learns from all training films; that model ships. Each
step goes on where it was stopped.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from sagittal.builders.chest_tasks import build_chest_tasks
from sagittal.builders.shards import read_examples
from sagittal.evaluation.imax.shipped import card_scores, measured
from sagittal.example import Example
from sagittal.io.films.sources import open_source
from sagittal.models.checkpoint import Accepts, Card, Score
from sagittal.models.imax import imax_config
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import save_vlm
from sagittal.runtime import keep_memory
from sagittal.simulate.chest import ChestConfig
from sagittal.simulate.chest.folder import COLLECTION, write_films
from sagittal.train.film_stream import steps_of
from sagittal.train.imax_stage import BATCH, Ground, begun, ended, only_training, run_stage, stream_of
from sagittal.train.loop import LoopConfig
from sagittal.train.mpllm import rounded
from sagittal.train.pseudo_labels import PseudoLabels, read_pseudo

SEED = 20264
#: Of the pool; the films that the encoder learnt from have others.
WORLD_SEED = 411
FILMS = 2_000
#: Passes over the entries, as published (§4.2.2).
EPOCHS = 3.0
#: Films of the test set whose entries are watched while training; they steer nothing.
WATCHED = 60
STEPS = ("pool", "dmax", "imax", "pseudo", "pretrain", "finetune", "train", "ship")


def main() -> None:
    """One of the steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--out", type=Path, default=Path("runs/imax"))
    parser.add_argument("--films", type=int, default=FILMS)
    parser.add_argument("--share", default="0/1", help="of the simulation: k/of")
    parser.add_argument("--encoder", default="chest-findings", help="name or folder of the checkpoint")
    parser.add_argument("--epochs", type=float, default=EPOCHS, help="passes over the entries")
    parser.add_argument("--lora", action="store_true", help="train adapters, as published, not all of it")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--real", type=Path, help="folder of the real films that the card tells of")
    parser.add_argument("--ship", type=Path, default=Path("runs/imax/ship"), help="folder of checkpoints")
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    keep_memory()
    if given.step == "pool":
        _pool(given)
    elif given.step == "pseudo":
        _pseudo(given)
    elif given.step == "ship":
        _ship(given)
    else:
        _train(given, given.step)


def _pool(given: argparse.Namespace) -> None:
    place, of = (int(part) for part in given.share.split("/"))
    pool = given.out / "pool"
    write_films(
        ChestConfig(edge=224), pool / COLLECTION, given.films, WORLD_SEED,
        lambda done, total: _say(f"films: {done} of {total}"), share=(place, of),
    )  # fmt: skip
    if place == 0:
        source = open_source("statements", pool / COLLECTION / "statements")
        found = build_chest_tasks(
            [source], pool / "sets", pictures={COLLECTION: pool / COLLECTION}, everything=True, seed=SEED
        )
        _say(str(found["sets"]["imax"]))


def _examples(given: argparse.Namespace, name: str) -> list[Example]:
    sets = given.out / "pool" / "sets"
    if name == "pretrain":
        return only_training([*read_examples(sets / "dmax"), *read_pseudo(given.out / "pseudo")])
    return only_training(read_examples(sets / {"finetune": "dmax"}.get(name, name)))


def _watched(given: argparse.Namespace) -> list[Example]:
    by_film: dict[str, list[Example]] = defaultdict(list)
    for one in read_examples(given.out / "pool" / "sets" / "test"):
        by_film[one.study].append(one)
    return [one for film in sorted(by_film)[:WATCHED] for one in by_film[film]]


def _ground(given: argparse.Namespace) -> Ground:
    return Ground.of(given.out / "pool", given.out / "features", encoder=given.encoder)


def _loop(given: argparse.Namespace, examples: Sequence[Example]) -> LoopConfig:
    steps = steps_of(len(examples), BATCH, given.epochs)
    return LoopConfig(
        steps=steps, rate=1e-3, hidden_rate=3e-3, warm_up=steps // 10, decay=0.02,
        mean_over=max(20, steps // 12), save_every=100, score_every=max(1, steps // 3),
    )  # fmt: skip


def _model(given: argparse.Namespace, ground: Ground, name: str) -> VLM:
    """The model at the beginning of a step."""
    torch.manual_seed(SEED)
    model = begun(ground, imax_config("small", ground.chat.size, lora=given.lora))
    if name == "finetune":
        ended(model, given.out / "pretrain", _loop(given, _examples(given, "pretrain")))
    return model


def _train(given: argparse.Namespace, name: str) -> None:
    ground, examples = _ground(given), _examples(given, name)
    model = _model(given, ground, name)
    run_stage(
        model, stream_of(model, ground, examples, SEED), stream_of(model, ground, _watched(given), 1),
        _loop(given, examples), given.out / name, minutes=given.minutes, say=_say,
    )  # fmt: skip


def _pseudo(given: argparse.Namespace) -> None:
    ground, examples = _ground(given), _examples(given, "dmax")
    model = ended(_model(given, ground, "dmax"), given.out / "dmax", _loop(given, examples)).eval()
    stream = stream_of(model, ground, examples, SEED)
    PseudoLabels(model, stream, examples, SEED).write(given.out / "pseudo", _say)


def _ship(given: argparse.Namespace) -> None:
    ground, examples = _ground(given), _examples(given, "train")
    model = ended(_model(given, ground, "train"), given.out / "train", _loop(given, examples)).eval()
    rounded(model)
    scores = card_scores(measured(model, ground.chat, given.real, given.out / "measured", _say))
    save_vlm(given.ship / "imax-small", model, ground.chat, card(examples, scores), task="imax")


def card(examples: Iterable[Example], scores: tuple[Score, ...]) -> Card:
    """What to know about the model."""
    films = len({one.study for one in examples})
    return Card(
        name="imax-small",
        summary="Answers seven kinds of questions about a frontal chest film (IMAX).",
        licence="Apache-2.0",
        data=(
            f"{films:,} simulated chest films and questions from this project's templates",
            "its encoder: see chest-findings",
        ),
        recipe=f"recipes/imax.py, seed {SEED}",
        scores=scores,
        limits=(
            "medical research software, not a medical device: never for diagnosis or treatment",
            "its words were learnt from simulated films alone; on real ones see the scores",
            "frontal films; English",
        ),
        accepts=Accepts(kinds=("cxr",), most_volumes=1, most_sessions=1, pictures=True, regions=True),
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
