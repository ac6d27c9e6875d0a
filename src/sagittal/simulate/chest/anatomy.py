"""A patient's chest as outlines in millimetres: drawn anew for each film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sagittal.simulate.chest.canvas import Points, closed
from sagittal.simulate.chest.config import ChestConfig
from sagittal.simulate.draws import Draws

#: The rib cage's inner wall: millimetres outwards at millimetres downwards, of a middling patient.
WALL_Y = (0.0, 25.0, 62.0, 115.0, 170.0, 215.0, 260.0)
WALL_X = (35.0, 62.0, 96.0, 118.0, 128.0, 131.0, 132.0)
#: Which way is outwards.
SIDES = {"right": -1.0, "left": 1.0}


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Where everything lies.

    Attributes:
        female, ap: who, and how the film was taken.
        wide, tall: scale of both axes.
        lungs: side → outline, as deep as the chest is aerated; heart and mediastinum lie before them.
        domes: side → height of the diaphragm's dome, mm.
        heart, mediastinum: outlines.
        knob: middle and radius of the aortic knob.
        shoulder, trunk, neck: half widths of the body, mm.
        depth: of the trunk, cm.
    """

    female: bool
    ap: bool
    wide: float
    tall: float
    lungs: dict[str, Points]
    domes: dict[str, float]
    heart: Points
    mediastinum: Points
    knob: tuple[float, float, float]
    shoulder: float
    trunk: float
    neck: float
    depth: float

    def wall(self, y: ArrayLike) -> Points:
        """Half width of the rib cage at a height, mm."""
        return np.interp(np.asarray(y) / self.tall, WALL_Y, WALL_X) * self.wide


def draw_anatomy(config: ChestConfig, draws: Draws) -> Anatomy:
    """A chest by the settings."""
    female, ap = draws.chance(config.female), draws.chance(config.ap)
    wide = draws.uniform(0.88, 1.08) * (0.95 if female else 1.03)
    # AP films are mostly taken lying: less air, the diaphragm higher.
    tall = draws.uniform(0.88, 1.10) * (0.97 if female else 1.03) * (0.88 if ap else 1.0)
    domes = {"right": draws.uniform(203, 222) * tall}
    domes["left"] = domes["right"] + draws.uniform(2, 16) * tall
    wall = WALL_X[-2] * wide
    ratio = min(0.74, max(0.32, draws.normal(*config.ctr) + (0.05 if ap else 0.0)))
    low = (domes["left"] + domes["right"]) / 2
    return Anatomy(
        female=female,
        ap=ap,
        wide=wide,
        tall=tall,
        lungs={side: _lung(side, domes[side] / tall, (wide, tall), draws) for side in SIDES},
        domes=domes,
        heart=_heart(ratio * 2 * wall, low, tall, draws),
        mediastinum=_mediastinum((wide, tall), draws),
        knob=(draws.uniform(22, 34), draws.uniform(76, 96) * tall, draws.uniform(11, 19)),
        shoulder=draws.uniform(160, 190) * wide,
        trunk=wall + draws.uniform(10, 42),
        neck=draws.uniform(46, 62),
        depth=draws.uniform(19, 27),
    )


def _lung(side: str, dome: float, scale: tuple[float, float], draws: Draws) -> Points:
    points = [
        (38, 16), (62, 23), (95, 62), (117, 115), (127, 168), (130, 212), (129, dome + 30), (104, dome + 7),
        (72, dome - 1), (42, dome + 8), (20, dome + 22), (16, 160), (15, 100), (20, 46),
    ]  # fmt: skip
    return closed(_jittered(points, 2.5, draws) * scale * (SIDES[side], 1.0))


def _heart(width: float, low: float, tall: float, draws: Draws) -> Points:
    right = draws.uniform(0.27, 0.38) * width
    left, top = width - right, draws.uniform(104, 122) * tall
    low += draws.uniform(2, 12)
    middle = (top + low) / 2
    points = [
        (-0.50 * right, top + 6), (0.10 * left, top - 6), (0.42 * left, top + 14), (0.72 * left, middle + 4),
        (0.97 * left, low - 32), (0.93 * left, low - 10), (0.55 * left, low + 1), (0.0, low + 3),
        (-0.62 * right, low), (-0.95 * right, low - 20), (-right, middle + 12), (-0.84 * right, middle - 12),
    ]  # fmt: skip
    return closed(_jittered(points, 1.5, draws))


def _mediastinum(scale: tuple[float, float], draws: Draws) -> Points:
    points = [
        (-19, -40), (19, -40), (23, 20), (26, 60), (33, 92), (30, 122), (26, 200), (22, 265), (-22, 265),
        (-22, 200), (-26, 122), (-25, 60), (-20, 15),
    ]  # fmt: skip
    return closed(_jittered(points, 1.5, draws) * scale)


def _jittered(points: ArrayLike, sd: float, draws: Draws) -> Points:
    own = np.asarray(points, float)
    return own + sd * draws.rows(*own.shape).numpy()
