"""What can be wrong with a chest: ten findings and four grades of oedema, drawn into lungs, pleura and ribs.

Each has one look of its own here, which is a simplification: in films, pneumonia, infiltration and
consolidation overlap. Lung opacity holds wherever the lung is denser than it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sagittal.io.films.names import Finding
from sagittal.simulate.chest.anatomy import SIDES, Anatomy
from sagittal.simulate.chest.bones import Rib
from sagittal.simulate.chest.canvas import Canvas, Inside, Plane, course
from sagittal.simulate.chest.soft import Regions
from sagittal.simulate.draws import Draws

#: Denser lung, of which lung opacity is the common name.
OPAQUE: tuple[Finding, ...] = (
    "Atelectasis", "Pneumonia", "Edema", "Consolidation", "Infiltration", "Nodule", "Lung Opacity",
)  # fmt: skip
#: Zone → heights as shares of a lung field's.
ZONES = {"upper": (0.0, 0.38), "middle": (0.38, 0.66), "lower": (0.66, 1.0)}


@dataclass(frozen=True, eq=False)
class Seen:
    """A finding that was drawn.

    Attributes:
        name: which.
        side: ``right``, ``left``, or ``both``.
        zone: of :data:`ZONES`; empty where that says nothing.
        size: ``small``, ``moderate``, ``large``.
        inside: (rows, columns) where it shows.
    """

    name: Finding
    side: str
    zone: str
    size: str
    inside: Inside


@dataclass(eq=False)
class Changes:
    """What findings change, gathered.

    Attributes:
        dense: share of the air that is gone, 0 to 1.
        fluid: where fluid stands instead of lung.
        empty: where nothing but air is: no vessels, no lung.
        line: centimetres of thin lines (the pleura's edge).
        seen: what was drawn.
    """

    dense: Plane
    fluid: Inside
    empty: Inside
    line: Plane
    seen: list[Seen] = field(default_factory=list)


Drawer = Callable[[Canvas, Anatomy, Regions, Changes, Draws], Seen]


def no_changes(canvas: Canvas) -> Changes:
    """Nothing is wrong yet."""
    shape = canvas.x.shape
    return Changes(np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape))


def _side(draws: Draws) -> str:
    return "right" if draws.chance(0.5) else "left"


def _zone(draws: Draws, lower: float) -> str:
    return draws.choice({"upper": (1 - lower) / 2, "middle": (1 - lower) / 2, "lower": lower})


def _place(canvas: Canvas, own: Regions, side: str, zone: str, draws: Draws) -> tuple[float, float]:
    """A point of a lung field's zone, mm."""
    inside = own.within[side]
    y = canvas.y[inside]
    low, high = (float(y.min()) + share * float(np.ptp(y)) for share in ZONES[zone])
    able = np.flatnonzero(inside & (canvas.y >= low) & (canvas.y <= high))
    able = able if len(able) else np.flatnonzero(inside)
    chosen = int(able[draws.integer(0, len(able))])
    return float(canvas.x.flat[chosen]), float(canvas.y.flat[chosen])


def _patch(
    canvas: Canvas, at: tuple[float, float], size: tuple[float, float], rough: float, draws: Draws
) -> Plane:
    """A fuzzy patch, 0 to 1, its border bent by smooth noise."""
    rng = np.random.default_rng(draws.integer(0, 1 << 31))
    far = np.hypot((canvas.x - at[0]) / size[0], (canvas.y - at[1]) / size[1])
    far += rough * canvas.noise(6, rng)
    return canvas.blurred(np.clip(1.6 * (1 - far), 0, 1), 2)


def _opaque(
    name: Finding, own: Regions, changes: Changes, at: tuple[str, str], plane: Plane, size: str
) -> Seen:
    side, zone = at
    plane = plane * own.lungs[side]
    changes.dense = 1 - (1 - changes.dense) * (1 - plane)
    return Seen(name, side, zone, size, (plane > 0.25) & own.field(side))


def _size(mm: float, borders: tuple[float, float]) -> str:
    return "small" if mm < borders[0] else "moderate" if mm < borders[1] else "large"


def _hazy(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    side, zone, mm = _side(draws), _zone(draws, 0.5), draws.uniform(16, 42)
    at = _place(canvas, own, side, zone, draws)
    plane = draws.uniform(0.3, 0.5) * _patch(canvas, at, (mm, 0.8 * mm), 0.12, draws)
    return _opaque("Lung Opacity", own, changes, (side, zone), plane, _size(mm, (24, 34)))


def _consolidation(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    """Dense and of one piece, air-filled bronchi in it."""
    side, zone, mm = _side(draws), _zone(draws, 0.5), draws.uniform(22, 48)
    x, y = _place(canvas, own, side, zone, draws)
    plane = 0.9 * _patch(canvas, (x, y), (mm, 0.75 * mm), 0.06, draws)
    root = (SIDES[side] * 30, 118 * anatomy.tall)
    for _ in range(3):
        end = (x + draws.uniform(-0.5, 0.5) * mm, y + draws.uniform(-0.5, 0.5) * mm)
        pipe = course([root, ((root[0] + end[0]) / 2, (root[1] + end[1]) / 2 + draws.uniform(-6, 6)), end])
        plane *= 1 - np.clip(canvas.tubes(pipe, np.full(len(pipe), 2.0)) / 5, 0, 0.7)
    return _opaque("Consolidation", own, changes, (side, zone), plane, _size(mm, (30, 40)))


def _pneumonia(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    """A rough, fuzzy patch with mottled density."""
    side, zone, mm = _side(draws), _zone(draws, 0.6), draws.uniform(22, 46)
    at = _place(canvas, own, side, zone, draws)
    rng = np.random.default_rng(draws.integer(0, 1 << 31))
    mottle = np.clip(0.8 + 0.2 * canvas.noise(4, rng), 0.2, 1)
    plane = draws.uniform(0.55, 0.8) * mottle * _patch(canvas, at, (mm, mm), 0.18, draws)
    return _opaque("Pneumonia", own, changes, (side, zone), plane, _size(mm, (30, 38)))


def _infiltration(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    """Many small, faint patches in a zone."""
    side, zone = _side(draws), _zone(draws, 0.34)
    count = draws.integer(6, 16)
    plane = np.zeros(canvas.x.shape)
    for _ in range(count):
        at, mm = _place(canvas, own, side, zone, draws), draws.uniform(4, 10)
        plane = np.maximum(plane, draws.uniform(0.35, 0.6) * _patch(canvas, at, (mm, mm), 0.2, draws))
    return _opaque("Infiltration", own, changes, (side, zone), plane, _size(count, (9, 12)))


def _nodule(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    """Round, with an edge."""
    side, zone, mm = _side(draws), _zone(draws, 0.34), draws.uniform(4, 14)
    x, y = _place(canvas, own, side, zone, draws)
    far = np.hypot(canvas.x - x, canvas.y - y) / mm
    plane = draws.uniform(0.55, 0.9) * np.sqrt(np.clip(1 - far**2, 0, 1))
    return _opaque("Nodule", own, changes, (side, zone), plane, _size(2 * mm, (12, 20)))


def _atelectasis(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    """Plates: thin dense bands above the diaphragm."""
    side, length = _side(draws), draws.uniform(26, 60)
    x, y = _place(canvas, own, side, "lower", draws)
    plane = np.zeros(canvas.x.shape)
    for number in range(draws.integer(1, 4)):
        tilt, low = draws.uniform(-0.35, 0.35), y + 8 * number
        band = course([(x - length / 2, low - tilt * length / 2), (x + length / 2, low + tilt * length / 2)])
        thick = np.full(len(band), draws.uniform(1.2, 3.0))
        plane = np.maximum(plane, np.clip(canvas.tubes(band, thick) / (2 * thick[0]), 0, 1))
    plane = draws.uniform(0.4, 0.75) * canvas.blurred(plane, draws.uniform(0.8, 1.8))
    return _opaque("Atelectasis", own, changes, (side, "lower"), plane, _size(length, (38, 50)))


def _effusion(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    """Fluid: level in the middle, climbing along the wall."""
    side, high = _side(draws), draws.uniform(14, 95)
    wall = np.clip(SIDES[side] * canvas.x / np.maximum(anatomy.wall(canvas.y), 1), 0, 1)
    level = anatomy.domes[side] + 26 - high - 0.45 * high * wall**5
    inside = own.lungs[side] & (canvas.y > level)
    changes.fluid = changes.fluid | inside
    return Seen("Pleural Effusion", side, "lower", _size(high, (36, 66)), inside & own.field(side))


def _pneumothorax(canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, draws: Draws) -> Seen:
    """A rim of bare air along wall and apex, the lung's edge as a thin line."""
    side, rim = _side(draws), draws.uniform(8, 32)
    lung = own.lungs[side]
    depth = _from_wall(canvas, anatomy, side, draws)
    inside = lung & (depth < rim)
    line = np.exp(-(((depth - rim) / 0.8) ** 2)) * lung
    changes.empty = changes.empty | inside
    changes.line = changes.line + 0.5 * line
    return Seen("Pneumothorax", side, "", _size(rim, (15, 23)), inside & own.field(side))


def _from_wall(canvas: Canvas, anatomy: Anatomy, side: str, draws: Draws) -> Plane:
    """Millimetres inwards from the upper chest wall; more towards the base, where the lung stays put."""
    out = SIDES[side]
    gone = anatomy.wall(canvas.y) - out * canvas.x
    apex = 1.2 * (canvas.y - 18 * anatomy.tall)
    low = np.clip((canvas.y - 110 * anatomy.tall) / (90 * anatomy.tall), 0, 1) * draws.uniform(5, 25)
    return np.minimum(gone, apex) + low


DRAWERS: Mapping[Finding, Drawer] = {
    "Lung Opacity": _hazy, "Pleural Effusion": _effusion, "Atelectasis": _atelectasis,
    "Pneumonia": _pneumonia, "Consolidation": _consolidation, "Pneumothorax": _pneumothorax,
    "Infiltration": _infiltration, "Nodule": _nodule,
}  # fmt: skip


def draw_oedema(
    canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, grade: int, draws: Draws
) -> None:
    """Interstitial: short lines and haze; alveolar: a bat's wings about the hila.

    Congestion, grade 1, shows in the vessels alone.
    """
    if grade < 2:
        return
    plane = np.zeros(canvas.x.shape)
    for side, out in SIDES.items():
        wide, tall = (46, 62) if grade == 3 else (58, 78)
        wings = _patch(canvas, (out * 52, 132 * anatomy.tall), (wide, tall * anatomy.tall), 0.22, draws)
        strength = draws.uniform(0.5, 0.75) if grade == 3 else draws.uniform(0.16, 0.28)
        plane = np.maximum(plane, strength * wings)
        for _ in range(draws.integer(10, 24)):
            x, y = _place(canvas, own, side, "lower", draws)
            line = course([(x, y), (x + out * draws.uniform(5, 14), y + draws.uniform(-2, 2))], 12)
            plane = np.maximum(plane, np.clip(canvas.tubes(line, np.full(12, 0.9)) / 1.8, 0, 1) * 0.5)
    both = own.lungs["right"] | own.lungs["left"]
    plane = plane * both
    changes.dense = 1 - (1 - changes.dense) * (1 - plane)
    inside = (plane > 0.12) & (own.field("right") | own.field("left"))
    changes.seen.append(Seen("Edema", "both", "", "large" if grade == 3 else "moderate", inside))


def break_rib(canvas: Canvas, ribs: list[Rib], draws: Draws) -> tuple[list[Rib], Seen]:
    """A rib broken behind: a step and a gap."""
    number = draws.integer(0, len(ribs))
    while not 2 <= ribs[number].number <= 8:
        number = draws.integer(0, len(ribs))
    rib, cut = ribs[number], draws.integer(30, 60)
    moved = rib.behind.copy()
    moved[cut:, 1] += draws.uniform(3.5, 7.0) * (1 if draws.chance(0.5) else -1)
    x, y = rib.behind[cut]
    behind = np.delete(moved, slice(cut - 1, cut + 1), axis=0)
    broken = Rib(rib.side, rib.number, behind, rib.before, rib.radius)
    inside = np.hypot(canvas.x - x, canvas.y - y) < 9
    zone = "upper" if rib.number < 4 else "middle" if rib.number < 6 else "lower"
    return [broken if n == number else one for n, one in enumerate(ribs)], Seen(
        "Fracture", rib.side, zone, "", inside
    )
