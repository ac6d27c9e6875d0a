"""Questions about pictures as MedPLIB gets them: tokens, features, regions, and the masks that are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sagittal.models.medplib.pictures import Frame, frame_of
from sagittal.models.medplib.words import MASK, Speech
from sagittal.models.vlm.chat import padded
from sagittal.models.vlm.pieces import Regions, Turn
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.picture_features import PictureFeatures
from sagittal.train.picture_questions import Question


@dataclass(frozen=True)
class Batch:
    """A turn and the masks that its answers should hold, in their order.

    Attributes:
        turn: questions, pictures, answers.
        masks: (R, S', S') 0 or 1, on the square of the pixel encoder.
        asked: the questions.
    """

    turn: Turn
    masks: Tensor
    asked: tuple[Question, ...]


@dataclass(eq=False)
class PictureTurns:
    """Turns questions into batches.

    Attributes:
        pictures: that are asked about.
        features: of the same pictures.
        speech: words to tokens.
        edges: of the squares of the two encoders.
        coordinates: whether regions are told as coordinates in the words (Table 1's baseline).
    """

    pictures: Sequence[MarkedPicture]
    features: PictureFeatures
    speech: Speech
    edges: tuple[int, int]
    coordinates: bool = False
    _frames: dict[int, tuple[Frame, Frame]] = field(default_factory=dict)

    def __call__(self, asked: Sequence[Question]) -> Batch:
        """Questions as a turn."""
        rows, regions, masks = [], [], []
        for row, one in enumerate(asked):
            if one.region is not None and not self.coordinates:
                rows.append(row)
                regions.append(self._frame(one.picture)[0].place(one.region))
            masks += [self._mask(one.picture, name) for name in one.masks]
        features, pixels = self.features.of([one.picture for one in asked])
        edge = self.edges[1]
        turn = Turn(
            padded([self._question(one) for one in asked]),
            features,
            padded([self.speech.header] * len(asked)),
            padded([self._answer(one) for one in asked]),
            regions=Regions(torch.stack(regions), torch.tensor(rows)) if regions else None,
            pixels=pixels,
        )
        return Batch(turn, torch.stack(masks) if masks else torch.zeros(0, edge, edge), tuple(asked))

    def shows(self, one: Question) -> bool:
        """Whether anything of a question's region is shown: borders are cut off where they are blank."""
        if one.region is None:
            return True
        left, top, right, bottom = self._frame(one.picture)[0].box
        return bool(one.region[left:right, top:bottom].any())

    def _question(self, one: Question) -> list[int]:
        if self.coordinates and one.region is not None:
            return self.speech.question(f"{located(one)} {one.question}", 0)
        return self.speech.question(one.question, int(one.region is not None))

    def _answer(self, one: Question) -> list[int]:
        return self.speech.answer([p if isinstance(p, str) else MASK for p in one.answer])

    def _mask(self, number: int, name: str) -> Tensor:
        own = self.pictures[number].of_class(name).astype(np.uint8)
        return self._frame(number)[1].nearest(own).float()

    def _frame(self, number: int) -> tuple[Frame, Frame]:
        if number not in self._frames:
            image = self.pictures[number].image
            self._frames[number] = (frame_of(image, self.edges[0]), frame_of(image, self.edges[1]))
        return self._frames[number]


def located(one: Question) -> str:
    """A region as coordinates in words: its box, in hundredths of the picture."""
    assert one.region is not None, "it points at something"
    ends = []
    for axis in (0, 1):
        own = np.flatnonzero(one.region.any(axis=1 - axis))
        size = one.region.shape[axis]
        ends.append((round(100 * own[0] / size), round(100 * (own[-1] + 1) / size)))
    (x1, x2), (y1, y2) = ends
    return f"[{x1}, {y1}, {x2}, {y2}]"
