"""Short questions about a label, as people type them, beside the wordings of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sagittal.train.packaged import packaged_table

Part = Literal["train", "test"]


def short_question(rng: np.random.Generator, tasks: Sequence[str], label: str, part: Part = "train") -> str:
    """A question of some tasks, each in a few words, in any order.

    Args:
        rng: draws wordings and order.
        tasks: at least one.
        label: as it is called.
        part: to learn from, or to measure with; they share no wording.
    """
    own = packaged_table("short_questions")[part]
    order = [tasks[int(n)] for n in rng.permutation(len(tasks))]
    words = [own["first"][order[0]], *(own["then"][task] for task in order[1:])]
    drawn: list[str] = [texts[int(rng.integers(len(texts)))] for texts in words]
    return " ".join([drawn[0].replace("{label}", label), *drawn[1:]])
