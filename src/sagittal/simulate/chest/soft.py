"""Soft tissue and air of a chest as centimetres that the beam goes through."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sagittal.simulate.chest.anatomy import SIDES, Anatomy
from sagittal.simulate.chest.canvas import Canvas, Inside, Plane, course
from sagittal.simulate.draws import Draws

#: Half width of the body as shares of neck, shoulder and trunk, at millimetres downwards.
_HEIGHTS = (-90.0, -22.0, 6.0, 42.0, 112.0, 420.0)
#: Most centimetres of lung in the beam's way.
_DEEPEST = 18.0


@dataclass(frozen=True, eq=False)
class Regions:
    """What lies where.

    Attributes:
        half: half width of the body at each pixel's height, mm.
        body: the patient.
        lungs: side → aerated outline, what lies before it left in.
        heart, mediastinum: silhouettes; the aortic knob belongs to the second.
        within: side → what lies well within the lung field, where findings have room.
    """

    half: Plane
    body: Inside
    lungs: dict[str, Inside]
    heart: Inside
    mediastinum: Inside
    within: dict[str, Inside]

    def field(self, side: str) -> Inside:
        """The lung field that a reader sees: without heart and mediastinum."""
        return self.lungs[side] & ~self.heart & ~self.mediastinum


@dataclass(eq=False)
class Tissue:
    """Centimetres, before anything is wrong.

    Attributes:
        trunk: of the body as if it held no air.
        air: of air within it.
    """

    trunk: Plane
    air: Plane


def regions(canvas: Canvas, anatomy: Anatomy) -> Regions:
    """Outlines as planes."""
    x, y, radius = anatomy.knob
    knob = np.hypot(canvas.x - x, canvas.y - y) < radius
    half = _half(canvas, anatomy)
    own = Regions(
        half=half,
        body=np.abs(canvas.x) < half,
        lungs={side: canvas.fill(outline) for side, outline in anatomy.lungs.items()},
        heart=canvas.fill(anatomy.heart),
        mediastinum=canvas.fill(anatomy.mediastinum) | knob,
        within={},
    )
    return replace(own, within={side: _well_within(canvas, own.field(side)) for side in own.lungs})


def _well_within(canvas: Canvas, field: Inside) -> Inside:
    deep = canvas.bulge(field, 12) > 0.8
    return deep if deep.any() else field


def tissue(canvas: Canvas, anatomy: Anatomy, own: Regions, draws: Draws) -> Tissue:
    """A healthy chest."""
    deep = np.interp(canvas.y, [-90, -22, 45, 140, 420], np.array([0.5, 0.52, 0.82, 1, 1.04]) * anatomy.depth)
    share = np.clip(np.abs(canvas.x) / own.half, 0, 1)
    trunk = deep * np.sqrt(1 - share**2.6)
    trunk += _arms(canvas, anatomy, draws)
    if anatomy.female:
        trunk += _breasts(canvas, anatomy, draws)
    trunk += _texture(canvas, draws) * own.body
    both = own.lungs["right"] | own.lungs["left"]
    air = canvas.bulge(both, draws.uniform(30, 46)) * np.minimum(0.8 * deep, _DEEPEST)
    air *= 1 - draws.uniform(0.20, 0.34)
    # Heart and great vessels stand in the place of air.
    solid = np.maximum(
        canvas.bulge(own.heart, draws.uniform(28, 40)) * draws.uniform(9, 12),
        canvas.bulge(own.mediastinum, 17) * draws.uniform(8, 12),
    )
    air -= np.minimum(air, canvas.blurred(solid, 1.2))
    return Tissue(trunk, np.maximum(air, 0) + _passages(canvas, anatomy, draws))


def _half(canvas: Canvas, anatomy: Anatomy) -> Plane:
    neck, shoulder, trunk = anatomy.neck, anatomy.shoulder, anatomy.trunk
    widths = (neck, neck + 4, 0.8 * shoulder, shoulder, trunk, 1.03 * trunk)
    found: Plane = canvas.blurred(np.interp(canvas.y, _HEIGHTS, widths), 6)
    return found


def _arms(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    own = np.zeros(canvas.x.shape)
    if draws.chance(0.2):
        return own
    far, spread = anatomy.shoulder, draws.uniform(8, 50)
    for out in SIDES.values():
        arm = course([(0.92 * out * far, 28), (out * (far + spread / 2), 120), (out * (far + spread), 280)])
        own += 0.085 * canvas.tubes(arm, np.full(len(arm), draws.uniform(30, 40)))
    return own


def _breasts(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    own = np.zeros(canvas.x.shape)
    x, y = draws.uniform(62, 85) * anatomy.wide, draws.uniform(185, 240) * anatomy.tall
    wide, tall, deep = draws.uniform(48, 66), draws.uniform(46, 70), draws.uniform(1.0, 4.5)
    for out in SIDES.values():
        far = ((canvas.x - out * x) / wide) ** 2 + ((canvas.y - y - draws.uniform(-6, 6)) / tall) ** 2
        # Fading upwards, with an edge below.
        above = np.clip((canvas.y - y + tall) / tall, 0, 1)
        own += deep * above * np.sqrt(np.clip(1 - far, 0, 1))
    return own


def _texture(canvas: Canvas, draws: Draws) -> Plane:
    rng = np.random.default_rng(draws.integer(0, 1 << 31))
    return 0.12 * sum((canvas.noise(mm, rng) for mm in (2.5, 6.0, 14.0)), np.zeros(canvas.x.shape))


def _passages(canvas: Canvas, anatomy: Anatomy, draws: Draws) -> Plane:
    """Windpipe, main bronchi, and gas in the stomach."""
    fork = 74 * anatomy.tall
    pipe = course([(draws.uniform(-4, 4), -90), (0, 15), (draws.uniform(-2, 6), fork)])
    own = 0.085 * canvas.tubes(pipe, np.full(len(pipe), draws.uniform(7, 9.5)))
    for out in SIDES.values():
        bronchus = course([(0, fork), (out * 18, fork + 17), (out * 36, fork + 30)])
        own += 0.05 * canvas.tubes(bronchus, np.linspace(6.5, 4, len(bronchus)))
    if draws.chance(0.7):
        x, y = draws.uniform(42, 78), anatomy.domes["left"] + draws.uniform(20, 34)
        far = np.hypot((canvas.x - x) / draws.uniform(14, 30), (canvas.y - y) / draws.uniform(8, 13))
        own += draws.uniform(1.5, 4.5) * np.sqrt(np.clip(1 - far**2, 0, 1))
    return own
