"""A small world for pictures: a film with a square, a tiny MedPLIB, and one that says what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pictures

from sagittal.asking.medplib import MedPLIBAnswerer
from sagittal.asking.medplib_outcome import Spoken
from sagittal.asking.models import Offer
from sagittal.asking.pointing import View
from sagittal.language.tokenizer import CHAT_TOKENS, EOS, SEGMENT, Tokenizer
from sagittal.models.checkpoint import Accepts, Card
from sagittal.models.medplib.pictures import frame_of, squared
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Masks, Said
from sagittal.models.vlm.storage import save_vlm
from sagittal.runtime import runtime
from sagittal.study import Image

WIDTH, HEIGHT = 60, 40
FINER = 8
#: x0, y0, x1, y1 of the square, both corners inside.
SQUARE = (36, 6, 51, 17)
KINDS = ("t1", "t1c", "t2", "flair", "pd", "dwi", "adc", "gre", "mr", "ct", "cxr", "photo", "unknown")
CARD = Card(
    name="looker", summary="for a test", licence="none", data=("nothing",), recipe="a test", limits=("all",),
    accepts=Accepts(kinds=KINDS, most_volumes=1, regions=True, pictures=True),
)  # fmt: skip
TEXTS = [
    "Here is the segmentation: the liver , the spleen .",
    "What is in this region?",
    "There is no x.",
] * 4


def rows() -> np.ndarray:
    """(rows, columns) of the film: a ramp with a bright square."""
    pixels = np.tile(np.arange(WIDTH, dtype=np.uint8), (HEIGHT, 1))
    x0, y0, x1, y1 = SQUARE
    pixels[y0 : y1 + 1, x0 : x1 + 1] = 250
    return pixels


def film(folder: Path, name: str = "film.png") -> Path:
    Pictures.fromarray(rows()).save(folder / name)
    return folder / name


def inside() -> np.ndarray:
    """(width, height) of the square."""
    return rows().T == 250


def words() -> Tokenizer:
    return Tokenizer.train(TEXTS, 330, CHAT_TOKENS)


def made() -> tuple[VLM, OwnChat]:
    """A model that was never trained."""
    chat = OwnChat(words())
    torch.manual_seed(0)
    return VLM(medplib_config("tiny", chat.tokenizer.size)).eval(), chat


def folder_of(tmp_path: Path) -> Path:
    model, chat = made()
    return save_vlm(tmp_path / "looker", model, chat, CARD, task="medplib")


def told(*pieces: str | np.ndarray | None, end: bool = True, card: Card = CARD) -> Offer:
    """A model that says given words and draws given masks, (width, height) each; ``None`` draws nothing."""
    model, chat = made()
    tokenizer = chat.tokenizer
    ids: list[int] = []
    for piece in pieces:
        ids += tokenizer.encode(piece) if isinstance(piece, str) else [tokenizer.special(SEGMENT)]
    ids += [tokenizer.special(EOS)] if end else []
    drawn = [piece for piece in pieces if not isinstance(piece, str)]
    pictures: list[Image] = []

    class Teller(MedPLIBAnswerer):
        def say(self, question: str, view: View) -> Spoken:
            pictures.append(view.slice.picture)
            return super().say(question, view)

    def say(prompt, *, end: int, most: int, pixels: torch.Tensor) -> Said:
        logits = logits_of(drawn, pictures[-1], model)
        return Said([ids[:most]], Masks(logits, torch.zeros(len(drawn), dtype=torch.long)))

    model.say = say
    loaded = Teller("looker", model, Speech.of(chat), runtime())
    return Offer("looker", card, lambda: loaded, speaks=True)


def logits_of(drawn: Sequence[np.ndarray | None], picture: Image, model: VLM) -> torch.Tensor:
    """Masks on a picture as a decoder gives them, over the whole square; finer, so that no border is lost."""
    size = model.config.drawing.pixels.size
    own = frame_of(picture, size)
    finer = replace(own, edge=own.edge * FINER, inner=tuple(FINER * n for n in own.inner))
    out = torch.full((len(drawn), size * FINER, size * FINER), -4.0)
    for number, mask in enumerate(drawn):
        if mask is None:
            continue
        image = Image((mask[:, :, None] * 255).astype(np.uint8), picture.geometry)
        out[number] = squared(image, finer)[0].float() / 32 - 4
    return out
