"""Bones of a chest as centimetres of bone that the beam goes through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagittal.simulate.chest.anatomy import SIDES, Anatomy
from sagittal.simulate.chest.canvas import Canvas, Plane, Points, closed, course
from sagittal.simulate.draws import Draws

#: Share of bone in what lies within the shell of a rib; thickness of the shell, mm.
_SPONGE, _SHELL = 0.22, 1.4
#: Pairs of ribs that are seen from behind, and that reach to the front.
_PAIRS, _FRONT = 11, 8


@dataclass(frozen=True, eq=False)
class Rib:
    """One rib: its course behind and before, with radii, mm."""

    side: str
    number: int
    behind: Points
    before: Points | None
    radius: float


def draw_ribs(anatomy: Anatomy, draws: Draws) -> list[Rib]:
    """All ribs: from the spine outwards, then down and inwards before the lung."""
    first, gap = draws.uniform(6, 15), draws.uniform(18.5, 22.0) * anatomy.tall
    steep, radius = draws.uniform(0.7, 1.3), draws.uniform(4.8, 6.2)
    found = []
    for side, out in SIDES.items():
        for number in range(_PAIRS):
            y = first + number * gap + draws.normal(0, 1)
            wall = float(anatomy.wall(y + 28)) + 2
            behind = course(
                [
                    (out * 18, y), (out * 0.35 * wall, y - 5 * steep), (out * 0.75 * wall, y + 12 * steep),
                    (out * 0.97 * wall, y + 38 * steep), (out * wall, y + 52 * steep),
                ]
            )  # fmt: skip
            before = None
            if number < _FRONT:
                lower = float(anatomy.wall(y + 60)) + 2
                before = course(
                    [
                        (out * wall, y + 50 * steep), (out * 0.97 * lower, y + 68 * steep),
                        (out * 0.80 * lower, y + 92 * steep), (out * 0.52 * lower, y + 112 * steep),
                    ]
                )  # fmt: skip
            found.append(Rib(side, number, behind, before, radius))
    return found


def bones(canvas: Canvas, anatomy: Anatomy, ribs: list[Rib], draws: Draws) -> Plane:
    """Centimetres of bone: spine, ribs, collar bones, shoulder blades, arms."""
    own = _spine(canvas, draws)
    behind = [rib.behind for rib in ribs]
    own += _hollow(canvas, behind, [np.full(len(p), ribs[0].radius) for p in behind])
    before = [rib.before for rib in ribs if rib.before is not None]
    # Before, ribs turn into cartilage, which hardly shows.
    widths = [np.linspace(1.0, 1.25, len(p)) * ribs[0].radius for p in before]
    own += 0.7 * _hollow(canvas, before, widths)
    for out in SIDES.values():
        own += _shoulder(canvas, anatomy, out, draws)
    return own


def _hollow(canvas: Canvas, courses: list[Points], radii: list[Plane], shell: float = _SHELL) -> Plane:
    points, radius = np.concatenate(courses), np.concatenate(radii)
    outer, inner = canvas.tubes(points, radius), canvas.tubes(points, np.maximum(radius - shell, 0.1))
    return (outer - inner + _SPONGE * inner) / 10


def _spine(canvas: Canvas, draws: Draws) -> Plane:
    width, height = draws.uniform(14.5, 18.0), draws.uniform(21, 25)
    bodies = 0.8 + 0.2 * np.cos(2 * np.pi * (canvas.y + draws.uniform(0, 20)) / height)
    found: Plane = np.exp(-((np.abs(canvas.x) / width) ** 4)) * bodies * draws.uniform(1.0, 1.7)
    return found


def _shoulder(canvas: Canvas, anatomy: Anatomy, out: float, draws: Draws) -> Plane:
    """Collar bone, shoulder blade and upper arm of a side."""
    far = anatomy.shoulder
    collar = course(
        [
            (out * draws.uniform(13, 20), 38 + draws.uniform(-6, 6)), (out * 60, 26 + draws.uniform(-7, 7)),
            (out * 105, 17 + draws.uniform(-9, 9)), (out * 0.86 * far, draws.uniform(-2, 14)),
        ]
    )  # fmt: skip
    own = 1.2 * _hollow(canvas, [collar], [np.full(len(collar), draws.uniform(5.5, 7.2))], 1.8)
    wall = float(anatomy.wall(80))
    inner = wall + draws.uniform(-30, 15)
    blade = canvas.fill(
        closed(
            np.array(
                [
                    (0.88 * far, 12), (wall, 28), (inner, 70), (inner + 15, 132), (inner + 42, 82),
                ]
            )
            * (out, 1.0)
        )
    )  # fmt: skip
    own += 0.25 * canvas.bulge(blade, 8) + 0.25 * (canvas.bulge(blade, 2) - canvas.bulge(blade, 7))
    arm = course([(out * 0.93 * far, 24), (out * (far + 10), 130), (out * (far + 30), 280)])
    return own + 1.1 * _hollow(canvas, [arm], [np.linspace(20, 12, len(arm))], 3.5)
