"""Simulated chest films: truth that fits the picture, the same whoever makes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sagittal.errors import ConfigError
from sagittal.io.films.names import DEVICES, FINDINGS, SEVERITY
from sagittal.simulate.chest import (
    ORGANS,
    ChestConfig,
    SimulatedFilm,
    simulate_films,
)
from sagittal.simulate.chest.anatomy import draw_anatomy
from sagittal.simulate.chest.bones import draw_ribs
from sagittal.simulate.chest.canvas import Canvas
from sagittal.simulate.chest.film import Layers, develop
from sagittal.simulate.chest.findings import DRAWERS, OPAQUE, break_rib, draw_oedema, no_changes
from sagittal.simulate.chest.soft import regions
from sagittal.simulate.draws import Draws

EDGE = 96
CONFIG = ChestConfig(edge=EDGE)
HEALTHY = ChestConfig(edge=EDGE, finding=0, oedema=(1, 0, 0, 0), device=0)


def films(config: ChestConfig, indices: range | list[int], seed: int = 3) -> list[SimulatedFilm]:
    return list(simulate_films(config, indices, seed))


def same(one: SimulatedFilm, other: SimulatedFilm) -> bool:
    masks = all(np.array_equal(one.organs[name], other.organs[name]) for name in ORGANS)
    seen = [(s.name, s.side, s.zone, s.size) for s in one.findings]
    return (
        masks
        and np.array_equal(one.image.data, other.image.data)
        and seen == [(s.name, s.side, s.zone, s.size) for s in other.findings]
        and (one.oedema, one.devices, one.view) == (other.oedema, other.devices, other.view)
    )


@pytest.fixture(scope="module")
def made() -> list[SimulatedFilm]:
    return films(CONFIG, range(24))


def test_a_film_follows_from_seed_and_index(made: list[SimulatedFilm]) -> None:
    again = films(CONFIG, [17, 4])
    assert same(again[0], made[17]) and same(again[1], made[4]) and not same(made[4], made[17])
    assert not same(films(CONFIG, [4], seed=4)[0], made[4])


def test_films_are_films(made: list[SimulatedFilm]) -> None:
    for film in made:
        assert film.image.data.shape == (EDGE, EDGE, 1) and film.image.data.dtype == np.uint8
        assert film.image.kind == "cxr" and film.image.data.std() > 15
        low, high = CONFIG.field_mm
        assert low <= film.image.geometry.spacing[0] * EDGE <= 1.05 * high
        assert film.view in ("PA", "AP") and set(film.devices) <= set(DEVICES)
    assert len({film.view for film in made}) == 2 and len({film.female for film in made}) == 2


def test_organs_lie_where_they_do(made: list[SimulatedFilm]) -> None:
    for film in made:
        masks = [film.organs[name] for name in ORGANS]
        assert max(sum(mask.astype(int) for mask in masks).ravel()) == 1, "they do not overlap"
        heart, left, right = (np.argwhere(mask).mean(axis=0) for mask in masks)
        # (x, y): the patient's left is on the right; the heart lies between, and low.
        assert right[0] < heart[0] < left[0]
        assert heart[1] > min(left[1], right[1]) - 0.05 * EDGE


def test_lungs_are_darker_than_what_is_around_them() -> None:
    for film in films(HEALTHY, range(8)):
        plane = film.image.data[:, :, 0].astype(float)
        lungs = film.organs["left lung"] | film.organs["right lung"]
        assert plane[lungs].mean() < plane[film.organs["heart"]].mean() - 25
        assert not film.findings and film.oedema == 0 and not film.devices
        assert not any(film.labels.values())


def test_hearts_are_as_wide_as_they_should_be() -> None:
    def ratio(film: SimulatedFilm) -> float:
        lungs = np.flatnonzero((film.organs["left lung"] | film.organs["right lung"]).any(axis=1))
        heart = np.flatnonzero(film.organs["heart"].any(axis=1))
        return float((heart[-1] - heart[0] + 1) / (lungs[-1] - lungs[0] + 1))

    for wanted in (0.38, 0.48, 0.60):
        config = HEALTHY.model_copy(update={"ctr": (wanted, 0.0), "ap": 0.0, "rotation_deg": 0.0})
        found = [ratio(film) for film in films(config, range(6))]
        assert np.mean(found) == pytest.approx(wanted, abs=0.035) and np.ptp(found) < 0.08


def test_labels_follow_from_what_was_drawn(made: list[SimulatedFilm]) -> None:
    for film in made:
        assert tuple(film.labels) == FINDINGS
        there = {one.name for one in film.findings}
        for name, said in film.labels.items():
            assert said == (bool(there & set(OPAQUE)) if name == "Lung Opacity" else name in there)
        assert film.labels["Edema"] == (film.oedema >= 2)
        for one in film.findings:
            assert one.inside.shape == (EDGE, EDGE) and one.inside.any()
    assert {film.oedema for film in made} == set(range(len(SEVERITY)))


def test_everything_at_once() -> None:
    config = ChestConfig(edge=EDGE, finding=1, oedema=(0, 0, 0, 1), device=1)
    film = films(config, [0])[0]
    assert all(film.labels.values()) and film.devices == DEVICES and film.oedema == 3


def test_effusions_are_no_lung() -> None:
    config = HEALTHY.model_copy(update={"finding": 1.0})
    for film in films(config, range(4)):
        fluid = next(one for one in film.findings if one.name == "Pleural Effusion")
        assert not (fluid.inside & film.organs[f"{fluid.side} lung"]).any()
        healthy = films(HEALTHY, [int(film.image.name.split("-")[-1])])[0]
        assert film.organs[f"{fluid.side} lung"].sum() < healthy.organs[f"{fluid.side} lung"].sum()
        assert np.array_equal(film.organs["heart"], healthy.organs["heart"])


def test_what_fluid_hides_is_not_there() -> None:
    config = HEALTHY.model_copy(update={"finding": 1.0})
    hidden = 0
    for film in films(config, range(6)):
        fluid = next(one for one in film.findings if one.name == "Pleural Effusion")
        for one in film.findings:
            if one.name not in ("Pleural Effusion", "Fracture"):
                assert one.inside.any() and not (one.inside & fluid.inside).any()
        hidden += len({one.name for one in film.findings}) < 9
    assert hidden, "some film hides something"


# -- findings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DRAWERS))
def test_a_finding_changes_its_own_place(name) -> None:
    for number in range(6):
        draws = Draws(5, number, torch.device("cpu"))
        anatomy = draw_anatomy(CONFIG, draws.stream("a"))
        canvas = Canvas(EDGE, 3.6, (0.0, 125.0))
        own, changes = regions(canvas, anatomy), no_changes(canvas)
        seen = DRAWERS[name](canvas, anatomy, own, changes, draws.stream(name))
        assert seen.name == name and seen.side in ("left", "right")
        assert not (seen.inside & ~own.field(seen.side)).any()
        changed = (changes.dense > 0.01) | changes.fluid | changes.empty
        assert not (changed & ~own.lungs[seen.side]).any(), "one side alone"
        assert changed[seen.inside].all()
        assert changes.dense.min() >= 0 and changes.dense.max() <= 1


def test_oedema_grows_with_its_grade() -> None:
    gone = []
    for grade in range(4):
        draws = Draws(5, 1, torch.device("cpu"))
        anatomy = draw_anatomy(CONFIG, draws.stream("a"))
        canvas = Canvas(EDGE, 3.6, (0.0, 125.0))
        changes = no_changes(canvas)
        draw_oedema(canvas, anatomy, regions(canvas, anatomy), changes, grade, draws.stream("o"))
        gone.append(float(changes.dense.sum()))
        assert len(changes.seen) == (grade >= 2)
    assert gone[0] == gone[1] == 0 < gone[2] < gone[3]


def test_one_rib_is_broken() -> None:
    draws = Draws(5, 2, torch.device("cpu"))
    anatomy = draw_anatomy(CONFIG, draws.stream("a"))
    ribs = draw_ribs(anatomy, draws.stream("r"))
    broken, seen = break_rib(Canvas(EDGE, 3.6, (0.0, 125.0)), ribs, draws.stream("b"))
    [changed] = [new for old, new in zip(ribs, broken, strict=True) if old is not new]
    steps = np.hypot(*np.diff(changed.behind, axis=0).T)
    assert steps.max() > 3 * np.median(steps) and changed.side == seen.side and 2 <= changed.number <= 8


# -- the film ---------------------------------------------------------------------------------------


def test_more_in_the_way_is_brighter() -> None:
    canvas = Canvas(64, 5.0, (0.0, 125.0))
    soft = np.tile(np.linspace(4, 24, 64), (64, 1))
    nothing = np.zeros((64, 64))
    film = develop(canvas, Layers(soft, nothing, nothing, soft > 0), Draws(1, 0, torch.device("cpu")))
    columns = film.mean(axis=0)
    assert np.corrcoef(columns, np.arange(64))[0, 1] > 0.97 and columns[-1] > columns[0] + 100
    metal = nothing.copy()
    metal[20:30, 10:20] = 1
    shown = develop(canvas, Layers(soft, nothing, metal, soft > 0), Draws(1, 0, torch.device("cpu")))
    assert shown[22:28, 12:18].mean() > film[22:28, 12:18].mean() + 30


@pytest.mark.parametrize(
    "change",
    [
        {"edge": 8}, {"field_mm": (100.0, 300.0)}, {"field_mm": (400.0, 300.0)}, {"finding": 1.2},
        {"oedema": (0.5, 0.5, 0.5, 0.0)}, {"oedema": (1.5, -0.5, 0.0, 0.0)}, {"colour": "red"},
    ],
)  # fmt: skip
def test_settings_that_make_no_film_are_refused(change) -> None:
    with pytest.raises((ValidationError, ConfigError)):
        ChestConfig(**change)
