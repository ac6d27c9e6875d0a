"""Vessels of the lungs: trees that grow from the hila."""

from __future__ import annotations

import math

import numpy as np

from sagittal.simulate.chest.anatomy import SIDES, Anatomy
from sagittal.simulate.chest.canvas import Canvas, Plane, Points
from sagittal.simulate.draws import Draws

#: Directions of the trunks, radians downwards from outwards; generations; the finest that shows, mm.
_TRUNKS = (-1.15, -0.55, 0.1, 0.6, 1.1)
_GENERATIONS, _FINEST = 6, 0.55


def vessels(canvas: Canvas, anatomy: Anatomy, draws: Draws, upper: float = 1.0) -> Plane:
    """Centimetres of vessel, the hila among them.

    Args:
        canvas: of the film.
        anatomy: whose lungs.
        draws: of the trees.
        upper: how much wider vessels of the upper zones are: congestion widens them.
    """
    points: list[Points] = []
    radii: list[Plane] = []
    hila = np.zeros(canvas.x.shape)
    for out in SIDES.values():
        root = np.array([out * draws.uniform(24, 34), draws.uniform(112, 127) * anatomy.tall])
        far = np.hypot((canvas.x - root[0]) / 13, (canvas.y - root[1]) / 22)
        hila += draws.uniform(0.7, 1.8) * np.exp(-(far**2))
        for down in _TRUNKS:
            own = down + draws.normal(0, 0.12)
            angle = own if out > 0 else math.pi - own
            radius = draws.uniform(2.6, 4.2) * (upper if down < 0 else 1.0)
            _grow(root, angle, radius, 0, draws, points, radii)
    return canvas.tubes(np.concatenate(points), np.concatenate(radii)) / 10 + hila


def _grow(
    root: Points, angle: float, radius: float, generation: int, draws: Draws, points: list[Points],
    radii: list[Plane],
) -> None:  # fmt: skip
    length = draws.uniform(13, 23) * 0.94**generation
    end = root + length * np.array([math.cos(angle), math.sin(angle)])
    share = np.linspace(0, 1, 10)[:, None]
    points.append(root + (end - root) * share)
    radii.append(np.linspace(radius, 0.8 * radius, 10))
    if generation < _GENERATIONS and radius > _FINEST:
        for turn in (draws.uniform(0.22, 0.6), -draws.uniform(0.22, 0.6)):
            wide = radius * draws.uniform(0.62, 0.82)
            _grow(end, angle + turn, wide, generation + 1, draws, points, radii)
