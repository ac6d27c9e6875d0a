"""The words of the shipped VoxelPrompt: questions → programs, with the φ that steer its eyes.

    python recipes/voxelprompt_language.py pool --heads HEADS --data runs/language/pool
    python recipes/voxelprompt_language.py train --data runs/language/pool --out runs/language/run
    python recipes/voxelprompt_language.py more --data runs/language/pool --out runs/language/run
    python recipes/voxelprompt_language.py pool --tasks all --heads HEADS --data runs/language_all/pool
    python recipes/voxelprompt_language.py all --data runs/language_all/pool --out runs/language/run
    python recipes/voxelprompt_language.py score --data runs/language_all/pool --out runs/language/run/all

``pool`` simulates patients (about five minutes on one core): ``HEADS`` holds the label maps
``training_seg_01`` … ``training_seg_10``, of which the first seven are used. ``train`` makes the tokenizer
and trains; it goes on where it was cut off. ``more``, in ``OUT/more``, begins with what that learnt, and half
of its conversations end after the line that says what was asked (its schedule was for 3,000 steps at first;
what is misread most came more often from step 720 on). ``all``, in ``OUT/all``, begins with what ``more``
learnt of the core, and goes on with every task of §4.1 (its schedule was for 1,200 steps until step 350).
``score`` lets the last weights write programs.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from sagittal.files import write_text
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.voxelprompt import Scribe, VoxelPrompt, VoxelPromptConfig
from sagittal.runtime import keep_memory
from sagittal.score.programs import by_kind, program_scores
from sagittal.simulate import HeadSet
from sagittal.train.language import LanguageTraining, LanguageTrainingConfig
from sagittal.train.language_pool import Item, PoolConfig, make_pool, read_pool
from sagittal.train.language_stream import BLOCK, Kind, LanguageStream
from sagittal.train.language_tokenizer import train_tokenizer
from sagittal.train.language_writing import written
from sagittal.train.loop import Loop, LoopConfig, use_mean

SEED = 20261
LOOP = LoopConfig(
    steps=3_000,
    rate=1.5e-3,
    hidden_rate=3e-3,
    warm_up=60,
    decay=0.02,
    accumulate=BLOCK,
    mean_over=200,
    save_every=50,
    score_every=250,
)
MORE = dataclasses.replace(LOOP, steps=2_500, rate=8e-4, hidden_rate=1.6e-3)
ALL = dataclasses.replace(LOOP, steps=1_030, rate=1e-3, hidden_rate=2e-3)
TRAINING = LanguageTrainingConfig()
# As many tokens a step as before, since first lines are short.
MORE_TRAINING = LanguageTrainingConfig(batch=9)
FIRST_LINES = {"more": 0.5, "all": 0.4}
LEAST = {"all": 0.01}
# What each step begins with, where it does not begin with nothing.
AFTER = {"more": "", "all": "more"}


def main() -> None:
    """One of the steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("pool", "train", "more", "all", "score"))
    parser.add_argument("--data", type=Path, default=Path("runs/language/pool"))
    parser.add_argument("--out", type=Path, default=Path("runs/language/run"))
    parser.add_argument("--heads", type=Path, help="for pool")
    parser.add_argument("--tasks", choices=("core", "all"), default="core", help="for pool")
    parser.add_argument("--steps", type=int, help="of the schedule, instead of the recipe's")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--count", type=int, default=600, help="for score: conversations of each sort")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    if given.step == "pool":
        if given.heads is None:
            parser.error("pool needs --heads")
        heads = HeadSet.from_folder(given.heads).subset(range(7))
        config = PoolConfig()
        config = config.model_copy(update={"tasks": config.tasks.model_copy(update={"tasks": given.tasks})})
        make_pool(given.data, heads, config, given.seed, lambda done, of: print(f"{done}/{of}", flush=True))
        return
    items = read_pool(given.data)
    training = _training(given, items)
    if given.step != "score":
        if given.step in AFTER:
            before = given.out / AFTER[given.step] / "last.pt"
            use_mean(torch.load(before, weights_only=True), training.module)
        config = {"train": LOOP, "more": MORE, "all": ALL}[given.step]
        loop = Loop(
            training.module,
            dataclasses.replace(config, steps=given.steps or config.steps),
            training.loss,
            given.out / given.step if given.step in AFTER else given.out,
            scores=training.scores,
            say=lambda line: print(line, flush=True),
            hidden=training.hidden,
        )
        loop.run(minutes=given.minutes)
        return
    use_mean(torch.load(given.out / "last.pt", weights_only=True), training.module)
    training.model.eval()
    _score(training, given.count)


def _score(training: LanguageTraining, count: int) -> None:
    """Rates with their intervals, for each sort of wording, and the tasks that go worst."""
    kinds: tuple[Kind, ...] = ("clean", "typed", "withheld")
    for kind in kinds:
        drawn = training.stream.validation(kind, count)
        found = written(training.model, training.stream.scribe.tokenizer, drawn)
        print(f"{kind}: {count} conversations")
        worst = list(by_kind(found).items())[:8]
        for name, rate in [*program_scores(found).items(), *worst]:
            low, high = rate.interval
            print(f"  {name:22} {rate.value:6.1%}  [{low:.1%}, {high:.1%}]  {rate.count} of {rate.total}")


def _training(given: argparse.Namespace, items: tuple[Item, ...]) -> LanguageTraining:
    """Tokenizer (made once), model and data; the same seed gives the same."""
    found = [f for f in (given.out, given.out.parent) if (f / "tokenizer.json").exists()]
    path = (found or [given.out])[0] / "tokenizer.json"
    if not path.exists():
        write_text(path, train_tokenizer(items, given.seed).to_json())
    tokenizer = Tokenizer.load(path)
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    model = VoxelPrompt(VoxelPromptConfig.preset("small", vocabulary=tokenizer.size)).train()
    # A later step draws other conversations; `score` draws those that `train` was watched on.
    seed = given.seed + ("train", "more", "all").index(given.step) if given.step != "score" else given.seed
    stream = LanguageStream(
        items,
        Scribe(tokenizer),
        seed,
        first_lines=FIRST_LINES.get(given.step, 0.0),
        least=LEAST.get(given.step, 0.0),
    )
    return LanguageTraining(model, stream, MORE_TRAINING if given.step in AFTER else TRAINING)


if __name__ == "__main__":
    main()
