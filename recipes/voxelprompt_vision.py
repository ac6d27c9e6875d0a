"""The eyes of the shipped VoxelPrompt: simulated studies → encoder and generator that φ steer.

    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage everything
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage prompts
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage finest
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage whole
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage weaker
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage heads
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage worst
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage lesions

``HEADS`` holds the label maps ``training_seg_01`` … ``training_seg_10``; the studies are made on the first
run (a few minutes, 14 GB). ``--watch FOLDER`` looks at real validation scans now and then
(:mod:`sagittal.score.reals`). Stages go on where they were cut off; each starts from the one before it.

``everything`` draws all structures at once: the networks learn to see. ``prompts`` draws what φ asks for,
many structures a patch; the deep levels learn it first, and ``finest`` asks the finest level for more.
``whole`` does so on whole heads: group normalisation makes networks that learnt from patches see whole heads
less well. ``weaker`` goes on with that, and with tumours that enhance less (:func:`patches.weakened`; the
stages before it met them as they were simulated). ``heads`` is the same for longer, with tumours and their
parts asked for more often; its schedule was for 1,200 steps at first and was shortened while it ran.
``worst`` asks for a structure the more often the worse it was drawn on the validation head when the stage
began (``worst/often.json``); CT came in with it. Its schedule was shortened while it ran, and it ended
at step 705. ``lesions`` begins halfway between the two before it, asks for main structures as ``heads`` does,
and adds the studies of ``single_training``: 780 with single lesions in named places, of different signal,
with restricted diffusion or with enhancement, of which the stages before met 130. Up to step 180 it drew each
as often as any other study, then twice as often; it was ended at step 300, when single lesions of any signal
were still not drawn (docs/decisions.md).

``GLIBC_TUNABLES=glibc.malloc.hugetlb=1`` in the environment saves page faults on Linux.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sagittal.files import to_json_text, write_text
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.eyes import CodebookEyes
from sagittal.models.voxelprompt.eyes_storage import save_eyes
from sagittal.runtime import autocast, keep_memory
from sagittal.score.reals import real_cases
from sagittal.simulate import HeadSet
from sagittal.train.loop import Loop, LoopConfig
from sagittal.train.patches import MAIN, Patch, Patches
from sagittal.train.vision_losses import NAMES, Eyes, everything_loss, pyramid_loss
from sagittal.train.vision_scores import Case, real_case, score, simulated_case
from sagittal.train.vision_set import VisionSet, VisionSets
from sagittal.train.vision_stages import mean_eyes
from sagittal.train.worlds import make_banks, training_worlds

SEED = 20261
# Studies of the classifiers of one task are those of voxelprompt_single.py, made with its seed.
SEEDS = {"vision": SEED, "single": 20262}
# Real validation scans that are watched: a few, since each costs seconds.
WATCHED_SCANS = (
    "brats_2013_pat0005_1",
    "brats_2013_pat0006_1",
    "BraTS-GLI-00001-000",
    "Subj1 T1",
    "Subj2 T1",
)
WATCHED = (
    "cerebral white matter", "cerebral cortex", "lateral ventricle", "thalamus", "caudate", "putamen",
    "hippocampus", "cerebellum", "brainstem", "left hippocampus", "whole tumour", "tumour core",
    "enhancing tumour", "oedema", "lesion", "white matter hyperintensities",
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """One part of the training.

    Attributes:
        loss: of a patch.
        loop: how to train.
        end: the step at which it was ended; its schedule may reach further.
        size: voxels an axis of a patch; whole heads when ``None``.
        asked: structures asked for in each.
        after: the stages whose mean it begins with.
        by_need: whether what is drawn worst is asked for most.
        tables: of the worlds that it learns from.
    """

    loss: Callable[[Eyes, Patch], dict[str, Tensor]]
    loop: LoopConfig
    end: int
    size: int | None
    asked: int
    after: tuple[str, ...] = ()
    by_need: bool = False
    tables: tuple[str, ...] = ("vision",)


STAGES = {
    "everything": Stage(everything_loss, LoopConfig(steps=3200, rate=1.5e-3, score_every=400), 2000, 64, 1),
    "prompts": Stage(
        partial(pyramid_loss, counts=(1, 3, 6, 16), everything=0.3),
        LoopConfig(steps=2400, rate=2e-3, warm_up=50, score_every=300, save_every=50),
        1600, 64, 16, ("everything",),
    ),
    "finest": Stage(
        partial(pyramid_loss, counts=(4, 4, 4, 6)),
        LoopConfig(steps=900, rate=1.5e-3, warm_up=30, score_every=300, save_every=50, last_rate=0.1),
        650, 64, 6, ("prompts",),
    ),
    "whole": Stage(
        partial(pyramid_loss, counts=(3, 3, 4, 6)),
        LoopConfig(steps=240, rate=8e-4, warm_up=10, mean_over=60, score_every=80, save_every=10),
        120, None, 6, ("finest",),
    ),
    "weaker": Stage(
        partial(pyramid_loss, counts=(3, 3, 4, 6)),
        LoopConfig(steps=240, rate=8e-4, warm_up=10, mean_over=60, score_every=80, save_every=10),
        180, None, 6, ("whole",),
    ),
    "heads": Stage(
        partial(pyramid_loss, counts=(3, 3, 4, 6)),
        LoopConfig(steps=470, rate=1e-3, warm_up=20, mean_over=80, score_every=470, save_every=10),
        470, None, 6, ("weaker",),
    ),
    "worst": Stage(
        partial(pyramid_loss, counts=(3, 3, 4, 6)),
        LoopConfig(steps=710, rate=8e-4, warm_up=20, mean_over=80, score_every=710, save_every=5),
        705, None, 6, ("heads",), True,
    ),
    "lesions": Stage(
        partial(pyramid_loss, counts=(3, 3, 4, 6)),
        LoopConfig(steps=460, rate=8e-4, warm_up=15, mean_over=60, score_every=460, save_every=10),
        300, None, 6, ("heads", "worst"), tables=("vision", "single", "single"),
    ),
}  # fmt: skip


def main() -> None:
    """Make the studies, train one stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/vision"))
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--watch", type=Path)
    parser.add_argument("--export", type=Path, help="write the stage's eyes so far to this file, and stop")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    keep_memory()
    sizes = VoxelPromptConfig.preset("small")
    eyes = Eyes(sizes.vision, sizes.language.width)
    if given.export:
        export(given, sizes)
        return
    stage = STAGES[given.stage]
    if stage.after:
        eyes.load_state_dict(mean_eyes(given.out, stage.after, sizes).state_dict())
    if given.stage == "prompts":
        eyes.begin_prompts()
    heads = VisionSets([_studies(given, "training", range(7), table) for table in stage.tables])
    often = _often(given, eyes, sizes) if stage.by_need else MAIN
    training = Patches(heads, SEED, stage.size, sizes.vision.levels, asked=stage.asked, often=often)
    cases = _cases(given, sizes)

    def loss(number: int) -> Mapping[str, Tensor]:
        with autocast():
            return stage.loss(eyes, training(number))

    def scores() -> Mapping[str, float]:
        found = score(eyes, cases, prompted=given.stage != "everything")
        real = [v for k, v in found.items() if k.startswith("real")]
        made = [v for k, v in found.items() if k.startswith("made")]
        return {"score": float(np.mean([np.mean(x) for x in (real, made) if x])), **found}

    loop = Loop(
        eyes, stage.loop, loss, given.out / given.stage, scores=scores,
        say=lambda line: print(line, flush=True),
    )  # fmt: skip
    loop.run(minutes=given.minutes, end=stage.end)


