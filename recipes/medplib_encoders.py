"""The two encoders of medplib-small, which the paper takes ready made, before MedPLIB's four stages.

    python recipes/medplib_data.py --heads HEADS --out runs/medplib/data
    python recipes/medplib_encoders.py points --real DATA
    python recipes/medplib_encoders.py pixels --real DATA

``points`` is the encoder that words are said from, ``pixels`` the one that masks are drawn from. Both learn
classes of pixels on slices of simulated heads, one CT scan and chest films of Montgomery's. Each under an
hour on one core; both go on where they were stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sagittal.models.medplib.presets import medplib_config
from sagittal.models.vlm.model import VLM
from sagittal.runtime import keep_memory
from sagittal.train.loop import Loop, LoopConfig
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
    if given.step == "points":
        module: PointLabels | PixelLabels = PointLabels(model, len(classes))
        hidden = [p for p in module.encoder.blocks.parameters() if p.ndim == 2]
    else:
        module = PixelLabels(model.pixels, len(classes))
        module.pixels.decoder.requires_grad_(False)
        module.pixels.no_mask.requires_grad_(False)
        hidden = [
            p
            for n, p in module.pixels.encoder.layers.named_parameters()
            if p.ndim == 2 and "rel_pos" not in n
        ]
    training = PictureLabelTraining(
        module, Squares.make(pictures, classes, 192), Squares.make(held, classes, 192), 16, given.seed
    )
    loop = Loop(
        module, LOOPS[given.step], training.loss, given.out / given.step, scores=training.scores, say=_say,
        hidden=hidden,
    )  # fmt: skip
    loop.run(minutes=given.minutes)


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
