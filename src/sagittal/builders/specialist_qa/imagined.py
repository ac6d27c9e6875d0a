"""What a specialist might have told, where none was run: exercises in reading, with numbers drawn by chance.

The bank's heads are few, and a model that reads the same hundred results over and over learns them by heart.
No figure is taken from these, and no picture stands beside them.
"""

from __future__ import annotations

import numpy as np

from sagittal.agent.values import rounded, with_unit
from sagittal.builders.specialist_qa.offers import Offer
from sagittal.builders.specialist_qa.shown import picked
from sagittal.language.specialist_answers import SIDES, Drawn
from sagittal.specialists.feedback import Region, colour_name, masks_text

#: Share of results in which nothing was found.
NOTHING = 0.12
# More labels make a turn long, and have no sides (:mod:`sagittal.specialists.measuring`).
_FEW = 4
_LARGEST_ML, _DEEPEST_SLICE = 2_500.0, 180


def imagined(offer: Offer, argument: str, rng: np.random.Generator) -> tuple[str, list[Drawn]] | None:
    """What is told of a call, and what it says was drawn; ``None`` where it draws no masks, or many."""
    labels = offer.card.masks.get(argument, ())
    if not 0 < len(labels) <= _FEW:
        return None
    flat = offer.card.looks_at == "picture"
    drawn = [] if rng.random() < NOTHING else [_drawn(offer, label, rng, flat=flat) for label in labels]
    regions = [
        Region(one.label, one.colour, tuple(fact for fact in (one.size, one.side) if fact)) for one in drawn
    ]
    shown = "" if flat else f"axial slice {int(rng.integers(1, _DEEPEST_SLICE))}"
    return masks_text(offer.card.name, argument, regions, shown), drawn


def _drawn(offer: Offer, label: str, rng: np.random.Generator, *, flat: bool) -> Drawn:
    colour = colour_name(offer.card.labels.index(label) + 1)
    if flat:
        return Drawn(label, colour, with_unit(rounded(float(rng.uniform(0.05, 40))), "%"), of_picture=True)
    # As likely small as large, over four orders of magnitude.
    size = float(np.exp(rng.uniform(np.log(0.05), np.log(_LARGEST_ML))))
    return Drawn(label, colour, with_unit(rounded(size), "mL"), picked(list(SIDES), rng))
