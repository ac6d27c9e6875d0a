"""The eyes of the shipped VoxelPrompt: simulated studies → encoder and generator that φ steer.

    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage everything
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage prompts
    python recipes/voxelprompt_vision.py --heads HEADS --out runs/vision --stage whole

``HEADS`` holds the label maps ``training_seg_01`` … ``training_seg_10``; the studies are made on the first
run (a few minutes, 14 GB). ``--watch FOLDER`` looks at real validation scans now and then
(:mod:`sagittal.score.reals`). Stages go on where they were cut off; each starts from the one before it.

``everything`` draws all structures at once: the networks learn to see. ``prompts`` draws what φ asks for,
many structures a patch. ``whole`` does so on whole heads: group normalisation makes networks that learnt
from patches see whole heads less well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.eyes import CodebookEyes
from sagittal.models.voxelprompt.eyes_storage import save_eyes
from sagittal.score.reals import real_cases
from sagittal.simulate import HeadSet
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.patches import Patch, Patches
from sagittal.train.vision_losses import NAMES, Eyes, everything_loss, prompt_loss, pyramid_loss
from sagittal.train.vision_scores import Case, real_case, score, simulated_case
from sagittal.train.vision_set import VisionSet
from sagittal.train.worlds import make_banks, training_worlds

SEED = 20261
# Voxels an axis of a patch, and structures that are asked for in each; None: whole heads.
SIZES = {"everything": (64, 1), "prompts": (64, 16), "whole": (None, 2)}
# Real validation scans that are watched: a few, since each costs seconds.
WATCHED_SCANS = ("brats_2013_pat0005_1", "brats_2013_pat0006_1", "BraTS-GLI-00001-000", "Subj1", "Subj2")
WATCHED = (
    "cerebral white matter", "cerebral cortex", "lateral ventricle", "thalamus", "caudate", "putamen",
    "hippocampus", "cerebellum", "brainstem", "left hippocampus", "whole tumour", "tumour core",
    "enhancing tumour", "oedema", "lesion", "white matter hyperintensities",
)  # fmt: skip
STAGES: dict[str, tuple[Callable[[Eyes, Patch], dict[str, Tensor]], LoopConfig]] = {
    "everything": (everything_loss, LoopConfig(steps=3200, rate=1.5e-3, score_every=400)),
    "prompts": (
        pyramid_loss,
        LoopConfig(steps=2400, rate=2e-3, warm_up=50, score_every=300, save_every=50),
    ),
    "whole": (prompt_loss, LoopConfig(steps=800, rate=5e-4, warm_up=30, score_every=200, save_every=50)),
}


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
    parser.add_argument("--steps", type=int)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    sizes = VoxelPromptConfig.preset("small")
    eyes = Eyes(sizes.vision, sizes.language.width)
    if given.export:
        export(given, eyes, sizes)
        return
    before = {"prompts": "everything", "whole": "prompts"}.get(given.stage)
    if before:
        use_mean(torch.load(given.out / before / "last.pt", weights_only=True), eyes)
    if given.stage == "prompts":
        eyes.begin_prompts()
    size, asked = SIZES[given.stage]
    training = Patches(_studies(given, "training", range(7)), SEED, size, sizes.vision.levels, asked=asked)
    cases = _cases(given, sizes)
    of_patch, config = STAGES[given.stage]
    if given.steps:
        config = LoopConfig(**{**vars(config), "steps": given.steps})

    def loss(number: int) -> Mapping[str, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return of_patch(eyes, training(number))

    def scores() -> Mapping[str, float]:
        found = score(eyes, cases, prompted=given.stage != "everything")
        real = [v for k, v in found.items() if k.startswith("real")]
        made = [v for k, v in found.items() if k.startswith("made")]
        return {"score": float(np.mean([np.mean(x) for x in (real, made) if x])), **found}

    loop = Loop(
        eyes, config, loss, given.out / given.stage, scores=scores, say=lambda line: print(line, flush=True)
    )
    loop.run(minutes=given.minutes)


def export(given: argparse.Namespace, eyes: Eyes, sizes: VoxelPromptConfig) -> None:
    """Write the running mean of a stage's weights, for ``look_at_real.py`` and ``sagittal evaluate``."""
    use_mean(torch.load(given.out / given.stage / "last.pt", weights_only=True), eyes.eval())
    codes = dict(zip(NAMES, eyes.phi(NAMES).detach(), strict=True))
    save_eyes(given.export, CodebookEyes(eyes.encoder, eyes.generator, sizes, codes=codes))


def _studies(given: argparse.Namespace, split: str, heads: range) -> VisionSet:
    worlds = training_worlds(f"vision_{split}")
    label_maps = HeadSet.from_folder(given.heads).subset(heads)
    banks = make_banks(given.out / "studies" / split, worlds, label_maps, SEED)
    preparation = VoxelPromptConfig.preset("small").preparation
    return VisionSet(banks, given.out / "prepared" / split, preparation)


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
