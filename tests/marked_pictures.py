"""Marked pictures made by hand: rectangles on grey, whose grey tells the number of the instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.train.picture_bank import Facts, MarkedPicture
from sagittal.train.picture_features import PictureFeatures, edges
from sagittal.train.picture_questions import Asker, Kind
from sagittal.train.picture_stream import PictureStream
from sagittal.train.picture_turns import PictureTurns
from sagittal.train.picture_views import sampling

#: Nothing of a picture is blank; ``GROUND + STEP * number`` is the grey of an instance.
GROUND, STEP = 40, 25
Box = tuple[int, int, int, int]
SHARES = {"MRI": 0.7, "X-Ray": 0.2, "unknown": 0.1}
KINDS: tuple[Kind, ...] = (
    "captions", "closed", "open", "choice", "category", "region", "complex", "grounding"
)  # fmt: skip
#: Questions that a published set asks about the last of :func:`toys`.
PAIRS: Mapping[int, Sequence[tuple[Kind, str, str]]] = {
    4: (("closed", "Is the heart large?", "Yes"), ("open", "What is seen?", "An effusion"))
}


def marked(
    name: str, boxes: Sequence[tuple[str, Box]], size: tuple[int, int] = (60, 40), **facts: object
) -> MarkedPicture:
    """Instances from rectangles: class and x1, y1, x2, y2, both corners inside."""
    marks = np.zeros(size, np.uint8)
    for number, (_, (x1, y1, x2, y2)) in enumerate(boxes, start=1):
        marks[x1 : x2 + 1, y1 : y2 + 1] = number
    known = {
        "name": name, "patient": name, "dataset": "toy", "modality": "MRI", "kind": "t1",
        "orientation": "axial", "region": "abdomen", "classes": tuple(own for own, _ in boxes), **facts,
    }  # fmt: skip
    return MarkedPicture((GROUND + STEP * marks).astype(np.uint8), marks, Facts.model_validate(known))


def toys() -> list[MarkedPicture]:
    """Three slices of one data set, a film, and a picture of which nothing is marked."""
    return [
        marked("one", [("liver", (4, 4, 23, 19)), ("kidney", (30, 4, 37, 12)), ("kidney", (44, 22, 55, 33))]),
        marked("two", [("liver", (3, 20, 28, 36)), ("aorta", (34, 6, 43, 14))], small=("spleen",)),
        marked(
            "three", [("aorta", (3, 4, 9, 12)), ("spleen", (14, 20, 26, 44)), ("kidney", (2, 30, 10, 41))],
            size=(30, 50), spacing=(2.0, 1.0), orientation="coronal",
        ),
        marked(
            "film", [("lung", (4, 4, 24, 34)), ("lung", (34, 4, 54, 34))], modality="X-Ray", kind="cxr",
            orientation="frontal", region="chest", dataset=None,
        ),
        marked(
            "asked", [], modality="unknown", kind="unknown", orientation="unknown", region="unknown",
            dataset=None,
        ),
    ]  # fmt: skip


def words() -> Tokenizer:
    texts = ["Here is the segmentation: the liver , the spleen .", "What is in this region?", "Yes", "No"]
    return Tokenizer.train(texts * 4, 330, CHAT_TOKENS)


def speech_of(tokenizer: Tokenizer) -> Speech:
    return Speech.of(OwnChat(tokenizer))


def tiny(tokenizer: Tokenizer) -> VLM:
    """A model that was never trained."""
    torch.manual_seed(0)
    return VLM(medplib_config("tiny", tokenizer.size)).eval()


def stream_of(
    model: VLM, tokenizer: Tokenizer, folder: Path, *, kinds: Mapping[Kind, float] | None = None,
    drawn: bool = True, **changes: object,
) -> PictureStream:  # fmt: skip
    """Questions about :func:`toys`."""
    pictures = toys()
    features = PictureFeatures.make(model, pictures, folder, drawn=drawn)
    given = {"seed": 3, "batch": 4, **changes}
    coordinates = bool(given.pop("coordinates", False))
    turns = PictureTurns(pictures, features, speech_of(tokenizer), edges(model), coordinates)
    return PictureStream(
        Asker(pictures, PAIRS), turns, sampling(pictures, SHARES), kinds or dict.fromkeys(KINDS, 1.0), **given
    )
