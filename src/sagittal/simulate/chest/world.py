"""Simulated chest films with known truth.

    >>> from sagittal.simulate.chest import ChestConfig, simulate_films
    >>> [film] = simulate_films(ChestConfig(), [0], seed=0)  # doctest: +SKIP

A film follows from the seed and its index alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.io.films.names import DEVICES, FINDINGS, Device, Finding
from sagittal.io.raster import picture_geometry
from sagittal.simulate.chest import devices
from sagittal.simulate.chest.anatomy import Anatomy, draw_anatomy
from sagittal.simulate.chest.bones import bones, draw_ribs
from sagittal.simulate.chest.canvas import Canvas, Inside
from sagittal.simulate.chest.config import DRAWN, ChestConfig
from sagittal.simulate.chest.film import Layers, develop, framed
from sagittal.simulate.chest.findings import (
    DRAWERS,
    OPAQUE,
    Changes,
    Seen,
    break_rib,
    draw_oedema,
    no_changes,
)
from sagittal.simulate.chest.soft import Regions, regions, tissue
from sagittal.simulate.chest.vessels import vessels
from sagittal.simulate.draws import Draws
from sagittal.study import Image

#: Organs that every film's truth has a mask of.
ORGANS = ("heart", "left lung", "right lung")


@dataclass(frozen=True, eq=False)
class SimulatedFilm:
    """A film and what is true of it.

    Attributes:
        image: (W, H, 1) uint8, kind ``cxr``, spacing in millimetres; the patient's left is on the right.
        organs: of :data:`ORGANS` → (W, H) bool. A lung is its field as a reader sees it: without heart,
            mediastinum and fluid.
        findings: what can be seen, ``inside`` as (W, H).
        oedema: grade, 0 to 3.
        devices: that are there.
        view: ``PA`` or ``AP``.
        female: who.
    """

    image: Image
    organs: dict[str, NDArray[np.bool_]]
    findings: tuple[Seen, ...]
    oedema: int
    devices: tuple[Device, ...]
    view: str
    female: bool

    @property
    def labels(self) -> dict[Finding, bool]:
        """Each of the ten findings: is it there? Lung opacity holds wherever a kind of it does."""
        there = {one.name for one in self.findings}
        found = {name: name in there for name in FINDINGS}
        found["Lung Opacity"] = bool(there & set(OPAQUE))
        return found


def simulate_films(config: ChestConfig, indices: Iterable[int], seed: int) -> Iterator[SimulatedFilm]:
    """Films, one an index."""
    for index in indices:
        yield _film(config, Draws(seed, index, torch.device("cpu"), "chest"), f"film-{seed}-{index:05d}")


def _film(config: ChestConfig, draws: Draws, name: str) -> SimulatedFilm:
    anatomy = draw_anatomy(config, draws.stream("anatomy"))
    canvas = _canvas(config, anatomy, draws.stream("pose"))
    own = regions(canvas, anatomy)
    plan = draws.stream("plan")
    grade = int(plan.choice({str(n): share for n, share in enumerate(config.oedema)}))
    wanted = [finding for finding in DRAWN if plan.chance(config.finding)]
    there = tuple(device for device in DEVICES if plan.chance(config.device))
    changes = no_changes(canvas)
    for finding in wanted:
        if finding in DRAWERS:
            made = DRAWERS[finding](canvas, anatomy, own, changes, draws.stream(finding))
            changes.seen.append(made)
    draw_oedema(canvas, anatomy, own, changes, grade, draws.stream("oedema"))
    layers = _layers(canvas, anatomy, own, changes, grade, "Fracture" in wanted, there, draws)
    film, shown = framed(develop(canvas, layers, draws.stream("film")), draws.stream("frame"))
    geometry = picture_geometry(config.edge, config.edge, canvas.mm)
    image = Image(np.ascontiguousarray(film.T)[:, :, None], geometry, "cxr", name)
    return SimulatedFilm(
        image=image,
        organs={organ: plane.T for organ, plane in _organs(own, changes, shown).items()},
        findings=_shown(changes, shown),
        oedema=grade,
        devices=there,
        view="AP" if anatomy.ap else "PA",
        female=anatomy.female,
    )


def _canvas(config: ChestConfig, anatomy: Anatomy, draws: Draws) -> Canvas:
    field = draws.uniform(*config.field_mm) * (1.05 if anatomy.ap else 1.0)
    # The lungs' middle lies near the film's.
    middle = (draws.uniform(-14, 14), 125 * anatomy.tall + draws.uniform(-12, 28))
    angle = np.deg2rad(draws.uniform(-config.rotation_deg, config.rotation_deg))
    return Canvas(config.edge, field / config.edge, middle, float(angle))


def _layers(
    canvas: Canvas, anatomy: Anatomy, own: Regions, changes: Changes, grade: int, broken: bool,
    there: tuple[Device, ...], draws: Draws,
) -> Layers:  # fmt: skip
    healthy = tissue(canvas, anatomy, own, draws.stream("tissue"))
    # Congestion turns the blood to the upper zones.
    wide = 1.0 if grade == 0 else 1.35
    blood = vessels(canvas, anatomy, draws.stream("vessels"), wide) * (1.0 + 0.25 * (grade > 0))
    air = np.where(changes.empty, 1.25, 1.0) * healthy.air * (1 - changes.dense)
    air = np.where(changes.fluid, 0.0, air)
    blood = np.where(changes.empty | changes.fluid, 0.0, np.minimum(blood, 1.2 * healthy.air))
    ribs = draw_ribs(anatomy, draws.stream("ribs"))
    if broken:
        ribs, seen = break_rib(canvas, ribs, draws.stream("Fracture"))
        changes.seen.append(seen)
    metal = np.zeros(canvas.x.shape)
    for device in there:
        metal = np.maximum(metal, devices.DRAWERS[device](canvas, anatomy, draws.stream(device)))
    bone = bones(canvas, anatomy, ribs, draws.stream("bones"))
    return Layers(healthy.trunk - air + blood + changes.line, bone, metal, own.body)


def _organs(own: Regions, changes: Changes, shown: Inside) -> dict[str, Inside]:
    return {
        "heart": own.heart & shown,
        "left lung": own.field("left") & ~changes.fluid & shown,
        "right lung": own.field("right") & ~changes.fluid & shown,
    }


def _shown(changes: Changes, shown: Inside) -> tuple[Seen, ...]:
    """What can be seen: what fluid hides of a lung, or the film does not show, is not there to a reader."""
    found = []
    for one in changes.seen:
        drowned = changes.fluid if one.name in (*OPAQUE, "Pneumothorax") else False
        inside = one.inside & shown & ~np.asarray(drowned)
        if inside.any():
            found.append(Seen(one.name, one.side, one.zone, one.size, inside.T))
    return tuple(found)
