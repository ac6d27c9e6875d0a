"""Questions about pictures without end, as batches for MedPLIB. A batch follows from its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from sagittal.models.medplib.pictures import Frame, frame_of
from sagittal.models.medplib.words import MASK, Speech
from sagittal.models.vlm.chat import padded
from sagittal.models.vlm.pieces import Regions, Turn
from sagittal.train.picture_features import PictureFeatures
from sagittal.train.picture_questions import Asker, Kind, Question

#: Batches that are drawn together and sorted by length, so that little of them is padding.
_TOGETHER = 8
# A region may lie where nothing of its picture is shown; another picture is drawn then.
_TRIES = 20


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
class PictureStream:
    """Batches of questions.

    Attributes:
        asker: draws questions.
        features: of the same pictures.
        speech: words to tokens.
        probability: of each picture.
        kinds: kind of question → its share.
        edges: of the squares of the two encoders.
        seed: of every draw.
        batch: questions of a batch.
        coordinates: whether regions are told as coordinates in the words (Table 1's baseline).
    """

    asker: Asker
    features: PictureFeatures
    speech: Speech
    probability: np.ndarray
    kinds: Mapping[Kind, float]
    edges: tuple[int, int]
    seed: int
    batch: int = 32
    coordinates: bool = False
    _frames: dict[int, tuple[Frame, Frame]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def __call__(self, number: int) -> Batch:
        """The batch of a number."""
        return self.turn(self._drawn(number // _TOGETHER)[number % _TOGETHER])

    def turn(self, asked: Sequence[Question]) -> Batch:
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

    def _question(self, one: Question) -> list[int]:
        if self.coordinates and one.region is not None:
            return self.speech.question(f"{located(one)} {one.question}", 0)
        return self.speech.question(one.question, int(one.region is not None))

    def _answer(self, one: Question) -> list[int]:
        return self.speech.answer([p if isinstance(p, str) else MASK for p in one.answer])

    def _mask(self, number: int, name: str) -> Tensor:
        own = self.asker.pictures[number].of_class(name).astype(np.uint8)
        return self._frame(number)[1].nearest(own).float()

    def _frame(self, number: int) -> tuple[Frame, Frame]:
        if number not in self._frames:
            image = self.asker.pictures[number].image
            self._frames[number] = (frame_of(image, self.edges[0]), frame_of(image, self.edges[1]))
        return self._frames[number]

    def _draw(self, block: int) -> list[list[Question]]:
        rng = np.random.default_rng([self.seed, block])
        drawn = [self._one(rng) for _ in range(_TOGETHER * self.batch)]
        drawn.sort(key=lambda one: len(one.question) + sum(len(p) for p in one.answer if isinstance(p, str)))
        batches = [drawn[n * self.batch : (n + 1) * self.batch] for n in range(_TOGETHER)]
        return [batches[n] for n in rng.permutation(_TOGETHER)]

    def _one(self, rng: np.random.Generator) -> Question:
        kinds = list(self.kinds)
        share = np.array([self.kinds[kind] for kind in kinds])
        for _ in range(_TRIES):
            kind = kinds[int(rng.choice(len(kinds), p=share / share.sum()))]
            number = int(rng.choice(len(self.probability), p=self.probability))
            if self.asker.able(number, kind):
                one = self.asker.ask(number, kind, rng)
                if self._shown(one):
                    return one
        raise AssertionError("some picture can be asked some kind of question")

    def _shown(self, one: Question) -> bool:
        """Whether anything of its region is shown: borders are cut off where they are blank."""
        if one.region is None:
            return True
        left, top, right, bottom = self._frame(one.picture)[0].box
        return bool(one.region[left:right, top:bottom].any())


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
