"""How far calculated ratios are off (IMAX §4.1.1), failures counted beside the mean and, once, within it.

A number that could not be read has no error. The paper's MAE and RMSE are therefore over those that were
read, and say nothing without the share of the others, which :mod:`sagittal.score.chest_tasks` counts. A model
that is silent where it is unsure would look better than it is; ``capped MAE`` leaves it no such way out:
there a failure costs as much as an error of 1, the whole width of a chest, and no error costs more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sagittal.score.intervals import weighted_mean

#: The paper prints errors of ratios in hundredths ("scaled … with a factor of 100").
SCALE = 100.0


def calculation_figures(
    errors: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """Errors of a ratio over all items.

    Args:
        errors: (n,) difference from the truth, of either sign; not a number where nothing could be read.
        weights: (n,) of each item; alike when ``None``.

    Returns:
        ``MAE`` and ``RMSE`` over what was read, in hundredths, not a number where nothing was; ``capped MAE``
        over all items, in hundredths.
    """
    own = np.ones(len(errors)) if weights is None else weights
    sizes = np.abs(errors)
    return {
        "MAE": SCALE * weighted_mean(sizes, own),
        "RMSE": SCALE * float(np.sqrt(weighted_mean(sizes**2, own))),
        "capped MAE": SCALE * weighted_mean(np.where(np.isnan(errors), 1.0, np.minimum(sizes, 1.0)), own),
    }
