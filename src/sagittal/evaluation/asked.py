"""A model that is asked for masks in words: the product's whole path as a vision function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sagittal.agent.loop import Planner
from sagittal.agent.toolbox import CallSite, Features, Reading, Toolbox
from sagittal.asking.case import Case, open_case
from sagittal.asking.consultation import consult
from sagittal.asking.models import Answerer, Offer, agent_of
from sagittal.study import Image, Mask, Study

QUESTION = "Segment the {}."


@dataclass(frozen=True)
class Asked:
    """One question of an evaluation.

    Attributes:
        structure: what was asked for.
        answered: whether the model did not abstain.
        drawn: whether there was a mask of that name.
        text: what it said, or why it abstained.
        seconds: that the answer took.
    """

    structure: str
    answered: bool
    drawn: bool
    text: str
    seconds: float


@dataclass
class AskedEyes:
    """Asks a model to segment each structure; a vision function (:mod:`sagittal.score.segmentation`).

    A structure that the model does not draw (it abstains, draws something else, or draws nothing) gets an
    empty mask, as a reader of its answer would see it.

    Images are encoded once a study, as its first question modulates them; later questions reuse that. They
    would modulate them in almost the same way, since the model's φ for an image depends on its kind.

    Attributes:
        offer: the model.
        asked: the questions so far, in order.
    """

    offer: Offer
    asked: list[Asked] = field(default_factory=list)

    def why_not(self, images: Sequence[Image]) -> str | None:
        """Why the model is not asked about these images, by its card; ``None`` when it is."""
        return self.offer.card.accepts.why_not(_study(images))

    def __call__(self, images: Sequence[Image], structures: Sequence[str]) -> dict[str, Mask]:
        """One question a structure.

        Raises:
            InputError: the model cannot be asked about these images.
        """
        once = Once(agent_of(self.offer))
        case = open_case(_study(images), model=replace(self.offer, load=lambda: once))
        return {name: self._ask(case, images[0], name) for name in structures}

    def _ask(self, case: Case, first: Image, structure: str) -> Mask:
        made = consult(case, QUESTION.format(structure))
        found = [d.mask for d in made.drawn if structure in d.mask.labels.values()]
        answer = made.answer
        self.asked.append(Asked(structure, not answer.abstained, bool(found), answer.text, answer.seconds))
        empty = Mask(
            np.zeros(first.shape, np.uint8), first.geometry, {1: structure}, structure, first.session
        )
        if not found:
            return empty
        mask = found[0]
        # Drawn on the first volume that the program encodes, which need not be the first image.
        return mask.on_grid(first.geometry)


@dataclass(frozen=True)
class Once:
    """A model that checks and encodes the images of one study once; the study outlives it."""

    model: Answerer
    checked: set[int] = field(default_factory=set)
    encoded: dict[tuple[int, ...], Features] = field(default_factory=dict)

    def check(self, images: Sequence[Image]) -> None:
        self.model.check([image for image in images if id(image) not in self.checked])
        self.checked.update(map(id, images))

    def session(self, question: str, volumes: Mapping[str, Image]) -> tuple[Planner, Toolbox]:
        planner, toolbox = self.model.session(question, volumes)
        return planner, _OnceToolbox(toolbox, self.encoded)


@dataclass(frozen=True)
class _OnceToolbox:
    toolbox: Toolbox
    encoded: dict[tuple[int, ...], Features]

    def encode(self, volumes: Sequence[Image], site: CallSite) -> Features:
        key = tuple(map(id, volumes))
        if key not in self.encoded:
            self.encoded[key] = self.toolbox.encode(volumes, site)
        return self.encoded[key]

    def read(self, features: Features, site: CallSite) -> Reading:
        return self.toolbox.read(features, site)

    def segment(self, features: Features, structure: str, site: CallSite) -> Mask:
        return self.toolbox.segment(features, structure, site)


def _study(images: Sequence[Image]) -> Study:
    return Study("case", "case", tuple(images))
