"""Tubes, lines and leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sagittal.io.films.names import Device
from sagittal.simulate.chest.anatomy import Anatomy
from sagittal.simulate.chest.canvas import Canvas, Plane, Points, course
from sagittal.simulate.draws import Draws


def _line(canvas: Canvas, points: Points, mm: float) -> Plane:
    own = course(points)
    return np.clip(canvas.tubes(own, np.full(len(own), mm)) / (2 * mm), 0, 1)


def _tracheal(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    """In the windpipe, its tip above the fork."""
    tip = anatomy.tall * draws.uniform(30, 62)
    return 0.45 * _line(canvas, np.array([(2, -90), (draws.uniform(-2, 3), -20), (1, tip)]), 2.2)


def _central(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    """From the neck or below a collar bone into the upper vena cava."""
    end = (-22, anatomy.tall * draws.uniform(88, 125))
    collar = [(draws.uniform(95, 130), 45.0), (62.0, 24.0), (18.0, 34.0), (-16.0, 58.0)]
    start = [(-38.0, -70.0), (-32.0, -10.0), (-22.0, 45.0)] if draws.chance(0.5) else collar
    points = [*start, end]
    return 0.6 * _line(canvas, np.array(points), 0.9)


def _pacemaker(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    """A box below the left collar bone, a lead to the heart's right."""
    x, y = draws.uniform(85, 112), draws.uniform(48, 74)
    far = (np.abs(canvas.x - x) / 19) ** 4 + (np.abs(canvas.y - y) / 15) ** 4
    tip = (draws.uniform(18, 34), anatomy.domes["left"] - draws.uniform(6, 20))
    lead = [(x - 14, y - 10), (50, 26), (6, 44), (-20, 100), (-10, anatomy.domes["right"] - 14), tip]
    return np.maximum(0.95 * (far < 1), 0.75 * _line(canvas, np.array(lead), 1.0))


def _gastric(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    """Down the gullet into the stomach."""
    low = anatomy.domes["left"]
    points = [(3, -90), (4, 20), (6, 110), (10, low), (draws.uniform(28, 60), low + 35)]
    return 0.45 * _line(canvas, np.array(points), 1.5)


def _electrodes(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    """Buttons on the skin, each with its wire."""
    own = np.zeros(canvas.x.shape)
    for side in (-1, 1):
        for low in (draws.uniform(20, 60), draws.uniform(170, 230)):
            x = side * draws.uniform(70, 118)
            own = np.maximum(own, 0.8 * (np.hypot(canvas.x - x, canvas.y - low) < 4.5))
            bend = (x + side * draws.uniform(15, 40), low - draws.uniform(10, 60))
            wire = np.array([(x, low), bend, (side * 160, draws.uniform(-60, 60))])
            own = np.maximum(own, 0.35 * _line(canvas, wire, 0.7))
    return own


DRAWERS: Mapping[Device, Callable[[Canvas, Anatomy, Draws], Plane]] = {
    "endotracheal tube": _tracheal, "central line": _central, "pacemaker": _pacemaker,
    "gastric tube": _gastric, "electrodes": _electrodes,
}  # fmt: skip
