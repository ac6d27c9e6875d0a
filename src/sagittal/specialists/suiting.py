"""Whether a specialist could look at images of which the kinds alone are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sagittal.geometry import Geometry
from sagittal.specialists.card import SpecialistCard
from sagittal.study import Image, Study


def suits(card: SpecialistCard, kinds: Sequence[str], picture: bool) -> bool:
    """Whether a specialist could look at volumes of some kinds, or at a picture."""
    shape = (2, 2, 1 if picture else 2)
    images = tuple(Image(np.zeros(shape), Geometry(shape, np.eye(4)), kind=kind) for kind in kinds)
    return not isinstance(card.chosen(Study("asked", "", images)), str)
