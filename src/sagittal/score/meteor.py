"""METEOR of generated texts by exact words and word stems (Banerjee & Lavie 2005).

Words are aligned by two of METEOR's modules, exact and Porter stem. The third, synonyms, needs WordNet,
which is not there without a download, and is left out: **the figures are not comparable with those of
METEOR with WordNet**, which are higher. The parameters are those of 2005, as in nltk.

nltk has METEOR, too, but not without WordNet, and its greedy alignment does not find the fewest chunks that
METEOR is defined by: "the cat the dog" against "the dog the cat" gets more than the two that are enough.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import MissingExtraError, SagittalError
from sagittal.score.words import every_word

#: Weight of precision against recall in their harmonic mean; 9 to 1 for recall.
ALPHA = 0.9
#: How steeply the penalty grows with fragmentation, and what it is at most.
BETA, GAMMA = 3.0, 0.5


@dataclass(frozen=True)
class Alignment:
    """How the words of two texts go together.

    Attributes:
        matches: pairs of words.
        chunks: fewest runs of pairs that are neighbours, in the same order, in both texts.
    """

    matches: int
    chunks: int


def meteor(given: str, reference: str) -> float:
    """METEOR of a text, 0 to nearly 1: precision and recall in one, less a penalty for scattered matches.

    With m pairs in c chunks, P = m / words given and R = m / words of the reference:
    P·R / (α·P + (1 - α)·R) · (1 - γ·(c / m)^β). A text that equals its reference has one chunk and just
    misses 1, by γ / m^β. Texts without a pair have 0.

    Words are :func:`sagittal.score.words.every_word`'s: small letters, no signs, articles kept.

    Raises:
        MissingExtraError: nltk is not installed.
    """
    said, due = every_word(given), every_word(reference)
    found = align(said, due)
    if not found.matches:
        return 0.0
    precision, recall = found.matches / len(said), found.matches / len(due)
    mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    return float(mean * (1 - GAMMA * (found.chunks / found.matches) ** BETA))


def align(given: tuple[str, ...], reference: tuple[str, ...]) -> Alignment:
    """Pair the words of two texts, each with one other at most.

    As many as possible pair with the same word; of the others, as many as possible with one of the same stem;
    of all ways to do so, the one in the fewest chunks counts. (The paper takes the fewest crossings as a
    stand-in for the last, and aligns stage by stage.)

    Raises:
        MissingExtraError: nltk is not installed.
    """
    stems = [[_stem(word) for word in text] for text in (given, reference)]
    matches = (Counter(stems[0]) & Counter(stems[1])).total()
    exact = (Counter(given) & Counter(reference)).total()
    if not matches:
        return Alignment(0, 0)
    pairs = np.argwhere(np.array(stems[0])[:, None] == np.array(stems[1])[None, :])
    same = np.array([given[i] == reference[j] for i, j in pairs])
    return Alignment(matches, matches - _most_neighbours(pairs, same, matches, exact))


def _most_neighbours(pairs: NDArray[np.intp], same: NDArray[np.bool_], matches: int, exact: int) -> int:
    """How many pairs, at most, follow directly on another: each of them saves a chunk.

    A linear program in whole numbers, solved to the proven optimum: x chooses pairs, y counts those of two
    that follow each other. It takes some milliseconds; trying all ways takes for ever from a few repeated
    words on.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    place = {(int(i), int(j)): n for n, (i, j) in enumerate(pairs)}
    links = np.array([(n, place[i + 1, j + 1]) for (i, j), n in place.items() if (i + 1, j + 1) in place])
    if not len(links):
        return 0
    x, y = len(pairs), len(links)

    def ones(rows: NDArray[Any], columns: NDArray[Any]) -> Any:
        return coo_array((np.ones(len(rows)), (rows, columns)), shape=(int(rows.max()) + 1, x + y)).tocsr()

    every, row = np.arange(x), np.arange(y)
    wanted = np.zeros((2, x + y))
    wanted[0, :x], wanted[1, :x] = 1, same
    found = milp(
        np.r_[np.zeros(x), -np.ones(y)],
        # y may be a fraction: at the optimum it is the smaller of two x.
        integrality=np.r_[np.ones(x), np.zeros(y)],
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(ones(pairs[:, 0], every), ub=1),
            LinearConstraint(ones(pairs[:, 1], every), ub=1),
            LinearConstraint(wanted, (matches, exact), (matches, exact)),
            LinearConstraint(ones(row, x + row) - ones(row, links[:, 0]), ub=0),
            LinearConstraint(ones(row, x + row) - ones(row, links[:, 1]), ub=0),
        ],
    )
    if not found.success:
        raise SagittalError("The words of two texts could not be aligned.", got=found.message)
    saved: float = -found.fun
    return round(saved)


@cache
def _stemmer() -> Any:
    try:
        from nltk.stem.porter import PorterStemmer
    except ImportError as error:
        raise MissingExtraError("METEOR", "scores") from error
    return PorterStemmer()


@cache
def _stem(word: str) -> str:
    return str(_stemmer().stem(word))
