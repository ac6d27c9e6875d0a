"""VoxelPrompt, whole: eyes and words put together, taught together (Eq. 2), and made ready to ship.

    python recipes/voxelprompt.py join --vision runs/vision --words runs/language --out runs/voxelprompt \\
        --minutes 0
    python recipes/voxelprompt.py ship --out runs/voxelprompt --folder runs/voxelprompt/voxelprompt-small
    sagittal evaluate voxelprompt --model runs/voxelprompt/voxelprompt-small --on real --final \\
        --data DATA --out runs/reproduce/voxelprompt-real
    python recipes/voxelprompt.py ship --out runs/voxelprompt --real runs/reproduce/voxelprompt-real \\
        --folder src/sagittal/weights/voxelprompt-small

``join`` begins with what ``voxelprompt_vision.py`` and ``voxelprompt_language.py`` learnt apart: one layer is
solved that turns the words' states into the eyes' φ, the words settle on those φ, and both go on with Eq. 2
alone: masks teach the language model its φ, and no fixed code is used any more. It goes on where it was cut
off. What ships so far was put together and settled (``--minutes 0``): 60 joint steps raised anatomy on real
validation scans no more than settling did, and cost tumours 0.10. Its words settled in seven goes: 420 and
460 steps at about half the present rate; 1,800 as written here, with *tumour* and the plainest names; 1,300
more with whole sentences and more pairs of structures; 330 at less than half the rate, from the mean of the
weights before and after those; 600 and 120 with what is asked most, the last on the φ of later eyes. The
language that ships is the mean of those before and after the last two, which reads every plain name.

``paper`` trains the published configuration from nothing, as §4.3 says, on the same studies:

    python recipes/voxelprompt.py paper --vision runs/vision --words runs/language --out runs/paper
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sagittal.builders.voxel_tasks import VoxelTasksConfig
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.checkpoint import Accepts, Card, Score
from sagittal.models.voxelprompt import Scribe, VoxelPrompt, VoxelPromptConfig, save_voxelprompt
from sagittal.models.voxelprompt.codebook import image_inputs
from sagittal.runtime import keep_memory, runtime
from sagittal.score.reals import ANATOMY
from sagittal.study import KINDS, Study
from sagittal.train.alignment import align
from sagittal.train.joint import JointConfig, Lessons
from sagittal.train.language import LanguageTraining, LanguageTrainingConfig
from sagittal.train.language_pool import read_pool
from sagittal.train.language_stream import BLOCK, LanguageStream
from sagittal.train.loop import BatchLoss, Loop, LoopConfig, use_mean
from sagittal.train.vision_losses import NAMES, Eyes
from sagittal.train.vision_stages import mean_eyes
from sagittal.train.voxelprompt import PAPER, JointTraining
from sagittal.train.worlds import Banks, training_worlds

SEED = 20261
JOINT = LoopConfig(steps=60, rate=1e-4, warm_up=5, mean_over=20, save_every=10, score_every=30)
SETTLE = LoopConfig(
    steps=1_800,
    rate=9e-4,
    hidden_rate=1.8e-3,
    warm_up=20,
    decay=0.02,
    accumulate=BLOCK,
    mean_over=120,
    save_every=30,
)
# As in voxelprompt_language.py: rare tasks at least so often, and first lines alone.
LEAST, FIRST_LINES = 0.01, 0.35
# Stages of voxelprompt_vision.py whose mean the eyes are.
STAGES = ("lesions",)
# Conversations without voxels beside each lesson with them, so that rare words are not forgotten.
WORDS = 8
HELD = 4
# Batches of conversations that the projection to φ is solved on.
ALIGNED = 60


def main() -> None:
    """One of three steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("join", "paper", "ship"))
    parser.add_argument("--vision", type=Path, default=Path("runs/vision"))
    parser.add_argument("--words", type=Path, default=Path("runs/language"))
    parser.add_argument("--pool", type=Path, default=Path("runs/language_all/pool"))
    parser.add_argument("--out", type=Path, default=Path("runs/voxelprompt"))
    parser.add_argument("--folder", type=Path, help="for ship: the checkpoint's new folder")
    parser.add_argument(
        "--real", type=Path, help="for ship: evaluation on the final real cases, for the card"
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    keep_memory()
    if given.step == "ship":
        ship(given)
    else:
        train(given)


def train(given: argparse.Namespace) -> None:
    """Joint training: of what was learnt apart, or of the paper's configuration from nothing."""
    paper = given.step == "paper"
    tokenizer = Tokenizer.load(given.words / "run" / "tokenizer.json")
    model = (
        VoxelPrompt(VoxelPromptConfig.preset("paper", vocabulary=tokenizer.size)) if paper else joined(given)
    )
    scribe, sizes = Scribe(tokenizer), model.config
    tasks = VoxelTasksConfig(tasks="all", unanswerable=0.1)
    config = JointConfig(tasks, sizes.preparation)
    lessons = _lessons(given, "training", scribe, config)
    whole = _lessons(given, "validation", scribe, config)
    where = runtime("auto", threads=given.threads)
    model = model.to(where.device).train()
    training = JointTraining(model, lessons, [whole(n) for n in range(HELD)], where)
    loss = training.loss if paper else _with_words(given, training, scribe)
    loop = Loop(
        model, PAPER if paper else JOINT, loss, given.out, scores=training.scores,
        say=lambda line: print(line, flush=True),
    )  # fmt: skip
    loop.run(minutes=given.minutes)


def _with_words(given: argparse.Namespace, training: JointTraining, scribe: Scribe) -> BatchLoss:
    """Eq. 2 of a lesson, and the text loss of conversations without voxels beside it."""
    stream = LanguageStream(read_pool(given.pool), scribe, SEED + 1)
    config = LanguageTrainingConfig(batch=WORDS, code_weight=0.0)
    words = LanguageTraining(training.model, stream, config)

    def loss(number: int) -> Mapping[str, Tensor]:
        terms, spoken = training.loss(number), words.loss(number)
        return {**terms, "loss": terms["loss"] + spoken["loss"], "words": spoken["text"]}

    return loss


def joined(given: argparse.Namespace) -> VoxelPrompt:
    """One model with the eyes and the words that were learnt apart."""
    tokenizer = Tokenizer.load(given.words / "run" / "tokenizer.json")
    model = VoxelPrompt(VoxelPromptConfig.preset("small", vocabulary=tokenizer.size))
    eyes = mean_eyes(given.vision, STAGES, model.config)
    model.encoder.load_state_dict(eyes.encoder.state_dict())
    model.generator.load_state_dict(eyes.generator.state_dict())
    words = torch.nn.ModuleDict({"language": model.language, "to_phi": model.to_phi})
    use_mean(torch.load(given.words / "run" / "all" / "last.pt", weights_only=True), words)
    pool, scribe = read_pool(given.pool), Scribe(tokenizer)
    whole = LanguageStream(pool, scribe, SEED + 4, least=LEAST)
    scripts = [script for n in range(ALIGNED) for script in whole.batch(n, 16)]
    wanted = wanted_codes(eyes)
    print("error of φ after alignment:", align(model.eval(), scripts, wanted), flush=True)
    stream = LanguageStream(pool, scribe, SEED + 8, least=LEAST, first_lines=FIRST_LINES)
    settle(given, model.train(), stream, {name: functional.silu(code) for name, code in wanted.items()})
    return model


def settle(
    given: argparse.Namespace, model: VoxelPrompt, stream: LanguageStream, codes: Mapping[str, Tensor]
) -> None:
    """The words go on with the φ that the eyes came to use, of which one linear layer misses some."""
    training = LanguageTraining(model, stream, LanguageTrainingConfig(), codes)
    loop = Loop(
        training.module, SETTLE, training.loss, given.out / "settled",
        say=lambda line: print(line, flush=True), hidden=training.hidden,
    )  # fmt: skip
    loop.run()
    loop.use_mean()


def wanted_codes(eyes: Eyes) -> dict[str, Tensor]:
    """What each name's φ shall be, before SiLU: as the eyes learnt it; images keep their fixed codes."""
    names = NAMES[1:]
    structures = dict(zip(names, eyes.before_silu(names).detach(), strict=True))
    images = image_inputs(tuple(KINDS), eyes.config.phi_channels)
    return {**structures, **dict(zip(KINDS, images, strict=True))}


def _lessons(given: argparse.Namespace, part: str, scribe: Scribe, config: JointConfig) -> Lessons:
    banks = Banks(given.vision / "studies" / part, training_worlds(f"vision_{part}"))

    def load(number: int, rng: np.random.Generator) -> tuple[Study, Mapping[str, Any]]:
        made = banks.load(number)
        return made.study, made.facts

    return Lessons(load, len(banks), scribe, config, SEED)


def ship(given: argparse.Namespace) -> None:
    """Write the checkpoint with its card."""
    tokenizer = Tokenizer.load(given.words / "run" / "tokenizer.json")
    model = VoxelPrompt(VoxelPromptConfig.preset("small", vocabulary=tokenizer.size))
    use_mean(torch.load(given.out / "last.pt", weights_only=True), model)
    scores = real_scores(given.real) if given.real else ()
    print(save_voxelprompt(given.folder, model.eval(), tokenizer, card(scores)))


def real_scores(run: Path) -> tuple[Score, ...]:
    """Dice of every final real case, from the folder of an evaluation: tumours, and the mean over anatomy."""
    found = []
    for path in sorted((run / "cases").glob("*.json"), key=lambda path: path.name.lower()):
        case = json.loads(path.read_text())
        dice = {r["structure"]: r["overlap"]["dice"] for r in case["records"]}
        same: dict[str, Any] = {"data": f"real: {case['source']}", "metric": "Dice", "case": case["case"]}
        found += [
            Score(**same, of=name, value=round(dice[name], 3))
            for name in ("whole tumour", "enhancing tumour", "white matter hyperintensities")
            if name in dice
        ]
        if set(ANATOMY) <= set(dice):
            mean = float(np.mean([dice[name] for name in ANATOMY]))
            found.append(Score(**same, of=f"the mean of {len(ANATOMY)} structures", value=round(mean, 3)))
    return tuple(found)


def card(scores: tuple[Score, ...]) -> Card:
    """What a reader should know."""
    return Card(
        name="voxelprompt-small",
        summary="Answers questions about brain MR with programs, masks and measurements (VoxelPrompt).",
        licence="Apache-2.0",
        data=(
            "brain MR simulated from ten people's head label maps (heads 01-07; Billot et al., SynthSeg, "
            "Apache-2.0)",
            "questions from this project's grammar",
        ),
        recipe="recipes/voxelprompt_vision.py, voxelprompt_language.py, voxelprompt.py (join --minutes 0), "
        f"seed {SEED}; run in parts while the recipes were written, not yet once as they stand",
        scores=scores,
        limits=(
            "medical research software, not a medical device: never for diagnosis or treatment",
            "trained on simulated scans alone; what it draws must be looked at: parts of tumours above all",
            "single lesions that are neither tumour nor white matter disease are mostly missed",
            "adults' heads; works at 2 mm, so that small structures and lesions are coarse",
            "English; questions outside its tasks are declined",
        ),
        accepts=Accepts(
            kinds=("t1", "t1c", "t2", "flair", "dwi", "adc", "ct", "mr"),
            most_volumes=8,
            most_sessions=4,
            regions=False,
        ),
    )


if __name__ == "__main__":
    main()
