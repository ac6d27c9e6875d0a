"""The pictures that MedPLIB's stages learn from, and how often each is asked what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.model import VLM
from sagittal.splits import Split
from sagittal.train.picture_bank import MarkedPicture, read_bank
from sagittal.train.picture_features import PictureFeatures, edges
from sagittal.train.picture_questions import Asker, Kind
from sagittal.train.picture_stream import PictureStream
from sagittal.train.picture_turns import PictureTurns
from sagittal.train.picture_views import sampling, turned
from sagittal.train.real_pictures import asked_pictures, film_pictures, volume_pictures
from sagittal.train.stages import Stage

WORLDS = ("healthy", "pre", "met", "wmh")
#: How often each modality is asked about; those of VQA-RAD are not stated.
SHARES = {"MRI": 0.70, "CT": 0.15, "X-Ray": 0.10, "unknown": 0.05}
#: Views of a real scan's slice and of a film, beside it as it is.
_COPIES = {"CT": 3, "X-Ray": 9}
#: Of the kinds of a stage's table, the kinds of questions and how often each is asked.
_KINDS: Mapping[str, Mapping[Kind, float]] = {
    "captions": {"captions": 1.0},
    "closed": {"closed": 0.16},
    "open": {"open": 0.12},
    "choice": {"choice": 0.12},
    "region": {"category": 0.36, "region": 0.14},
    "complex": {"complex": 0.10},
    "grounding": {"grounding": 0.8},
}


@dataclass(frozen=True)
class PictureSet:
    """Pictures, and of those of a published set the questions that it asks."""

    pictures: tuple[MarkedPicture, ...]
    pairs: Mapping[int, Sequence[tuple[Kind, str, str]]]


def learning_set(data: Path, real: Path) -> PictureSet:
    """Simulated slices, one CT scan, Montgomery's films (both in several views), VQA-RAD.

    Args:
        data: folder of the banks.
        real: folder of the real scans and films.
    """
    made = read_bank([data / "training" / world for world in WORLDS])
    found = [*volume_pictures(real, "train"), *film_pictures(real, "montgomery", "train")]
    rng = np.random.default_rng(0)
    views = [turned(p, n, rng) for p in found for n in range(_COPIES[p.facts.modality])]
    return _with_pairs([*made, *found, *(view for view in views if view.facts.classes)], real, "train")


def validation_set(data: Path, real: Path) -> PictureSet:
    """Slices of the head that choices are made by, and what of the real sets is set aside for that."""
    made = read_bank([data / "validation" / world for world in WORLDS])
    return _with_pairs([*made, *film_pictures(real, "montgomery", "validation")], real, "validation")


def _with_pairs(pictures: list[MarkedPicture], real: Path, split: Split) -> PictureSet:
    asked, pairs = asked_pictures(real, split)
    return PictureSet((*pictures, *asked), {len(pictures) + n: own for n, own in enumerate(pairs)})


def stream(
    own: PictureSet, model: VLM, speech: Speech, stage: Stage, seed: int, features: Path, *,
    drawn: bool, coordinates: bool = False,
) -> PictureStream:  # fmt: skip
    """The questions of a stage.

    Args:
        own: pictures.
        model: whose encoders look at them.
        speech: its words as tokens.
        stage: whose kinds of questions are asked.
        seed: of every draw.
        features: folder that keeps what the encoders see.
        drawn: whether masks are asked for.
        coordinates: whether regions are told in words.
    """
    kinds: dict[Kind, float] = {}
    for kind in stage.data:
        kinds.update(_KINDS[kind])
    seen = PictureFeatures.make(model, own.pictures, features, drawn=drawn)
    turns = PictureTurns(own.pictures, seen, speech, edges(model), coordinates)
    return PictureStream(Asker(own.pictures, own.pairs), turns, shares_of(own.pictures), kinds, seed)


def shares_of(pictures: Sequence[MarkedPicture]) -> NDArray[np.float64]:
    """Probability of each picture."""
    there = {picture.facts.modality for picture in pictures}
    return sampling(pictures, {name: share for name, share in SHARES.items() if name in there})
