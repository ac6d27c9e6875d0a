"""Nearest points: scipy's tree, made safe for processes that flush denormal numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A tree that splits at 0 takes the next number beside it, which is 0 again in a process that flushes denormal
# numbers (`torch.set_flush_denormal`, as training does), and divides without end until the process dies.
_AWAY = 10_000.0


class Points:
    """Points to be near to.

    Args:
        points: (n, 3) mm, at least one; within metres of the origin.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        from scipy.spatial import cKDTree

        self._tree = cKDTree(points + _AWAY)

    def distances(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(m,) mm from each of (m, 3) points to the nearest of these.

        Rounded to a millionth of a millimetre, so that equal distances are equal.
        """
        return np.round(self._tree.query(points + _AWAY)[0], 6)
