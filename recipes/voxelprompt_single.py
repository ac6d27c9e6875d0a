"""Single-task benchmarks for the shipped VoxelPrompt (§5.2, §5.3): simulated studies → one network a task.

    python recipes/voxelprompt_single.py --heads HEADS --task hippocampus
    python recipes/voxelprompt_single.py --heads HEADS --task "diffusion restriction"

``HEADS`` holds the label maps ``training_seg_01`` … ``training_seg_10``: 01–07 are learnt from, 08 is looked
at. Structures are learnt from the very studies that the eyes learnt from (``--vision`` is the folder of
``voxelprompt_vision.py``), first on patches, then on whole heads, with soft Dice; characterisations from
studies of their own, which the first run makes, with cross-entropy. A run that was cut off goes on where it
was. The network with the running mean of its weights ends up in ``OUT/TASK/model``.

``GLIBC_TUNABLES=glibc.malloc.hugetlb=1`` in the environment saves page faults on Linux.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sagittal.builders.voxel.characterised import CHARACTERISATIONS, characterisation
from sagittal.evaluation.single_task import network_folder
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.single_task import SingleTaskConfig, save_single_task
from sagittal.nn.single_task import SingleTaskClassifier, SingleTaskUNet
from sagittal.runtime import autocast, keep_memory
from sagittal.simulate import HeadSet
from sagittal.train.characterised import CharacterisedCases, classifier_loss, classifier_scores
from sagittal.train.loop import BatchLoss, Loop, LoopConfig, Scores, use_mean
from sagittal.train.single_task import TARGETS, StudiesWith, TargetPatches, target_loss, target_scores
from sagittal.train.vision_scores import simulated_case
from sagittal.train.vision_set import VisionSet
from sagittal.train.worlds import make_banks, training_worlds

#: Of the eyes' recipe: its studies are found again by it.
VISION_SEED = 20261
SEED = 20262
SIZES = VoxelPromptConfig.preset("small")
#: A patch costs 0.9 s on one core, a whole head 2.3 s: 14 minutes of the one, 16 of the other.
DRAWN = LoopConfig(steps=1320, rate=1.5e-3, warm_up=50, mean_over=80, score_every=330, save_every=50)
ON_PATCHES, PATCH = 900, 64
#: Coarser than the eyes': a class is learnt from hundreds of heads, and lesions are centimetres.
COARSE = SIZES.preparation.model_copy(update={"working_mm": 3.0})
#: At first around the lesion, for most of the steps; then whole heads. No axis of the deepest level has two
#: voxels, with which bfloat16 gradients of a convolution are now and then no numbers (oneDNN of torch 2.13).
AROUND = 34
#: Cases around the lesion, 0.045 s an image, and whole heads, 0.2 s an image.
AROUND_CASES, WHOLE_CASES = 3200, 400


def naming(classes: int, longer: int) -> LoopConfig:
    """A step has each class as often."""
    batch = classes * max(1, 4 // classes)
    steps = longer * (AROUND_CASES + WHOLE_CASES) // batch
    return LoopConfig(
        steps=steps, rate=1.5e-3, warm_up=30, accumulate=batch, mean_over=60, score_every=steps // 4,
        save_every=50,
    )  # fmt: skip


def main() -> None:
    """Make what is missing of the studies, train one network, write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks = (*TARGETS, *(task.name for task in CHARACTERISATIONS))
    parser.add_argument("--heads", type=Path, required=True)
    parser.add_argument("--task", choices=tasks, required=True)
    parser.add_argument("--vision", type=Path, default=Path("runs/vision"))
    parser.add_argument("--out", type=Path, default=Path("runs/single"))
    parser.add_argument("--longer", type=int, default=1, help="times as many cases of a characterisation")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_flush_denormal(True)
    keep_memory()
    drawn = given.task in TARGETS
    config = SingleTaskConfig(
        task=given.task,
        classes=() if drawn else characterisation(given.task).classes,
        vision=SIZES.vision,
        preparation=SIZES.preparation if drawn else COARSE,
    )
    folder = network_folder(given.out, given.task).parent
    if drawn:
        unet = SingleTaskUNet(SIZES.vision)
        _train(given, config, folder, unet, DRAWN, *_drawing(given, unet))
    else:
        classifier = SingleTaskClassifier(SIZES.vision, len(config.classes))
        how = naming(len(config.classes), given.longer)
        _train(given, config, folder, classifier, how, *_naming(given, classifier))


def _train(
    given: argparse.Namespace,
    config: SingleTaskConfig,
    folder: Path,
    network: SingleTaskUNet | SingleTaskClassifier,
    how: LoopConfig,
    loss: BatchLoss,
    scores: Scores,
) -> None:
    loop = Loop(network, how, loss, folder, scores=scores, say=lambda line: print(line, flush=True))
    progress = loop.run(minutes=given.minutes)
    use_mean(torch.load(folder / "last.pt", weights_only=True), network)
    model = network_folder(given.out, given.task)
    shutil.rmtree(model, ignore_errors=True)
    save_single_task(
        model,
        network,
        config,
        data=("brain MR simulated from the head label maps 01-07 (Billot et al., SynthSeg, Apache-2.0)",),
        recipe=f"recipes/voxelprompt_single.py --task '{given.task}', seed {SEED}, {progress.step} steps",
    )


def _drawing(given: argparse.Namespace, network: SingleTaskUNet) -> tuple[BatchLoss, Scores]:
    """The eyes' own studies that have the structure, and those of the validation head."""
    levels = SIZES.vision.levels

    def studies(split: str, heads: range) -> VisionSet:
        worlds, folder = training_worlds(f"vision_{split}"), given.vision / "studies" / split
        banks = make_banks(folder, worlds, HeadSet.from_folder(given.heads).subset(heads), VISION_SEED)
        found = VisionSet(banks, given.vision / "prepared" / split, SIZES.preparation)
        return StudiesWith(found, given.task)

    training = studies("training", range(7))
    patches, heads = (TargetPatches(training, given.task, SEED, size, levels) for size in (PATCH, None))
    held = studies("validation", range(7, 8))
    cases = [simulated_case(f"made-{n}", held.load(n), [given.task], levels) for n in range(len(held))]

    def loss(number: int) -> Mapping[str, Tensor]:
        with autocast():
            return target_loss(network, *(patches if number < ON_PATCHES else heads)(number))

    return loss, lambda: target_scores(network, cases)


def _naming(given: argparse.Namespace, network: SingleTaskClassifier) -> tuple[BatchLoss, Scores]:
    """Studies of the worlds that show the task."""
    task = characterisation(given.task)

    def cases(split: str, heads: range) -> CharacterisedCases:
        worlds = tuple(w for w in training_worlds(f"single_{split}") if w.name in task.worlds)
        label_maps = HeadSet.from_folder(given.heads).subset(heads)
        banks = make_banks(given.out / "studies" / split, worlds, label_maps, SEED)
        folder = given.out / "prepared" / split / "-".join(w.name for w in worlds)
        return CharacterisedCases(banks, folder, task, COARSE, SIZES.vision.levels)

    training, held = cases("training", range(7)), cases("validation", range(7, 8))

    def loss(number: int) -> Mapping[str, Tensor]:
        size = AROUND if number < given.longer * AROUND_CASES else None
        with autocast():
            return classifier_loss(network, training.draw(SEED, number, size))

    return loss, lambda: classifier_scores(network, held)


if __name__ == "__main__":
    main()
