"""Questions that mpLLM does not answer: so that it knows them when it meets them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from sagittal.builders.voxel.structures import structure_table
from sagittal.train.packaged import packaged_table

_TUMOURS = ("tumour", "enhanc", "oedema", "necro", "cavity", "lesion")


@dataclass(frozen=True)
class Strays:
    """Where stray questions come from.

    Attributes:
        structures: templates with {a} for a structure.
        sentences: whole questions.
        others: further questions, of other data sets.
        answers: how they are declined.
    """

    structures: tuple[str, ...]
    sentences: tuple[str, ...]
    others: tuple[str, ...]
    answers: tuple[str, ...]

    def draw(self, rng: np.random.Generator) -> tuple[str, str]:
        """A question and its answer; each source is as likely as the others."""
        sources = [self._structure, self._sentence] + ([self._other] if self.others else [])
        question = sources[int(rng.integers(len(sources)))](rng)
        return question, _one(self.answers, rng)

    def all(self) -> list[str]:
        """Every sentence, and every template with a few structures."""
        names = _structures()
        return [*self.sentences, *(t.format(a=n) for t in self.structures for n in names[:: len(names) // 6])]

    def _structure(self, rng: np.random.Generator) -> str:
        return _one(self.structures, rng).format(a=_one(_structures(), rng))

    def _sentence(self, rng: np.random.Generator) -> str:
        return _one(self.sentences, rng)

    def _other(self, rng: np.random.Generator) -> str:
        return _one(self.others, rng)


def strays(part: Literal["train", "test"], others: Sequence[str] = ()) -> Strays:
    """The committed stray questions of a part.

    Args:
        part: to learn from, or to measure with.
        others: further questions.
    """
    table = packaged_table("strays")
    own, answers = table[part], table["answers"]
    return Strays(tuple(own["structures"]), tuple(own["sentences"]), tuple(others), tuple(answers))


@cache
def _structures() -> tuple[str, ...]:
    """Names of anatomy; what a tumour question may be about is left out."""
    return tuple(
        structure.name
        for structure in structure_table().known()
        if not structure.is_pathology and not any(word in structure.name for word in _TUMOURS)
    )


def _one(values: Sequence[str], rng: np.random.Generator) -> str:
    return values[int(rng.integers(len(values)))]
