"""From what the beam goes through to a film: attenuation, scatter, noise, development.

Beer–Lambert with one effective energy: 0.19 / cm for soft tissue, 0.5 / cm more for bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.simulate.chest.canvas import Canvas, Inside, Plane
from sagittal.simulate.draws import Draws

_SOFT, _BONE = 0.19, 0.50


@dataclass(frozen=True, eq=False)
class Layers:
    """What lies in the beam's way.

    Attributes:
        soft, bone: centimetres.
        metal: 0 to 1, of devices; opaque at 1.
        body: where the patient is.
    """

    soft: Plane
    bone: Plane
    metal: Plane
    body: Inside


def develop(canvas: Canvas, layers: Layers, draws: Draws) -> NDArray[np.uint8]:
    """(rows, columns) uint8, bright where little came through."""
    through = _SOFT * canvas.blurred(np.clip(layers.soft, 0, None), draws.uniform(0.4, 1.2))
    through += _BONE * canvas.blurred(layers.bone, draws.uniform(0.4, 0.9))
    through += 2.2 * canvas.blurred(layers.metal, 0.4)
    beam = np.exp(-through)
    # Scatter falls on the film as a veil.
    beam += draws.uniform(0.08, 0.45) * canvas.blurred(beam, draws.uniform(22, 45))
    grain = np.random.default_rng(draws.integer(0, 1 << 31)).standard_normal(beam.shape)
    # Grain is that of a film of 1.5 mm pixels, however fine these are.
    fine = min(1.0, canvas.mm / 1.5)
    beam += draws.uniform(0.002, 0.012) * fine * np.sqrt(beam) * grain
    density = -np.log(np.clip(beam, 1e-5, None))
    density += draws.uniform(0, 0.8) * (density - canvas.blurred(density, draws.uniform(8, 25)))
    return _shown(density, layers.body, draws)


def _shown(density: Plane, body: Inside, draws: Draws) -> NDArray[np.uint8]:
    own = density[body] if body.any() else density
    low, high = np.percentile(own, [draws.uniform(0.2, 2), draws.uniform(97, 99.8)])
    shown = np.clip((density - low) / max(high - low, 1e-6), 0, 1) ** draws.uniform(0.7, 1.35)
    black = draws.uniform(0, 0.15)
    white = draws.uniform(0.85, 1.0)
    found: NDArray[np.uint8] = np.round(255 * (black + (white - black) * shown)).astype(np.uint8)
    return found


def framed(film: NDArray[np.uint8], draws: Draws) -> tuple[NDArray[np.uint8], Inside]:
    """Collimated: a black or a white border on some sides, now and then; and what is still shown."""
    shown = np.ones(film.shape, bool)
    if draws.chance(0.25):
        for turns in range(4):
            if draws.chance(0.4):
                width = round(draws.uniform(0, 0.05) * len(film))
                np.rot90(shown, turns)[:width] = False
    shade = 0 if draws.chance(0.8) else 250
    return np.where(shown, film, np.uint8(shade)), shown
