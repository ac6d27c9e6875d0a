"""The text-conditioned U-Net of Table 2: the same requests, pictures and losses as MedPLIB's masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sagittal.evaluation.medplib.asked import grounding_questions
from sagittal.evaluation.medplib.compare import EVERY, Comparison, Marks, Say, kept, settle_run
from sagittal.evaluation.medplib.scores import dice
from sagittal.evaluation.medplib.variants import UNET_BATCH, UNET_LOOP
from sagittal.models.medplib.pictures import frame_of, squared
from sagittal.models.vlm.chat import padded
from sagittal.nn.text_unet import TextUNet
from sagittal.runtime import autocast
from sagittal.train.loop import Loop
from sagittal.train.medplib import mask_losses, summed
from sagittal.train.medplib_set import PictureSet, shares_of
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.picture_questions import Asker, Question
from sagittal.train.stages import medplib_stages

_EDGE = 128


class UNetTraining:
    """Requests of one class each, as batches that follow from their numbers.

    Args:
        model: what is trained.
        own: pictures.
        on: gives the words.
        seed: of every draw.
    """

    def __init__(self, model: TextUNet, own: PictureSet, on: Comparison, seed: int) -> None:
        self.model, self.own, self.on, self.seed = model, own, on, seed
        self._asker = Asker(own.pictures, own.pairs)
        self._probability = shares_of(own.pictures)

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Of one batch: the losses of MedPLIB's masks."""
        rng = np.random.default_rng([self.seed, number])
        asked = [self._one(rng) for _ in range(UNET_BATCH)]
        logits = drawn(self.model, self.on, self.own.pictures, asked)
        truth = torch.stack([self._truth(one) for one in asked])
        return summed(mask_losses(logits, truth), medplib_stages().weights)

    def _one(self, rng: np.random.Generator) -> Question:
        while True:
            number = int(rng.choice(len(self._probability), p=self._probability))
            if self._asker.able(number, "grounding"):
                one = self._asker.ask(number, "grounding", rng)
                if len(one.masks) == 1:
                    return one

    def _truth(self, one: Question) -> Tensor:
        picture = self.own.pictures[one.picture]
        own = picture.of_class(one.masks[0]).astype(np.uint8)
        return frame_of(picture.image, _EDGE).nearest(own).float()


def drawn(
    model: TextUNet, on: Comparison, pictures: Sequence[MarkedPicture], asked: Sequence[Question]
) -> Tensor:
    """(R, S, S) logits of some requests."""
    images = [pictures[one.picture].image for one in asked]
    seen = torch.stack([squared(image, frame_of(image, _EDGE)) for image in images]).float() / 255
    words = padded([on.ground.speech.chat.encode(one.question) for one in asked])
    with autocast():
        logits: Tensor = model(seen, words.ids, words.real)
    return logits


def unet_marks(on: Comparison, seed: int, say: Say) -> Marks:
    """Marks of the U-Net: requests of one class alone."""
    folder = on.work / f"unet-{seed}"
    settle_run(on, folder, "unet", seed)
    return kept(folder, lambda: _run(on, folder, seed, say))


def _run(on: Comparison, folder: Path, seed: int, say: Say) -> Marks:
    torch.manual_seed(seed)
    model = TextUNet(on.words).train()
    loop = Loop(model, UNET_LOOP, UNetTraining(model, on.ground.learning, on, seed).loss, folder, say=say)
    loop.run()
    loop.use_mean()
    model.eval()
    pictures = on.test[::EVERY]
    asked = [one for one in grounding_questions(pictures) if len(one.masks) == 1]
    found = []
    with torch.no_grad():
        for start in range(0, len(asked), UNET_BATCH):
            some = asked[start : start + UNET_BATCH]
            for one, logits in zip(some, drawn(model, on, pictures, some).float(), strict=True):
                picture = pictures[one.picture]
                mask = frame_of(picture.image, _EDGE).back(logits) > 0
                found.append((picture.facts.patient, dice(mask, picture.of_class(one.masks[0]))))
    return {"single": found}