def export(given: argparse.Namespace, sizes: VoxelPromptConfig) -> None:
    """Write the running mean of a stage's weights, for ``look_at_real.py`` and ``sagittal evaluate``."""
    eyes = mean_eyes(given.out, (given.stage,), sizes).eval()
    codes = dict(zip(NAMES, eyes.phi(NAMES).detach(), strict=True))
    save_eyes(given.export, CodebookEyes(eyes.encoder, eyes.generator, sizes, codes=codes))


def _studies(given: argparse.Namespace, split: str, heads: range, table: str = "vision") -> VisionSet:
    worlds = training_worlds(f"{table}_{split}")
    label_maps = HeadSet.from_folder(given.heads).subset(heads)
    part = split if table == "vision" else f"{split}-{table}"
    banks = make_banks(given.out / "studies" / part, worlds, label_maps, SEEDS[table])
    preparation = VoxelPromptConfig.preset("small").preparation
    return VisionSet(banks, given.out / "prepared" / part, preparation)


def _often(given: argparse.Namespace, eyes: Eyes, sizes: VoxelPromptConfig) -> Mapping[str, float]:
    """How often to ask for each structure: by what its Dice lacks on the validation head, found once."""
    path = given.out / given.stage / "often.json"
    if not path.exists():
        held = _studies(given, "validation", range(7, 8))
        levels = sizes.vision.levels
        cases = [simulated_case(f"made-{n}", held.load(n), NAMES[1:], levels) for n in range(len(held))]
        lacks = {n.removeprefix("made "): 1 - d for n, d in score(eyes.eval(), cases, prompted=True).items()}
        eyes.train()
        # What the validation head does not have counts as half drawn; main structures matter most.
        often = {n: max(0.1, lacks.get(n, 0.5)) * (2 if n in MAIN else 1) for n in NAMES[1:]}
        write_text(path, to_json_text(often))
    found: Mapping[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _cases(given: argparse.Namespace, sizes: VoxelPromptConfig) -> list[Case]:
    """Simulated studies of the validation head, and real scans that may be looked at."""
    levels = sizes.vision.levels
    held = _studies(given, "validation", range(7, 8))
    cases = [simulated_case(f"made-{n}", held.load(n), WATCHED, levels) for n in range(len(held))]
    for one in real_cases(given.watch) if given.watch else []:
        if one.name in WATCHED_SCANS:
            masks = {n: one.truth[n] for n in WATCHED if n in one.truth}
            cases.append(real_case(f"real-{one.name}", one.images, masks, sizes.preparation, levels))
    return cases


if __name__ == "__main__":
    main()
