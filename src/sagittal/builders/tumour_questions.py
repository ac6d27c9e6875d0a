"""Which questions are asked of a label, and in which words: mpLLM §3.2.1 and appendix A.

Of each label of each study: four in-scope questions of four different types, drawn without
replacement from the fifteen so that each of the four tasks is asked at least once; then one partly
and one wholly out-of-scope question.

How the paper draws the four is not said; ours are uniform over the 1,225 sets that fit. A task is then
left unasked by 54.8 % of all six questions in expectation; the paper's Tables 12–14 have 51.4–53.4 %.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from itertools import combinations

import numpy as np

from sagittal.language.grammar import Pool
from sagittal.language.wording import TASKS, TYPES, Wording, Wordings

#: Questions in scope of each label of each study.
IN_SCOPE = 4
#: All questions of each label of each study.
QUESTIONS = IN_SCOPE + 2


@cache
def covering_sets() -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Every set of four types that together ask all four tasks: 1,225 of the 1,365 sets of four."""
    return tuple(
        chosen for chosen in combinations(TYPES, IN_SCOPE) if set().union(*map(set, chosen)) == set(TASKS)
    )


def generator_for(seed: int, study: str, label: str) -> np.random.Generator:
    """A random stream that follows from seed, study and label alone, whoever draws it and when."""
    digest = hashlib.sha256(json.dumps(["sagittal.tumour-vqa/1", seed, study, label]).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def draw_types(rng: np.random.Generator) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The four in-scope types, uniform over :func:`covering_sets`, and the partly out-of-scope type."""
    sets = covering_sets()
    four = sets[int(rng.integers(len(sets)))]
    return four, TYPES[int(rng.integers(len(TYPES)))]


def draw_wordings(rng: np.random.Generator, wordings: Wordings, pool: Pool) -> list[Wording]:
    """The six wordings of one label of one study: four in scope, one partly, one wholly out of it."""
    four, partly = draw_types(rng)
    drawn = [wordings.sample("in_scope", tasks, rng, pool) for tasks in four]
    drawn.append(wordings.sample("partly_out_of_scope", partly, rng, pool))
    drawn.append(wordings.sample("out_of_scope", (), rng, pool))
    return drawn
