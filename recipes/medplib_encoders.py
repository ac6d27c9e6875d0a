"""The two encoders of medplib-small, which the paper takes ready made, before MedPLIB's four stages.

    python recipes/medplib_data.py --heads HEADS --out runs/medplib/data
    python recipes/medplib_encoders.py points --real DATA
    python recipes/medplib_encoders.py closer --real DATA
    python recipes/medplib_encoders.py pixels --real DATA
    python recipes/medplib_encoders.py masks --real DATA
    python recipes/medplib_encoders.py sharper --real DATA
    python recipes/medplib_encoders.py finer --real DATA

``points`` is the encoder that words are said from, ``pixels`` the one that masks are drawn from. Both learn
classes of pixels on slices of simulated heads, one CT scan and chest films of Montgomery's; ``closer`` goes
on with ``points``. After ``pixels``, ``masks`` learns to draw the class of a prompt, encoder and decoder
together, and ``sharper`` and ``finer`` go on with it. Each under an hour on one core; all go on where they
were stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch

from sagittal.models.medplib.presets import medplib_config
from sagittal.models.vlm.model import VLM
from sagittal.runtime import keep_memory
from sagittal.train.class_masks import ClassMasks, ClassMaskTraining
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.picture_bank import MarkedPicture, read_bank
from sagittal.train.picture_labels import PictureLabelTraining, PixelLabels, PointLabels
from sagittal.train.picture_views import Squares, classes_of
from sagittal.train.real_pictures import film_pictures, volume_pictures

SEED = 20262
WORLDS = ("healthy", "pre", "met", "wmh")
LOOPS = {
    "points": LoopConfig(
        steps=2_600, rate=1e-3, hidden_rate=4e-3, warm_up=100, decay=0.02, mean_over=200, save_every=100,
        score_every=500,
    ),
    "closer": LoopConfig(
        steps=2_400, rate=1e-3, hidden_rate=3e-3, warm_up=60, decay=0.02, mean_over=300, save_every=100,
        score_every=600,
    ),
    "pixels": LoopConfig(
        steps=2_000, rate=1.5e-3, hidden_rate=4e-3, warm_up=100, decay=0.02, mean_over=200, save_every=100,
        score_every=500,
    ),
    "masks": LoopConfig(
        steps=1_000, rate=1e-3, hidden_rate=2.5e-3, warm_up=40, decay=0.02, mean_over=150, save_every=100,
        score_every=250,
    ),
    "sharper": LoopConfig(
        steps=1_500, rate=8e-4, hidden_rate=2e-3, warm_up=40, decay=0.02, mean_over=150, save_every=100,
        score_every=250,
    ),
    "finer": LoopConfig(
        steps=1_500, rate=8e-4, hidden_rate=2e-3, warm_up=40, decay=0.02, mean_over=200, save_every=100,
        score_every=500,
    ),
}  # fmt: skip
Learner = PointLabels | PixelLabels | ClassMasks
#: Step → what it trains.
KINDS: Mapping[str, type[Learner]] = {
    "points": PointLabels, "closer": PointLabels, "pixels": PixelLabels, "masks": ClassMasks,
    "sharper": ClassMasks, "finer": ClassMasks,
}  # fmt: skip
#: Step → the one whose weights it begins with.
BEFORE = {"closer": "points", "masks": "pixels", "sharper": "masks", "finer": "sharper"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=tuple(LOOPS))
    parser.add_argument("--data", type=Path, default=Path("runs/medplib/data"))
    parser.add_argument("--real", type=Path, required=True, help="folder of the real scans and films")
    parser.add_argument("--out", type=Path, default=Path("runs/medplib"))
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    pictures = learning_pictures(given.data, given.real)
    held = validation_pictures(given.data, given.real)
    classes = classes_of(pictures)
    model = VLM(medplib_config("small")).train()
    squares = [Squares.make(own, classes, model.config.encoder.size[0]) for own in (pictures, held)]
    module = begun(model, given.step, len(classes), given.out)
    seed = given.seed + rounds(given.step)
    training: PictureLabelTraining | ClassMaskTraining
    if isinstance(module, ClassMasks):
        training = ClassMaskTraining(module, *squares, 14, seed)
    else:
        training = PictureLabelTraining(module, *squares, 16, seed)
    at_points = isinstance(module, PointLabels)
    layers = model.encoder.blocks if at_points else model.pixels.encoder.layers
    hidden = [p for name, p in layers.named_parameters() if p.ndim == 2 and "rel_pos" not in name]
    loop = Loop(
        module, LOOPS[given.step], training.loss, given.out / given.step, scores=training.scores, say=_say,
        hidden=hidden,
    )  # fmt: skip
    loop.run(minutes=given.minutes)


def begun(model: VLM, step: str, classes: int, out: Path) -> Learner:
    """What a step trains, with the weights of the one before it."""
    assert model.pixels is not None, "it draws"
    module = KINDS[step](model.pixels if KINDS[step] is not PointLabels else model, classes)
    if step in BEFORE:
        before = module
        if KINDS[BEFORE[step]] is not KINDS[step]:
            # Another head on the same encoder.
            before = KINDS[BEFORE[step]](model.pixels, classes)
        use_mean(torch.load(out / BEFORE[step] / "last.pt", weights_only=True), before)
    if isinstance(module, PixelLabels):
        # The encoder alone learns: the decoder has nothing to draw yet.
        model.pixels.decoder.requires_grad_(False)
        model.pixels.no_mask.requires_grad_(False)
    model.pixels.frequencies.requires_grad_(False)
    return module


def rounds(step: str) -> int:
    """Steps of the same kind before it: each has a seed of its own."""
    before = BEFORE.get(step)
    return 0 if before is None or KINDS[before] is not KINDS[step] else 1 + rounds(before)


def learning_pictures(data: Path, real: Path) -> list[MarkedPicture]:
    """What may ship: simulated slices, one CT scan, Montgomery's films."""
    made = read_bank([data / "training" / world for world in WORLDS])
    return [*made, *volume_pictures(real, "train"), *film_pictures(real, "montgomery", "train")]


def validation_pictures(data: Path, real: Path) -> list[MarkedPicture]:
    """What choices are made by."""
    made = read_bank([data / "validation" / world for world in WORLDS])
    return [*made, *film_pictures(real, "montgomery", "validation")]


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
