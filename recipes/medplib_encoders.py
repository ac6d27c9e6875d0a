"""The two encoders of medplib-small, which the paper takes ready made, before MedPLIB's four stages.

    python recipes/medplib_data.py --heads HEADS --out runs/medplib/data
    python recipes/medplib_encoders.py points --real DATA
    python recipes/medplib_encoders.py pixels --real DATA
    python recipes/medplib_encoders.py masks --real DATA
    python recipes/medplib_encoders.py sharper --real DATA

``points`` is the encoder that words are said from, ``pixels`` the one that masks are drawn from. Both learn
classes of pixels on slices of simulated heads, one CT scan and chest films of Montgomery's; then ``masks``
learns to draw the class of a prompt, encoder and decoder together, and ``sharper`` goes on with it. Each
under an hour on one core; all go on where they were stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from sagittal.models.medplib.presets import medplib_config
from sagittal.models.vlm.model import VLM
from sagittal.nn.pixels import Pixels
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
}  # fmt: skip


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
    training: PictureLabelTraining | ClassMaskTraining
    if given.step in ("masks", "sharper"):
        module: nn.Module = ClassMasks(model.pixels, len(classes))
        model.pixels.frequencies.requires_grad_(False)
        before = module
        if given.step == "masks":
            before = pixel_labels(model.pixels, len(classes))
        name = "pixels" if given.step == "masks" else "masks"
        use_mean(torch.load(given.out / name / "last.pt", weights_only=True), before)
        model.pixels.requires_grad_(True)
        model.pixels.frequencies.requires_grad_(False)
        training = ClassMaskTraining(module, *squares, 14, given.seed + (given.step == "sharper"))
    elif given.step == "pixels":
        module = pixel_labels(model.pixels, len(classes))
        training = PictureLabelTraining(module, *squares, 16, given.seed)
    else:
        module = PointLabels(model, len(classes))
        training = PictureLabelTraining(module, *squares, 16, given.seed)
    layers = model.encoder.blocks if given.step == "points" else model.pixels.encoder.layers
    hidden = [p for name, p in layers.named_parameters() if p.ndim == 2 and "rel_pos" not in name]
    loop = Loop(
        module, LOOPS[given.step], training.loss, given.out / given.step, scores=training.scores, say=_say,
        hidden=hidden,
    )  # fmt: skip
    loop.run(minutes=given.minutes)


def pixel_labels(pixels: Pixels, classes: int) -> PixelLabels:
    """The encoder alone learns: the decoder has nothing to draw yet."""
    pixels.decoder.requires_grad_(False)
    pixels.no_mask.requires_grad_(False)
    return PixelLabels(pixels, classes)


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
